/**
 * Runs a command under the seccomp profile and the capabilities of a container, without the container:
 *
 *   node scripts/matrix/container.mjs --profile <default.json> [--add SYS_PTRACE,…] [--allow pidfd_getfd,…] [--deny …]
 *                                     [--user <uid>] -- <command…>
 *
 * `--profile`: in the format of Docker and Podman (https://github.com/moby/profiles/blob/main/seccomp/default.json), or containerd's Go source.
 * Run it as root. What a runtime would do besides (namespaces, masked parts of /proc, AppArmor) is not done here; calls
 * of a foreign ABI are killed, where Docker allows the 32-bit one.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isSyscallName, syscallNumber } from '../../dist/abi/syscalls.js'
import { compile } from '../../dist/bpf/compile.js'
import { encode } from '../../dist/bpf/instruction.js'
import { installOnThisThread } from '../../dist/sys/confine.js'
import { readProfile } from './profiles.mjs'

/** https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities */
const DOCKER_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]
const ERRNO = { SCMP_ACT_ALLOW: () => 'allow', SCMP_ACT_ERRNO: ({ errnoRet = 1 }) => ({ errno: errnoRet }) }
const GO_ARCH = { x64: 'amd64', arm64: 'arm64' }
const ALL = (1n << 64n) - 1n

/** What a profile means on this machine, for a process with these capabilities. */
export function filterOf(profile, { arch, capabilities, allow = [], deny = [] }) {
  const caps = new Set(capabilities.map((name) => `CAP_${name}`))
  const isIn = ({ caps: needs = [], arches = [GO_ARCH[arch]] } = {}) =>
    needs.every((cap) => caps.has(cap)) && arches.includes(GO_ARCH[arch])
  const isOut = ({ caps: has = [], arches = [] } = {}) =>
    has.some((cap) => caps.has(cap)) || arches.includes(GO_ARCH[arch])
  const rules = new Map()
  const rulesGiven = [
    ...profile.syscalls,
    { names: allow, action: 'SCMP_ACT_ALLOW' },
    { names: deny, action: 'SCMP_ACT_ERRNO' },
  ]
  for (const rule of rulesGiven.filter(({ includes, excludes }) => isIn(includes) && !isOut(excludes))) {
    const action = ERRNO[rule.action](rule)
    for (const name of rule.names.filter(isSyscallName)) {
      const number = syscallNumber(arch, name)
      if (number === undefined) continue
      const known = rules.get(number) ?? { number, cases: [], otherwise: { errno: profile.defaultErrnoRet ?? 1 } }
      rules.set(
        number,
        rule.args?.length > 0
          ? { ...known, cases: [...known.cases, ...combined(rule.args.map(testsOf)).map((all) => ({ all, action }))] }
          : { ...known, otherwise: action },
      )
    }
  }
  return { arch, rules: [...rules.values()], otherwise: { errno: profile.defaultErrnoRet ?? 1 } }
}

/** One condition of a profile, as tests of which one must hold. */
function testsOf({ index: arg, op, value, valueTwo = 0 }) {
  const wanted = BigInt(value)
  if (op === 'SCMP_CMP_EQ') return [{ arg, is: 'equal', value: wanted }]
  if (op === 'SCMP_CMP_MASKED_EQ') return [{ arg, is: 'masked', mask: wanted, value: BigInt(valueTwo) }]
  if (op === 'SCMP_CMP_NE')
    return Array.from({ length: 64 }, (_, place) => 1n << BigInt(place)).map((mask) => ({
      arg,
      is: 'masked',
      mask,
      value: (wanted & mask) ^ mask,
    }))
  if (op !== 'SCMP_CMP_LT' && op !== 'SCMP_CMP_GT') throw new Error(`${op} is not known here`)
  // Below (above) a number lies what agrees with it down to some bit, and has 0 for its 1 (1 for its 0) there.
  const bit = op === 'SCMP_CMP_LT' ? 1n : 0n
  return Array.from({ length: 64 }, (_, place) => BigInt(place))
    .filter((place) => ((wanted >> place) & 1n) === bit)
    .map((place) => ({ arg, is: 'masked', mask: (ALL >> place) << place, value: ((wanted >> place) ^ 1n) << place }))
}

/** All conditions must hold, and each by any of its tests. */
const combined = (lists) =>
  lists.reduce((sofar, tests) => sofar.flatMap((all) => tests.map((test) => [...all, test])), [[]])

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: {
      profile: { type: 'string' },
      add: { type: 'string', default: '' },
      allow: { type: 'string', default: '' },
      deny: { type: 'string', default: '' },
      user: { type: 'string', default: '0' },
    },
    allowPositionals: true,
  })
  const list = (text) => text.split(',').filter((name) => name !== '')
  const capabilities = [...DOCKER_CAPABILITIES, ...list(values.add)]
  const filter = filterOf(readProfile(values.profile), {
    arch: process.arch,
    capabilities,
    allow: list(values.allow),
    deny: list(values.deny),
  })
  const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',')
  const user = values.user === '0' ? [] : [`--reuid=${values.user}`, `--regid=${values.user}`, '--clear-groups']
  installOnThisThread(encode(compile(filter)))
  const { status, signal, error } = spawnSync(
    'setpriv',
    [`--bounding-set=${bounding}`, '--inh-caps=-all', ...user, ...positionals],
    { stdio: 'inherit' },
  )
  if (error !== undefined) throw error
  process.exit(status ?? 128 + (signal === null ? 0 : 9))
}
