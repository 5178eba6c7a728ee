/**
 * A confined process that could run any test file of its project, until it is told which: its directory, environment
 * and preloads. Events from before that are kept for the adapter that takes the process over.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { theBroker } from '../broker/client.js'
import { tmpVariables } from '../broker/environment.js'
import type { Batch } from '../broker/ledger.js'
import { COOKIE } from '../broker/strays.js'
import { newTmpName } from '../broker/tmp.js'
import type { ConfinedWorker, Lane, StartOptions } from '../broker/worker.js'
import { STAGE_MS } from '../limits.js'
import type { AccessEvent } from '../policy/event.js'
import type { PolicyData } from '../policy/policy.js'
import { definedOnly } from '../project/environment.js'
import { joinNodeOptions, splitNodeOptions } from '../project/node-options.js'
import { takeEnvFiles } from './env-files.js'
import { deferPreloads } from './preload.js'
import type { ProjectPolicy } from './project-policy.js'
import { withoutRecording } from './recording.js'
import { untilListening } from './runner-ports.js'
import { realTmpdir } from './tmpdir.js'
import { tellUnused } from './unused.js'

/** The error codes of a refusal, as a test sees them. */
const TRACED = { eacces: ['EACCES', 'EPERM'], hide: ['EACCES', 'EPERM', 'ENOENT'], audit: [] } as const

const shared = new WeakMap<ProjectPolicy, string>()

/**
 * An identifier of what the workers of one project share. It lives until the run ends; in watch mode it is used again.
 */
function sharedBy(policy: ProjectPolicy): string {
  const known = shared.get(policy) ?? randomUUID()
  shared.set(policy, known)
  return known
}

export interface WorkerLaunch {
  readonly execArgv: readonly string[]
  readonly env: Partial<NodeJS.ProcessEnv>
  /** The directory of Vitest's own files. Modules below it may be preloaded before the filter. */
  readonly vitestDir: string
  /** Vitest's module for workers, as a file: URL. */
  readonly runner: string
  /** The module that runs it, as a file: URL. Default: the one for Vitest 4 and 5. */
  readonly runtime?: string
  /** The limit on concurrent workers, where Vitest leaves scheduling to its pool. */
  readonly lane?: Lane
  /** More of Vitest's own modules that every worker loads sooner or later, as file: URLs. */
  readonly early?: readonly string[]
}

/** The events of a process, besides its messages. */
interface WorkerEvents {
  incident(event: AccessEvent): void
  ledger(batch: Batch): void
  /** The broker failed or the worker broke the protocol. */
  fault(detail: string): void
}

export class WorkerProcess {
  readonly tmp: string
  /** Absolute paths of the modules that the process preloads. */
  readonly preloads: readonly string[]
  readonly #argv: readonly string[]
  readonly #env: Record<string, string>
  readonly #later: Readonly<Record<string, string>>
  readonly #preload: ReturnType<typeof deferPreloads>['preload']
  #data: PolicyData | undefined
  #worker: ConfinedWorker | undefined
  #events: WorkerEvents | undefined
  #untold: ((events: WorkerEvents) => void)[] = []
  #isFaulty = false
  #hasEnded = false
  #isDiscarded = false

  private constructor(
    readonly policy: ProjectPolicy,
    readonly launch: WorkerLaunch,
  ) {
    const own = (path: string): boolean => path.startsWith(`${launch.vitestDir}/`)
    const cwd = process.cwd()
    const files = takeEnvFiles(launch.execArgv, definedOnly(launch.env), cwd)
    const argv = deferPreloads(files.argv, cwd, own)
    const env = withoutRecording(files.env)
    const nodeOptions = deferPreloads(splitNodeOptions(env.NODE_OPTIONS ?? ''), cwd, own)
    if (env.NODE_OPTIONS !== undefined) env.NODE_OPTIONS = joinNodeOptions(nodeOptions.argv)
    this.#argv = argv.argv
    this.#env = env
    this.#later = files.later
    this.#preload = [...nodeOptions.preload, ...argv.preload]
    this.preloads = this.#preload
      .map(({ specifier }) => specifier)
      .filter((specifier) => specifier.startsWith('/') || specifier.startsWith('file:'))
      .map((specifier) => specifier.replace(/^file:\/\//, ''))
    // The broker creates it, and removes it after the last process that could use it.
    this.tmp = join(realTmpdir(), newTmpName(theBroker().tag))
  }

  /** Resolves when the process is behind its filter and waits for its runner's first message. */
  static async start(policy: ProjectPolicy, launch: WorkerLaunch, keepsLedger: boolean): Promise<WorkerProcess> {
    await untilListening(policy.project.vitest)
    const made = new WorkerProcess(policy, launch)
    made.#worker = await made.#start(keepsLedger)
    void made.#worker.exited.then(() => {
      made.#hasEnded = true
    })
    return made
  }

  #start(keepsLedger: boolean): Promise<ConfinedWorker> {
    const { tmp, policy } = this
    // The first worker of a run has no table, and to find its trees all base grants would have to be bound first.
    const modules = theBroker().isUnused ? undefined : policy.moduleTrees
    const data = (): PolicyData => this.data
    const setup = (): StartOptions['setup'] => this.#setup(keepsLedger)
    return theBroker().start({
      root: policy.root,
      execArgv: this.#argv,
      tmp,
      env: { ...this.#env, ...tmpVariables(this.#env, tmp), [COOKIE]: randomUUID() },
      // Evaluated only after the process has been started, while it comes up.
      get policy() {
        return data()
      },
      get setup() {
        return setup()
      },
      denied: policy.options.denied,
      executable: policy.executableIn(tmp),
      unsafe: policy.options.unsafe,
      ...(modules === undefined ? {} : { modules }),
      shared: sharedBy(policy),
      ...(this.launch.lane === undefined ? {} : { lane: this.launch.lane }),
      stageTimeout: STAGE_MS,
      onIncident: (incident) => this.#tell((events) => events.incident(incident)),
      ...(keepsLedger ? { onLedger: (batch: Batch) => this.#tell((events) => events.ledger(batch)) } : {}),
      onFault: (detail) => {
        this.#isFaulty = true
        this.#tell((events) => events.fault(detail))
      },
    })
  }

  #setup(keepsLedger: boolean): StartOptions['setup'] {
    const {
      policy,
      launch: { runner, runtime, early = [] },
    } = this
    return {
      runner,
      early,
      env: this.#later,
      preload: this.#preload,
      selfCheck: policy.selfCheck(this.data),
      ...(runtime === undefined ? {} : { runtime }),
      traced: TRACED[policy.options.mode === 'audit' ? 'audit' : policy.options.denied],
      tellsBusy: keepsLedger,
      landlock: policy.landlockIn(this.tmp),
    }
  }

  #tell(say: (events: WorkerEvents) => void): void {
    if (this.#events === undefined) this.#untold.push(say)
    else say(this.#events)
  }

  /** The policy before the first file. */
  get data(): PolicyData {
    this.#data ??= this.policy.for(this.tmp, [], this.preloads)
    return this.#data
  }

  get worker(): ConfinedWorker {
    // Only `start` makes a process, and it returns it with its worker.
    if (this.#worker === undefined) throw new TypeError('this process was not started')
    return this.#worker
  }

  /** True if the process can still be given a file. */
  get isUsable(): boolean {
    return !this.#hasEnded && !this.#isFaulty && !this.#isDiscarded
  }

  /** Subscribes to events. Those that were kept until now come first. */
  subscribe(events: WorkerEvents): void {
    this.#events = events
    for (const say of this.#untold.splice(0)) say(events)
  }

  /** Ends a process that nobody took over, and tells what was refused to it. */
  async discard(): Promise<void> {
    this.#isDiscarded = true
    await this.#worker?.stop()
    const refused: AccessEvent[] = []
    this.subscribe({ incident: (event) => void refused.push(event), ledger: () => {}, fault: () => {} })
    tellUnused(this.policy, this.tmp, refused)
  }
}
