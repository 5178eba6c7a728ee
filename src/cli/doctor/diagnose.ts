/** Evaluates the facts: the abilities that exist and those that are missing, with their costs and remedies. Pure. */
import { MANIFEST_FILE } from '../../policy/manifest.js'
import { isOldNode } from '../../project/node-version.js'
import type { KernelSupport } from '../../sys/probe.js'
import { yamaAllows } from '../../sys/yama.js'
import type { MachineFacts } from './facts.js'

interface Diagnosis {
  /** A stable identifier, for programs. */
  readonly id: string
  /** `fail`: no test can run confined. `limited`: tests can run confined, but something is missing. */
  readonly state: 'ok' | 'limited' | 'fail'
  readonly found: string
  readonly costs?: string
  readonly todo?: string
}

/** The Vitest versions that this package supports, as in package.json. */
const VITEST = /^(?:3\.(?:[2-9]|\d\d)|4\.(?:[1-9]|\d\d)|5\.)/

export function diagnose(facts: MachineFacts): readonly Diagnosis[] {
  const { platform, arch, musl, kernel, koffi } = facts
  if (platform !== 'linux' || !['x64', 'arm64'].includes(arch)) {
    return [
      fail(
        'system',
        `${platform} on ${arch}`,
        'tests cannot be confined here',
        "Linux on x64 or arm64; elsewhere onUnsupported: 'warn' runs the tests unconfined, and says so",
      ),
      ...software(facts),
    ]
  }
  if (kernel === undefined) {
    return [
      fail(
        'koffi',
        `koffi, through which the kernel is called, cannot be loaded: ${koffi ?? ''}`,
        'no test can run',
        'npm install without --omit=optional, on this system',
      ),
      ...software(facts),
    ]
  }
  return [
    ok('system', `Linux ${kernel.release} on ${arch}`),
    ...(musl
      ? [
          fail(
            'libc',
            'this Node is built for musl, as Alpine has it',
            'this package was never run there, and refuses to',
            'a Node for glibc, as Debian images have it (node:24, node:24-slim)',
          ),
        ]
      : []),
    ...calls(facts, kernel),
    ...extras(facts, kernel),
    ...surroundings(facts),
    ...software(facts),
    confinement(facts),
    ...walls(facts),
  ]
}

/** The two walls, and the one in use here as far as files show. No code of the project is run to find out. */
function walls({ escapes, project: { manifest, scripts } }: MachineFacts): Diagnosis[] {
  if (escapes === undefined || escapes.failure !== undefined) return []
  const [one = '', ...more] = scripts
  const used =
    one === ''
      ? 'no script of package.json uses it'
      : `the ${more.length === 0 ? 'script' : 'scripts'} ${scripts.join(', ')} of package.json ${more.length === 0 ? 'uses' : 'use'} it`
  const needs = {
    none: `; it needs a manifest file, which vitest-seccomp record makes`,
    tests: `; ${MANIFEST_FILE} has no runner part, so Vitest gets what every run needs`,
    runner: `; ${MANIFEST_FILE} has a runner part`,
  }[manifest]
  return [
    ok(
      'walls',
      `vitest with the plugin confines tests; vitest-seccomp run confines Vitest itself, too: ${used}${needs}`,
    ),
  ]
}

function calls({ container, filtered, yama, canTrace }: MachineFacts, kernel: KernelSupport): Diagnosis[] {
  const profile =
    filtered || container !== undefined ? "the container's seccomp profile allows it not" : 'the kernel is too old'
  const update = (version: string) =>
    `a kernel of ${version} or newer${container === undefined ? '' : " (the host's counts), and a container profile that allows the call"}`
  const nothing = 'no test can run confined'
  const allow =
    container === 'kubernetes'
      ? 'securityContext: { capabilities: { add: [SYS_PTRACE] } }'
      : '--cap-add=SYS_PTRACE for the container, or a profile that allows the call (docs/guide/docker.md)'
  return [
    kernel.userNotification
      ? ok('seccomp', 'seccomp user notification')
      : fail('seccomp', `no seccomp user notification: ${profile}`, nothing, update('5.7')),
    kernel.injectAndReturn
      ? ok('addfd', 'descriptors can be handed over at once (SECCOMP_ADDFD_FLAG_SEND)')
      : fail('addfd', 'no SECCOMP_ADDFD_FLAG_SEND', nothing, update('5.14')),
    kernel.openat2 ? ok('openat2', 'openat2(2)') : fail('openat2', `no openat2(2): ${profile}`, nothing, update('5.6')),
    kernel.readsMemory
      ? ok('process_vm_readv', 'what a worker asks for can be read: process_vm_readv(2)')
      : fail('process_vm_readv', "no process_vm_readv(2): the container's profile forbids it", nothing, allow),
    kernel.takesDescriptors
      ? ok('pidfd_getfd', "a worker's sockets can be reached: pidfd_getfd(2)")
      : limited(
          'pidfd_getfd',
          "no pidfd_getfd(2): the container's profile forbids it",
          "sockets are refused, and with them fs.watch; unsafe: ['network'] leaves sockets alone. Files and programs are confined as ever",
          allow,
        ),
    yamaCheck(yama, canTrace),
  ]
}

function yamaCheck(yama: number | undefined, canTrace: boolean): Diagnosis {
  if (yama === undefined) return ok('yama', 'no Yama, which could forbid to reach a worker')
  if (yamaAllows({ scope: yama, canTrace }))
    return ok('yama', `Yama allows to reach own children (kernel.yama.ptrace_scope is ${yama})`)
  return fail(
    'yama',
    `Yama forbids to reach a worker (kernel.yama.ptrace_scope is ${yama})`,
    'no test can run confined',
    yama === 2
      ? 'sysctl kernel.yama.ptrace_scope=1, or CAP_SYS_PTRACE'
      : 'kernel.yama.ptrace_scope=1 at boot: 3 cannot be taken back',
  )
}

function extras({ lsm, ownState }: MachineFacts, kernel: KernelSupport): Diagnosis[] {
  const isOff = lsm !== undefined && !lsm.includes('landlock')
  return [
    kernel.waitKillable
      ? ok('wait-killable', 'a signal repeats no call (WAIT_KILLABLE_RECV)')
      : limited(
          'wait-killable',
          'no WAIT_KILLABLE_RECV',
          'a signal can make the kernel repeat a call that was already performed',
          'a kernel of 5.19 or newer',
        ),
    kernel.landlock > 0
      ? ok('landlock', `Landlock ABI ${kernel.landlock}`)
      : limited(
          'landlock',
          isOff ? `no Landlock: it is not among the security modules that are on (${lsm.join(', ')})` : 'no Landlock',
          'exec grants are refused, and the second wall behind seccomp is missing',
          isOff
            ? 'lsm=landlock,… on the kernel command line'
            : 'a kernel of 5.13 or newer with Landlock, and a container profile that allows it',
        ),
    kernel.unixSockets
      ? ok('unix-sockets', 'unix sockets (SO_PASSRIGHTS)')
      : limited(
          'unix-sockets',
          'no SO_PASSRIGHTS',
          'the broker receives in the place of workers: recvmsg and recvmmsg take a few times as long',
          'a kernel of 6.16 or newer',
        ),
    atLeast(kernel.release, 6, 6)
      ? ok('wake-up', 'fast hand-over between worker and broker (SYNC_WAKE_UP)')
      : limited(
          'wake-up',
          'no SYNC_WAKE_UP',
          'each call that the broker answers takes about five times as long',
          'a kernel of 6.6 or newer',
        ),
    ownState
      ? ok('unshare', 'each broker has a umask and a working directory of its own (unshare(2))')
      : limited(
          'unshare',
          "no unshare(2): the container's profile forbids it",
          'files are made with another call, which docs/limits.md describes',
          'nothing, or --cap-add=SYS_ADMIN',
        ),
  ]
}

/** containerd by itself leaves no mark, only a filter. */
function whereItRuns({ container, filtered }: MachineFacts): string {
  if (container !== undefined) return `in a container (${container})`
  return filtered
    ? 'no known container, but a seccomp filter: a container of another runtime, or a sandbox'
    : 'no container'
}

function surroundings(facts: MachineFacts): Diagnosis[] {
  const { tmp } = facts
  return [
    ok('container', whereItRuns(facts)),
    tmp.writable
      ? ok('tmp', `temporary files in ${tmp.path}`)
      : fail(
          'tmp',
          `${tmp.path} cannot be written to`,
          'no worker can have its private temporary directory',
          'TMPDIR=/a/directory/that/can/be/written',
        ),
  ]
}

function software({ node, vitest, plugAndPlay }: MachineFacts): Diagnosis[] {
  const running = node.slice(1)
  return [
    isOldNode(running)
      ? fail('node', `Node ${running}`, 'the pool does not start', 'Node 20 or newer')
      : ok('node', `Node ${running}`),
    vitest === undefined
      ? fail('vitest', 'no Vitest is installed here', 'there is nothing to run', 'npm install --save-dev vitest')
      : VITEST.test(vitest)
        ? ok('vitest', `Vitest ${vitest}`)
        : fail(
            'vitest',
            `Vitest ${vitest}`,
            'it has not been tried, and the pool may not start',
            'Vitest 3.2, 4.1 or 5',
          ),
    ...(plugAndPlay
      ? [
          fail(
            'packages',
            "yarn's Plug'n'Play keeps packages in archives",
            'the pool does not start: the loader for these would run in a worker before the filter',
            'in .yarnrc.yml: nodeLinker: node-modules',
          ),
        ]
      : []),
  ]
}

function confinement({ escapes }: MachineFacts): Diagnosis {
  if (escapes === undefined)
    return fail('confinement', 'no confined worker can be started here', 'nothing could be tried', 'see above')
  if (escapes.failure !== undefined)
    return fail(
      'confinement',
      `a confined worker did not come up: ${escapes.failure}`,
      'no test can run confined',
      'report it, with this output',
    )
  if (escapes.succeeded.length > 0) {
    return fail(
      'confinement',
      `A CONFINED WORKER GOT OUT. It could ${escapes.succeeded.join('; ')}`,
      'the pool protects from nothing',
      'do not rely on it, and report it as SECURITY.md says',
    )
  }
  if (escapes.refused.length === 0)
    return fail(
      'confinement',
      'nothing that was tried is possible here even without confinement',
      'nothing was shown',
      'report it, with this output',
    )
  const untried = escapes.impossible.length === 0 ? '' : `; not possible here anyway: ${escapes.impossible.join(', ')}`
  return ok(
    'confinement',
    `a confined worker was refused ${escapes.refused.length} known ways out that are open without it${untried}`,
  )
}

function atLeast(release: string, major: number, minor: number): boolean {
  const [has = 0, hasMinor = 0] = release.split('.').map((part) => Number.parseInt(part, 10))
  return has > major || (has === major && hasMinor >= minor)
}

function ok(id: string, found: string): Diagnosis {
  return { id, state: 'ok', found }
}

function limited(id: string, found: string, costs: string, todo: string): Diagnosis {
  return { id, state: 'limited', found, costs, todo }
}

function fail(id: string, found: string, costs: string, todo: string): Diagnosis {
  return { id, state: 'fail', found, costs, todo }
}

const words = { ok: 'ok     ', limited: 'limited', fail: 'FAIL   ' } as const

export function describeChecks(checks: readonly Diagnosis[]): string {
  const blocks = checks.map(({ state, found, costs, todo }) =>
    [
      `${words[state]}  ${found}`,
      ...(costs === undefined ? [] : [`         costs: ${costs}`]),
      ...(todo === undefined ? [] : [`         needs: ${todo}`]),
    ].join('\n'),
  )
  return `${blocks.join('\n')}\n\n${verdict(checks)}\n`
}

function verdict(checks: readonly Diagnosis[]): string {
  const failed = checks.filter(({ state }) => state === 'fail').length
  const limits = checks.filter(({ state }) => state === 'limited').length
  if (failed > 0) return 'Tests cannot run confined here.'
  return limits === 0
    ? 'Tests can run confined here.'
    : `Tests can run confined here, with ${limits === 1 ? 'one limit' : `${limits} limits`}.`
}
