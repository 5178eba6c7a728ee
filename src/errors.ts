/**
 * The base of all errors of this package, which stand for mistakes and broken machinery. A denied request is never one
 * of these: it is data (`Verdict`), because a denial must not depend on an exception that reaches the right handler.
 */
export abstract class SeccompPoolError extends Error {
  /** A stable code, for programs: `VITEST_SECCOMP_…`. */
  abstract get code(): string
  // A property, not a getter: Vitest assigns `name` when it prints an error that is another one's cause.
  override name: string = this.constructor.name

  /**
   * `facts` become fields that are not enumerable: the message holds them, and Node and Vitest would print them beneath
   * it again.
   */
  constructor(message: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(message)
    for (const [key, value] of Object.entries(facts)) Object.defineProperty(this, key, { value })
  }
}

/** The `code` of an error from Node: `ENOENT`, `ERR_MODULE_NOT_FOUND`; undefined for any other value. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * True for an error of this package. By its code, because the class may be another one: a config loads a copy of this
 * module that is not the command line's.
 */
export function isOwnError(error: unknown): error is Error {
  return codeOf(error)?.startsWith('VITEST_SECCOMP_') ?? false
}

/** One mistake in the options or the manifest. */
export interface ManifestProblem {
  /** The place, as one would write it in the config: `manifest.read[2]`. */
  readonly at: string
  readonly expected: string
  readonly found: string
  /** The text to write instead, if it is known. */
  readonly suggestion?: string
}

/** The options or the manifest are wrong. Lists every problem at once, before the first test runs. */
export class ManifestError extends SeccompPoolError {
  declare readonly problems: readonly ManifestProblem[]
  get code(): string {
    return 'VITEST_SECCOMP_MANIFEST'
  }
  constructor(problems: readonly ManifestProblem[]) {
    super(composeManifestMessage(problems), { problems })
  }
}

function composeManifestMessage(problems: readonly ManifestProblem[]): string {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
  const lines = problems.map(({ at, expected, found, suggestion }) => {
    const hint = suggestion === undefined ? [] : [`    write:    ${suggestion}`]
    return [`  ${at}`, `    expected: ${expected}`, `    found:    ${found}`, ...hint].join('\n')
  })
  return `The seccomp pool's options have ${count}:\n${lines.join('\n')}`
}

/** This machine cannot confine a worker: not Linux, an old kernel, a container profile that forbids it. */
export class UnsupportedError extends SeccompPoolError {
  declare readonly missing: readonly string[]
  get code(): string {
    return 'VITEST_SECCOMP_UNSUPPORTED'
  }
  constructor(missing: readonly string[]) {
    super(
      `vitest-pool-seccomp cannot confine tests on this machine:\n${missing.map((line) => `  - ${line}`).join('\n')}\n` +
        "To run the tests without any confinement here, set onUnsupported: 'warn' in the pool's options.",
      { missing },
    )
  }
}

/** No temporary directory for a worker can be made. */
export class NoTmpdirError extends SeccompPoolError {
  get code(): string {
    return 'VITEST_SECCOMP_TMPDIR'
  }
  constructor(path: string, reason: string) {
    super(
      `Each worker of vitest-pool-seccomp gets a temporary directory of its own, and none can be made in ${path} (${reason}).\n` +
        'Set TMPDIR to a directory that exists and can be written.',
    )
  }
}

/** A worker did not come up, or came up wrong. */
export class WorkerStartError extends SeccompPoolError {
  declare readonly stage: string
  declare readonly detail: string
  declare readonly output: string
  get code(): string {
    return 'VITEST_SECCOMP_START'
  }
  constructor(stage: string, detail: string, output = '') {
    super(
      `A confined worker could not start (${stage}): ${detail}` +
        (output === '' ? '' : `\nWhat it printed:\n${output.trimEnd().replace(/^/gm, '  | ')}`),
      { stage, detail, output },
    )
  }
}

/** A thread of the broker ended, and nobody knows how far it came. Its worker is ended. */
export class ThreadLostError extends SeccompPoolError {
  get code(): string {
    return 'VITEST_SECCOMP_BROKER'
  }
}

/** The broker process ended before the run did. Every worker ended with it. */
export class BrokerGoneError extends SeccompPoolError {
  declare readonly how: string
  declare readonly output: string
  get code(): string {
    return 'VITEST_SECCOMP_BROKER'
  }
  /** `how`: the signal that ended it, or its exit code. */
  constructor(how: string, output = '') {
    super(
      `The broker process of vitest-pool-seccomp ended (${how}), and every confined worker with it: the tests that were not through did not run.` +
        (output === '' ? '' : `\nWhat it printed:\n${output.trimEnd().replace(/^/gm, '  | ')}`),
      { how, output },
    )
  }
}

/**
 * Describes a stage of a start that lasts too long. `load`: the number of tasks that ran or wanted to in the last
 * minute, loadavg(3).
 */
export function standstill(milliseconds: number, load: number, cpus: number): string {
  const busy = load > cpus * BUSY ? ': it has more to do than it can, so run fewer workers at once (maxWorkers)' : ''
  const machine = `The machine's load is ${load.toFixed(1)} on ${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}${busy}`
  return `no progress for ${milliseconds < 1000 ? `${milliseconds} ms` : `${milliseconds / 1000} s`}. ${machine}`
}

/** Tasks per CPU beyond which the load is the likely cause of a slow start. */
const BUSY = 2

/** A peer broke a protocol: a frame, a message, a handshake. Ends that peer's channel, never the run. */
export class ProtocolError extends SeccompPoolError {
  get code(): string {
    return 'VITEST_SECCOMP_PROTOCOL'
  }
}

/** A system call failed that the broker itself depends on. */
export class SystemCallError extends SeccompPoolError {
  declare readonly syscall: string
  declare readonly errno: number
  declare readonly detail: string
  get code(): string {
    return 'VITEST_SECCOMP_SYSCALL'
  }
  constructor(syscall: string, errno: number, detail = '') {
    super(`${syscall} failed with errno ${errno}${detail === '' ? '' : ` (${detail})`}`, { syscall, errno, detail })
  }
}

/** The tests would run in another pool than the config asks for. */
export class PoolReplacedError extends SeccompPoolError {
  declare readonly actual: string
  get code(): string {
    return 'VITEST_SECCOMP_REPLACED'
  }
  constructor(actual: string) {
    super(
      `The tests would run in the pool '${actual}', without confinement, although the config uses vitest-pool-seccomp.\n` +
        "Remove --pool from the command line, `pool` from the project's config, or the plugin.",
      { actual },
    )
  }
}

/** The plugin is in a config with `test.projects`, and none of these projects uses it. */
export class PluginUnusedError extends SeccompPoolError {
  get code(): string {
    return 'VITEST_SECCOMP_UNUSED'
  }
  constructor() {
    super(
      'vitest-pool-seccomp is in a config with test.projects, and none of these projects takes it over: no test would be confined.\n' +
        "Move the plugin into the projects' own configs. An inline project takes it over with extends: true.",
    )
  }
}

/** An entry of this package was used that is for another version of Vitest. */
export class WrongVitestError extends SeccompPoolError {
  declare readonly wanted: '3' | '4 or 5'
  declare readonly running: string
  get code(): string {
    return 'VITEST_SECCOMP_VITEST'
  }
  constructor(wanted: '3' | '4 or 5', running: string) {
    super(
      wanted === '3'
        ? `'vitest-pool-seccomp/vitest3' is for Vitest 3, and this is ${running}. In the config, write:\n` +
            "  import { seccompPool } from 'vitest-pool-seccomp'\n  test: { pool: seccompPool({ manifest: { … } }) }"
        : `seccompPool() is for Vitest 4 and 5, and this is ${running}. In the config, write:\n` +
            "  test: { pool: 'vitest-pool-seccomp/vitest3', poolOptions: { seccomp: { manifest: { … } } } }",
      { wanted, running },
    )
  }
}

/**
 * The reasons why `acquire` gives no resource: the broker's refusals, and the cases in which there was no broker to ask
 * or no answer.
 */
export type AcquireFailure =
  | 'ungranted'
  | 'unavailable'
  | 'malformed'
  | 'busy'
  | 'full'
  | 'late'
  | 'closed'
  | 'outside'
  | 'thread'

/** A test did not get a resource. For `outside` and `thread`, `detail` is the call; otherwise it is the message. */
export class AcquireError extends SeccompPoolError {
  declare readonly failure: AcquireFailure
  declare readonly errno?: string
  get code(): string {
    return 'VITEST_SECCOMP_ACQUIRE'
  }
  /** `errno`: the errno's name, if the resource is granted but could not be opened. */
  constructor(failure: AcquireFailure, detail: string, errno?: string) {
    super(composeAcquireMessage(failure, detail), { failure, errno })
  }
}

function composeAcquireMessage(failure: AcquireFailure, detail: string): string {
  if (failure === 'outside') {
    return (
      `${detail} works only in tests that vitest-pool-seccomp runs and confines, and these are not.\n` +
      'Add the plugin to the Vitest config, plugins: [seccomp({ manifest: { resources: { … } } })], and run them with: npx vitest run\n' +
      "(A program that a test starts gets a descriptor by inheriting it: stdio: ['inherit', 'inherit', 'inherit', acquire('…').fd])"
    )
  }
  if (failure === 'thread') {
    return (
      `${detail} works only in the thread that runs the tests.\n` +
      "Call it there and hand the number over: new Worker(file, { workerData: { fd: acquire('…').fd } })"
    )
  }
  return detail
}

/** The message for the result of a worker's check of its own confinement. */
export function escapeText(ways: string): string {
  return (
    `THE CONFINEMENT DOES NOT HOLD: before any test ran, a worker could ${ways}. No test runs in it.\n` +
    'Please report this as SECURITY.md says; npx vitest-seccomp doctor shows what else is open.'
  )
}

/** The running Node is older than those that package.json names. */
export class OldNodeError extends SeccompPoolError {
  declare readonly running: string
  get code(): string {
    return 'VITEST_SECCOMP_OLD_NODE'
  }
  constructor(running: string) {
    super(`vitest-pool-seccomp needs Node 20 or newer, and this is ${running}.`, { running })
  }
}

/** The running Vitest lacks parts that the pool needs. */
export class OldVitestError extends SeccompPoolError {
  declare readonly running: string
  get code(): string {
    return 'VITEST_SECCOMP_OLD_VITEST'
  }
  constructor(running: string) {
    super(
      `vitest-pool-seccomp needs Vitest 3.2, 4.1 or 5, and this is ${running}. Write:\n  npm install --save-dev vitest@${running.startsWith('4.') ? '4.1' : '3.2'}`,
      { running },
    )
  }
}

/**
 * The running Vite has no environments, by which the gate sees what a worker makes Vite load. Vitest 3 accepts such a
 * Vite.
 */
export class OldViteError extends SeccompPoolError {
  declare readonly running: string
  get code(): string {
    return 'VITEST_SECCOMP_VITE'
  }
  constructor(running: string) {
    super(
      `vitest-pool-seccomp needs Vite 6 or later, and this is ${running}. Write:\n  npm install --save-dev vite@7`,
      { running },
    )
  }
}
