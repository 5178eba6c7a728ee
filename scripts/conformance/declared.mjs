/** The refusals that no manifest lifts, as a filter for a plain process: what a program notices under it, it notices of a declared limit. */
import { pathToFileURL } from 'node:url'

const EPERM = 1
const ENOSYS = 38
const S_IFMT = 0o170000n
const DEVICES = [0o020000n, 0o060000n]
/** Those that change an id: the arguments that have to be what they are, 32 bits each. */
const IDS = { setuid: 1, setgid: 1, setreuid: 2, setregid: 2, setresuid: 3, setresgid: 3 }

/** Encoded, as `installOnThisThread` takes it. */
export async function declaredRefusals(dist) {
  const load = (file) => import(pathToFileURL(`${dist}/${file}`).href)
  const { syscallNumber } = await load('abi/syscalls.js')
  const { compile } = await load('bpf/compile.js')
  const { encode } = await load('bpf/instruction.js')
  const { hostArch } = await load('sys/host.js')
  const { workerFilter } = await load('syscalls/filter.js')
  const { refusedFamily } = await load('syscalls/refused.js')
  const arch = hostArch()
  const known = new Map(workerFilter(arch).rules.map((rule) => [rule.number, rule]))
  const rules = new Map()
  const add = (name, rule) => {
    const number = syscallNumber(arch, name)
    if (number !== undefined) rules.set(number, { number, ...rule })
  }
  // What the worker's filter lets through of such a call (clone without namespaces) it lets through here.
  for (const row of refusedFamily)
    add(row.name, { cases: known.get(syscallNumber(arch, row.name))?.cases ?? [], otherwise: { errno: errnoOf(row) } })
  for (const { number, cases, otherwise } of known.values())
    if (typeof otherwise === 'object') rules.set(number, { number, cases, otherwise })
  for (const [name, arg] of [
    ['mknod', 1],
    ['mknodat', 2],
  ])
    add(name, {
      cases: DEVICES.map((value) => ({ all: [{ arg, is: 'masked', mask: S_IFMT, value }], action: { errno: EPERM } })),
      otherwise: 'allow',
    })
  const ids = { user: process.getuid(), group: process.getgid() }
  for (const [name, count] of Object.entries(IDS))
    add(name, { cases: keeping(name.endsWith('uid') ? ids.user : ids.group, count), otherwise: { errno: EPERM } })
  return encode(compile({ arch, rules: [...rules.values()], otherwise: 'allow' }))
}

function errnoOf({ run }) {
  const { errno } = run({ record() {} })
  return errno ?? ENOSYS
}

/** Each id is the one that it is, or -1 for "as it is". */
function keeping(id, count) {
  const values = count === 1 ? [id] : [id, 0xffff_ffff]
  let all = [[]]
  for (let arg = 0; arg < count; arg++)
    all = all.flatMap((tests) =>
      values.map((value) => [...tests, { arg, is: 'masked', mask: 0xffff_ffffn, value: BigInt(value) }]),
    )
  return all.map((tests) => ({ all: tests, action: 'allow' }))
}
