import { join } from 'node:path'
/** What a decision costs as a manifest grows, and how many instructions the filter runs for a call that it allows. */
import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { project } from './confined.mjs'
import { quantile } from './statistics.mjs'

const built = (path) => import(pathToFileURL(join(project, 'dist', path)).href)
const ALLOWED = [
  'read',
  'write',
  'futex',
  'epoll_wait',
  'epoll_pwait',
  'close',
  'mmap',
  'clock_gettime',
  'recvmsg',
  'sendto',
  'fcntl',
]

function policyWith(grants, { compilePolicy }, { bytePath }) {
  const list = Array.from({ length: grants }, (_, at) => ({
    effect: 'grant',
    access: 'read',
    shape: 'tree',
    root: bytePath(`/srv/project/fixtures/dir-${at}`),
    aliases: [],
    source: `dir-${at}/`,
    at: `read[${at}]`,
  }))
  return compilePolicy({ mode: 'enforce', lists: [list], sockets: [] })
}

/** Nanoseconds of a decision that is made for the first time: a path never asked for before. */
async function decisions(modules) {
  const [{ decide }, , { bytePath }] = modules
  const bench = new Bench({ time: 300, warmupTime: 100 })
  for (const grants of [1, 100, 10_000]) {
    const policy = policyWith(grants, modules[1], modules[2])
    let count = 0
    bench.add(String(grants), () => {
      const at = count++
      for (let round = 0; round < 100; round++) {
        decide(policy, {
          kind: 'path',
          access: 'read',
          path: bytePath(`/srv/project/fixtures/dir-${(at + round) % grants}/file-${at}-${round}.txt`),
        })
      }
    })
  }
  await bench.run()
  return Object.fromEntries(bench.tasks.map(({ name, result }) => [name, (quantile(result.samples, 0.5) * 1e6) / 100]))
}

/** `{ call: { steps, constant } }`; `constant`: the kernel remembers that it is allowed and runs the filter no more (Linux 5.11). */
async function instructions() {
  const [
    { workerFilter },
    { compile },
    { simulate, isConstantAllow },
    { seccompData },
    { syscallNumber },
    { hostArch },
  ] = await Promise.all(
    ['syscalls/filter.js', 'bpf/compile.js', 'bpf/simulate.js', 'bpf/rules.js', 'abi/syscalls.js', 'sys/host.js'].map(
      built,
    ),
  )
  const arch = hostArch()
  const program = compile(workerFilter(arch))
  const calls = ALLOWED.flatMap((name) => {
    const nr = syscallNumber(arch, name)
    if (nr === undefined) return []
    const { action, steps } = simulate(program, seccompData(arch, nr))
    return [[name, { action, steps, constant: isConstantAllow(program, arch, nr) }]]
  })
  return { length: program.length, calls: Object.fromEntries(calls) }
}

export async function benchPolicy() {
  const modules = await Promise.all(['policy/policy.js', 'policy/policy.js', 'policy/request.js'].map(built))
  return { decisions: await decisions(modules), filter: await instructions() }
}
