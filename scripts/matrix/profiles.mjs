/**
 * Seccomp profiles of container runtimes: the JSON of Docker and Podman, and containerd's, which is Go source
 * (contrib/seccomp/seccomp_default.go) and what Kubernetes calls RuntimeDefault.
 */
import { readFileSync } from 'node:fs'

/** As Docker writes it: `{ defaultErrnoRet, syscalls: [{ names, action, args, includes, excludes }] }`. */
export function readProfile(path) {
  const text = readFileSync(path, 'utf8')
  return path.endsWith('.go') ? fromGo(text) : JSON.parse(text)
}

/** unix.…, as Go's source names them. */
const CONSTANTS = {
  AF_ALG: 38,
  AF_VSOCK: 40,
  CLONE_NEWNS: 0x20000,
  CLONE_NEWUTS: 0x4000000,
  CLONE_NEWIPC: 0x8000000,
  CLONE_NEWUSER: 0x10000000,
  CLONE_NEWPID: 0x20000000,
  CLONE_NEWNET: 0x40000000,
  CLONE_NEWCGROUP: 0x2000000,
}
const OPERATORS = {
  EqualTo: 'SCMP_CMP_EQ',
  NotEqual: 'SCMP_CMP_NE',
  GreaterThan: 'SCMP_CMP_GT',
  LessThan: 'SCMP_CMP_LT',
  MaskedEqual: 'SCMP_CMP_MASKED_EQ',
}

/** Line by line: a rule is what stands from `Names` to the next one; the last `case` or `if` says when it counts. */
function fromGo(text) {
  const body = text.slice(text.indexOf('func DefaultProfile'))
  const syscalls = []
  let scope = {}
  let rule
  let isInNames = false
  for (const line of body.split('\n').map((one) => one.replace(/\s*\/\/.*$/, '').trim())) {
    const caps = /^case ("CAP_\w+")/.exec(line)
    if (caps !== null) scope = { includes: { caps: [JSON.parse(caps[1])] } }
    else if (line.startsWith('case "')) scope = { ...scope, includes: { ...scope.includes, arches: quoted(line) } }
    else if (line === 'default:') scope = { ...scope, includes: { ...scope.includes, arches: ['amd64', 'arm64'] } }
    else if (line === 'if !admin {') scope = { excludes: { caps: ['CAP_SYS_ADMIN'] } }
    else if (line.startsWith('switch runtime.GOARCH')) scope = { ...scope, includes: {} }
    else if (line.startsWith('if ok, err := kernelversion')) scope = {}
    if (line.startsWith('Names:')) {
      rule = { names: quoted(line), action: 'SCMP_ACT_ALLOW', args: [], ...scope }
      syscalls.push(rule)
      isInNames = line.endsWith('{')
    } else if (isInNames) {
      if (line.startsWith('}')) isInNames = false
      else rule.names.push(...quoted(line))
    } else if (/^Action:\s+specs\.ActErrno/.test(line)) rule.action = 'SCMP_ACT_ERRNO'
    else if (line.startsWith('ErrnoRet:')) rule.errnoRet = 38
    else if (line.startsWith('Index:')) rule.args.push({ index: number(line), valueTwo: 0 })
    else if (line.startsWith('Value:')) rule.args.at(-1).value = number(line)
    else if (line.startsWith('ValueTwo:')) rule.args.at(-1).valueTwo = number(line)
    else if (line.startsWith('Op:')) rule.args.at(-1).op = OPERATORS[/specs\.Op(\w+)/.exec(line)[1]]
  }
  if (!syscalls.some(({ names }) => names.includes('pidfd_open'))) throw new Error('that is no profile of containerd')
  return { defaultErrnoRet: 1, syscalls }
}

const quoted = (line) => [...line.matchAll(/"(\w+)"/g)].map(([, name]) => name)

/** `a | b` and `a + 1`, of numbers and names. */
function number(line) {
  const said = line.replace(/^\w+:\s+/, '').replace(/,$/, '')
  const one = (word) => {
    const known = CONSTANTS[word.replace('unix.', '')] ?? Number(word)
    if (Number.isNaN(known)) throw new Error(`${word} is not known here`)
    return known
  }
  if (said.includes('|')) return said.split('|').reduce((sum, word) => sum + one(word.trim()), 0)
  return said.split('+').reduce((sum, word) => sum + one(word.trim()), 0)
}
