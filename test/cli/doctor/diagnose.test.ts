import { describe, expect, test } from 'vitest'
import { describeChecks, diagnose } from '../../../src/cli/doctor/diagnose.js'
import type { MachineFacts } from '../../../src/cli/doctor/facts.js'

const kernel: NonNullable<MachineFacts['kernel']> = {
  release: '6.18.1',
  userNotification: true,
  waitKillable: true,
  injectAndReturn: true,
  openat2: true,
  readsMemory: true,
  takesDescriptors: true,
  landlock: 7,
  unixSockets: true,
}
const whole: MachineFacts = {
  platform: 'linux',
  arch: 'x64',
  musl: false,
  plugAndPlay: false,
  kernel,
  koffi: undefined,
  lsm: ['capability', 'landlock', 'yama'],
  yama: 1,
  container: undefined,
  filtered: false,
  canTrace: false,
  ownState: true,
  node: 'v22.1.0',
  vitest: '4.1.12',
  project: { manifest: 'none', scripts: [] },
  tmp: { path: '/tmp', writable: true },
  escapes: { succeeded: [], refused: ['read a file', 'make a file'], impossible: [] },
}
const lines = (facts: Partial<MachineFacts>): string[] => describeChecks(diagnose({ ...whole, ...facts })).split('\n')
const lacking = (missing: Partial<typeof kernel>, more: Partial<MachineFacts> = {}): Partial<MachineFacts> => ({
  kernel: { ...kernel, ...missing },
  ...more,
})

/** What is said beside what is well. */
function complaints(facts: Partial<MachineFacts>): string {
  const said = lines(facts)
  return said.filter((line) => line !== '' && !line.startsWith('ok ')).join('\n')
}

test('where all is there', () => {
  expect(lines({})).toEqual([
    'ok       Linux 6.18.1 on x64',
    'ok       seccomp user notification',
    'ok       descriptors can be handed over at once (SECCOMP_ADDFD_FLAG_SEND)',
    'ok       openat2(2)',
    'ok       what a worker asks for can be read: process_vm_readv(2)',
    "ok       a worker's sockets can be reached: pidfd_getfd(2)",
    'ok       Yama allows to reach own children (kernel.yama.ptrace_scope is 1)',
    'ok       a signal repeats no call (WAIT_KILLABLE_RECV)',
    'ok       Landlock ABI 7',
    'ok       unix sockets (SO_PASSRIGHTS)',
    'ok       fast hand-over between worker and broker (SYNC_WAKE_UP)',
    'ok       each broker has a umask and a working directory of its own (unshare(2))',
    'ok       no container',
    'ok       temporary files in /tmp',
    'ok       Node 22.1.0',
    'ok       Vitest 4.1.12',
    'ok       a confined worker was refused 2 known ways out that are open without it',
    'ok       vitest with the plugin confines tests; vitest-seccomp run confines Vitest itself, too: no script of package.json uses it; it needs a manifest file, which vitest-seccomp record makes',
    '',
    'Tests can run confined here.',
    '',
  ])
})

test('what is known of a container', () => {
  const said = (facts: Partial<MachineFacts>): string | undefined =>
    lines(facts).find((line) => /container/.test(line) && !line.includes('pidfd'))
  expect(said({ container: 'kubernetes', filtered: true })).toBe('ok       in a container (kubernetes)')
  expect(said({ filtered: true })).toBe(
    'ok       no known container, but a seccomp filter: a container of another runtime, or a sandbox',
  )
})

test('which of the two walls the project uses', () => {
  const said = (project: MachineFacts['project']): string =>
    lines({ project }).find((line) => /Vitest itself/.test(line)) ?? ''
  expect(said({ manifest: 'tests', scripts: ['test'] })).toContain(
    'too: the script test of package.json uses it; ./seccomp.manifest.json has no runner part, so Vitest gets what every run needs',
  )
  expect(said({ manifest: 'runner', scripts: ['test', 'ci'] })).toContain(
    'too: the scripts test, ci of package.json use it; ./seccomp.manifest.json has a runner part',
  )
  expect(said({ manifest: 'runner', scripts: [] })).toContain('no script of package.json uses it')
})

describe('what is missing, what it costs, what to do', () => {
  const cannot = '\nTests cannot run confined here.'
  test.each<[string, Partial<MachineFacts>, string]>([
    [
      'not Linux',
      { platform: 'darwin', arch: 'arm64' },
      `FAIL     darwin on arm64
         costs: tests cannot be confined here
         needs: Linux on x64 or arm64; elsewhere onUnsupported: 'warn' runs the tests unconfined, and says so${cannot}`,
    ],
    [
      'no koffi',
      { kernel: undefined, koffi: "Cannot find module 'koffi'" },
      `FAIL     koffi, through which the kernel is called, cannot be loaded: Cannot find module 'koffi'
         costs: no test can run
         needs: npm install without --omit=optional, on this system${cannot}`,
    ],
    [
      "Docker's default profile",
      lacking({ takesDescriptors: false }, { container: 'docker', filtered: true, ownState: false }),
      `limited  no pidfd_getfd(2): the container's profile forbids it
         costs: sockets are refused, and with them fs.watch; unsafe: ['network'] leaves sockets alone. Files and programs are confined as ever
         needs: --cap-add=SYS_PTRACE for the container, or a profile that allows the call (docs/guide/docker.md)
limited  no unshare(2): the container's profile forbids it
         costs: files are made with another call, which docs/limits.md describes
         needs: nothing, or --cap-add=SYS_ADMIN

Tests can run confined here, with 2 limits.`,
    ],
    [
      'a profile under which a worker cannot be read',
      lacking({ readsMemory: false }, { container: 'docker', filtered: true, escapes: undefined }),
      `FAIL     no process_vm_readv(2): the container's profile forbids it
         costs: no test can run confined
         needs: --cap-add=SYS_PTRACE for the container, or a profile that allows the call (docs/guide/docker.md)
FAIL     no confined worker can be started here
         costs: nothing could be tried
         needs: see above${cannot}`,
    ],
    [
      'Alpine',
      { musl: true, escapes: undefined },
      `FAIL     this Node is built for musl, as Alpine has it
         costs: this package was never run there, and refuses to
         needs: a Node for glibc, as Debian images have it (node:24, node:24-slim)
FAIL     no confined worker can be started here
         costs: nothing could be tried
         needs: see above${cannot}`,
    ],
    [
      'the same in Kubernetes',
      lacking({ takesDescriptors: false }, { container: 'kubernetes' }),
      `limited  no pidfd_getfd(2): the container's profile forbids it
         costs: sockets are refused, and with them fs.watch; unsafe: ['network'] leaves sockets alone. Files and programs are confined as ever
         needs: securityContext: { capabilities: { add: [SYS_PTRACE] } }

Tests can run confined here, with one limit.`,
    ],
    [
      'no seccomp in a container',
      lacking({ userNotification: false, openat2: false }, { filtered: true, container: 'podman' }),
      `FAIL     no seccomp user notification: the container's seccomp profile allows it not
         costs: no test can run confined
         needs: a kernel of 5.7 or newer (the host's counts), and a container profile that allows the call
FAIL     no openat2(2): the container's seccomp profile allows it not
         costs: no test can run confined
         needs: a kernel of 5.6 or newer (the host's counts), and a container profile that allows the call${cannot}`,
    ],
    [
      'an old kernel',
      lacking(
        { release: '5.10.0', injectAndReturn: false, waitKillable: false, landlock: 0, unixSockets: false },
        { lsm: undefined },
      ),
      `FAIL     no SECCOMP_ADDFD_FLAG_SEND
         costs: no test can run confined
         needs: a kernel of 5.14 or newer
limited  no WAIT_KILLABLE_RECV
         costs: a signal can make the kernel repeat a call that was already performed
         needs: a kernel of 5.19 or newer
limited  no Landlock
         costs: exec grants are refused, and the second wall behind seccomp is missing
         needs: a kernel of 5.13 or newer with Landlock, and a container profile that allows it
limited  no SO_PASSRIGHTS
         costs: the broker receives in the place of workers: recvmsg and recvmmsg take a few times as long
         needs: a kernel of 6.16 or newer
limited  no SYNC_WAKE_UP
         costs: each call that the broker answers takes about five times as long
         needs: a kernel of 6.6 or newer${cannot}`,
    ],
    [
      'Landlock switched off',
      lacking({ landlock: 0 }, { lsm: ['capability', 'yama'] }),
      `limited  no Landlock: it is not among the security modules that are on (capability, yama)
         costs: exec grants are refused, and the second wall behind seccomp is missing
         needs: lsm=landlock,… on the kernel command line
Tests can run confined here, with one limit.`,
    ],
    [
      'Yama 2',
      { yama: 2 },
      `FAIL     Yama forbids to reach a worker (kernel.yama.ptrace_scope is 2)
         costs: no test can run confined
         needs: sysctl kernel.yama.ptrace_scope=1, or CAP_SYS_PTRACE${cannot}`,
    ],
    [
      'Yama 3',
      { yama: 3, canTrace: true },
      `FAIL     Yama forbids to reach a worker (kernel.yama.ptrace_scope is 3)
         costs: no test can run confined
         needs: kernel.yama.ptrace_scope=1 at boot: 3 cannot be taken back${cannot}`,
    ],
    [
      'no place for temporary files',
      { tmp: { path: '/x', writable: false } },
      `FAIL     /x cannot be written to
         costs: no worker can have its private temporary directory
         needs: TMPDIR=/a/directory/that/can/be/written${cannot}`,
    ],
    [
      'old Node, no Vitest',
      { node: 'v18.20.0', vitest: undefined },
      `FAIL     Node 18.20.0
         costs: the pool does not start
         needs: Node 20 or newer
FAIL     no Vitest is installed here
         costs: there is nothing to run
         needs: npm install --save-dev vitest${cannot}`,
    ],
    [
      'another Vitest',
      { vitest: '2.1.0' },
      `FAIL     Vitest 2.1.0
         costs: it has not been tried, and the pool may not start
         needs: Vitest 3.2, 4.1 or 5${cannot}`,
    ],
    [
      'a way out',
      { escapes: { succeeded: ['read a file', 'make a file'], refused: ['x'], impossible: [] } },
      `FAIL     A CONFINED WORKER GOT OUT. It could read a file; make a file
         costs: the pool protects from nothing
         needs: do not rely on it, and report it as SECURITY.md says${cannot}`,
    ],
    [
      'a worker that does not come up',
      { escapes: { succeeded: [], refused: [], impossible: [], failure: 'it died' } },
      `FAIL     a confined worker did not come up: it died
         costs: no test can run confined
         needs: report it, with this output${cannot}`,
    ],
    [
      'a check that shows nothing',
      { escapes: { succeeded: [], refused: [], impossible: ['x'] } },
      `FAIL     nothing that was tried is possible here even without confinement
         costs: nothing was shown
         needs: report it, with this output${cannot}`,
    ],
  ])('%s', (_, facts, expected) => {
    expect(complaints(facts)).toBe(expected.replaceAll('\n\n', '\n'))
  })

  test('several limits, and what could not be tried', () => {
    const said = describeChecks(
      diagnose({
        ...whole,
        ...lacking({ unixSockets: false, waitKillable: false }),
        escapes: { succeeded: [], refused: ['a'], impossible: ['read a file with another program'] },
      }),
    )
    expect(said).toContain(
      'ok       a confined worker was refused 1 known ways out that are open without it; not possible here anyway: read a file with another program\n',
    )
    expect(said).toContain('Tests can run confined here, with 2 limits.\n')
  })

  test('Yama 2 does not matter to whoever may trace anyway', () => {
    expect(diagnose({ ...whole, yama: 2, canTrace: true }).every(({ state }) => state === 'ok')).toBe(true)
  })
})
