/**
 * Starts workers behind the filter and keeps the threads that serve them. A process has one: the broker process does,
 * or a program that is not Vitest. Its threads never keep the process alive.
 */
import { Socket } from 'node:net'
import { pathToFileURL } from 'node:url'
import { Tinypool } from 'tinypool'
import { WorkerStartError } from '../errors.js'
import { IDLE_THREAD_MS } from '../limits.js'
import { EXEC_WITHOUT_LANDLOCK, NETWORK, type Unsafe } from '../policy/manifest.js'
import type { Setup } from '../protocol.js'
import { adoptOrphans, landlockAbi } from '../sys/confine.js'
import { socketPair } from '../sys/io.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { PrivateDirectory } from '../sys/private-directory.js'
import { closesUnixSockets, takesOwnDescriptors, type KernelSupport } from '../sys/probe.js'
import { filterFor, type Reception } from '../syscalls/filter.js'
import { BrokerThread } from './broker-thread.js'
import { builtFile, builtFilter } from './built.js'
import { bornWith, setLater } from './environment.js'
import { spareGroup } from './leftovers.js'
import { moduleTables, type ModuleTrees } from './module-tables.js'
import { closeOutputs, collecting, ignoreResets, StartFailure } from './outputs.js'
import { processLocks } from './process-locks.js'
import { areAnyAlive, RunningWorker } from './running-worker.js'
import { SharedResources } from './shared-resources.js'
import { limitedSpawner, type Spawner } from './spawner.js'
import type { ThreadData } from './thread.js'
import { loadingThreads, THREAD_LIMITS, threadEnv } from './threads.js'
import { launchOf, TURN } from './worker.js'
import type {
  Attachment,
  ConfinedWorker,
  Lane,
  Launch,
  StartOptions,
  WorkerListener,
  WorkerSockets,
  WorkerSource,
} from './worker.js'

export { COOKIE } from './strays.js'
export type { ConfinedWorker, Exit, StartOptions } from './worker.js'

let host: Host | undefined

export function theHost(): Host {
  host ??= new Host()
  return host
}

/**
 * The most threads: more workers at a time than any machine runs tests in, each with its spare. Beyond, a start waits
 * for a thread.
 */
const MOST_THREADS = 512

interface HostOptions {
  /**
   * A pidfd of the process that runs the tests, if that is another process, and the action to take once it has ended.
   */
  readonly runner?: OwnedFd
  readonly onRunnerEnded?: () => void
  /** The abilities of this kernel. A test may declare fewer. */
  readonly support?: Partial<Pick<KernelSupport, 'unixSockets' | 'takesDescriptors'>>
}

type End = keyof WorkerSockets

/** A process that is starting and does not have its grants yet. */
export interface Launched {
  readonly worker: RunningWorker
  /**
   * The other ends of the worker's sockets, for the caller to close or give away. A worker with given streams has no
   * outputs here.
   */
  readonly ends: Readonly<Partial<Record<End, OwnedFd>>>
  /** Resolves once the worker stands behind the filter. Throws a StartFailure after it has stopped the worker. */
  attach(attachment: Attachment): Promise<void>
  /** Ends the process if its grants could not be found out. */
  abandon(): Promise<void>
}

export class Host implements WorkerSource {
  readonly reception: Reception
  readonly #spawners = new Map<string, Spawner>()
  readonly #shared = new Map<string, SharedResources>()
  readonly #serving = new Set<BrokerThread>()
  readonly #running = new Set<RunningWorker>()
  readonly #options: HostOptions
  #pool: Tinypool | undefined
  readonly #lanes = new Map<string, Tinypool>()
  /** Launches that wait for their turn, by lane. */
  readonly #waiting = new Map<string, Set<AbortController>>()

  constructor(options: HostOptions = {}) {
    this.#options = options
    const { takesDescriptors = takesOwnDescriptors(), unixSockets = closesUnixSockets() } = options.support ?? {}
    this.reception = takesDescriptors ? (unixSockets ? 'kernel' : 'broker') : 'none'
    // Orphans of a dead worker become children of this process, which ends them.
    adoptOrphans()
    // A thread blocked in poll would hold up the end of the process until its wait is over.
    process.once('exit', () => {
      for (const thread of this.#serving) thread.command({ type: 'detach' })
    })
  }

  /** Loads a broker thread before it is needed. */
  prepare(): void {
    this.#anyThreads()
  }

  #anyThreads(): Tinypool {
    this.#pool ??= newPool(1, MOST_THREADS, this.reception)
    return this.#pool
  }

  #lane({ name, most }: Lane): Tinypool {
    const known = this.#lanes.get(name)
    if (known !== undefined) return known
    // At least one: else Tinypool would replace none that breaks down, and the starts behind it would wait for ever.
    const made = newPool(1, most, this.reception)
    this.#lanes.set(name, made)
    return made
  }

  #thread(lane: Lane | undefined, signal: AbortSignal | null): BrokerThread {
    const pool = lane === undefined ? this.#anyThreads() : this.#lane(lane)
    const before = pool.threads.length
    const { runner } = this.#options
    const thread = new BrokerThread(pool, { signal, ...(runner === undefined ? {} : { runner }) })
    loadingThreads().started(Math.max(0, pool.threads.length - before))
    this.#serving.add(thread)
    void thread.over.then(() => this.#serving.delete(thread))
    return thread
  }

  /**
   * A spawner is limited for good, so there is one for each set of programs: mostly one for each project, but one for each
   * worker that may execute what it writes.
   */
  #spawnerFor(executable: readonly string[] | 'any'): Spawner {
    const key = JSON.stringify(executable)
    const known = this.#spawners.get(key)
    if (known?.hasFailed === false) return known
    const made = limitedSpawner(executable)
    this.#spawners.set(key, made)
    return made
  }

  /** Ends the spawner of a worker that no other can have. */
  #endSpawnerOf({ executable = [], tmp }: Launch): void {
    if (tmp === undefined || executable === 'any' || !executable.some((path) => `${path}/`.startsWith(`${tmp}/`)))
      return
    const key = JSON.stringify(executable)
    this.#spawners.get(key)?.end()
    this.#spawners.delete(key)
  }

  #sharedBy(key: string | undefined): SharedResources {
    if (key === undefined) return new SharedResources()
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    const made = new SharedResources()
    this.#shared.set(key, made)
    return made
  }

  /** Waits for a turn in the lane. Returns its thread, and the variables that the turn adds to the environment. */
  async #turn(lane: Lane): Promise<{ thread: BrokerThread; env: Record<string, string> }> {
    const waiting = new AbortController()
    const all = this.#waiting.get(lane.name) ?? new Set()
    this.#waiting.set(lane.name, all.add(waiting))
    const thread = this.#thread(lane, waiting.signal)
    try {
      return { thread, env: { [TURN]: String(await thread.begun) } }
    } catch (error) {
      throw new StartFailure('queue', error instanceof Error ? error.message : String(error))
    } finally {
      all.delete(waiting)
    }
  }

  /** Has the workers to come see what was installed until now. */
  lookAgain(): void {
    moduleTables.distrust()
  }

  /** Makes the starts that still wait in this lane fail. */
  cancel(lane: string): void {
    for (const waiting of this.#waiting.get(lane) ?? []) waiting.abort()
  }

  /**
   * Forks a worker. Throws a StartFailure. `early` is for Vitest itself: it finds the packages whose files Vitest can
   * look up without a system call until it starts a worker. It is called while Vitest boots.
   */
  async launch(launch: Launch, listener: WorkerListener, early?: () => ModuleTrees): Promise<Launched> {
    const turn = launch.lane === undefined ? undefined : await this.#turn(launch.lane)
    const start = early && moduleTables.tableForStart(early, Date.now())
    if (start === undefined) moduleTables.endStart()
    const modules = start ?? moduleTables.tableFor(launch.modules, Date.now(), !areAnyAlive())
    const tmp = made(launch.tmp, turn?.thread)
    // After its directory, which it may have to know.
    const spawner = this.#spawnerFor(launch.executable ?? [])
    const outputs = launch.streams === undefined ? outputPairs() : undefined
    const [transport, rpcChild] = socketPair('stream')
    const [channel, channelChild] = socketPair('packets')
    const given = [
      ...(outputs?.childEnds ?? []),
      channelChild,
      rpcChild,
      ...(modules === undefined ? [] : [modules.fd]),
    ]
    const [stdin, ...streams] = launch.streams ?? []
    const descriptors = [...streams, ...given.map(({ number }) => number)]
    const channelEnv = launch.nodeChannel === undefined ? {} : nodeChannelEnv(descriptors.push(launch.nodeChannel))
    // Without a lane, the thread is taken only now: whatever fails from here on frees it. The first one loads while the
    // spawner's does and while the process boots.
    const thread = turn?.thread ?? this.#thread(undefined, null)
    let child
    try {
      child = await spawner.spawn(
        process.execPath,
        [...launch.execArgv, builtFile('child.cjs')],
        { ...bornWith(launch.env), ...turn?.env, ...channelEnv },
        launch.cwd ?? process.cwd(),
        descriptors,
        stdin,
      )
    } catch (error) {
      for (const end of [...Object.values(outputs?.ends ?? {}), transport, channel]) end.close()
      thread.command({ type: 'detach' })
      this.#endSpawnerOf(launch)
      await tmp?.remove()
      throw new StartFailure('fork', error instanceof Error ? error.message : String(error))
    } finally {
      for (const end of given) end.close()
    }
    const { onRunnerEnded = () => {} } = this.#options
    const shared = this.#sharedBy(launch.shared)
    const worker: RunningWorker = new RunningWorker({
      thread,
      spawner,
      child,
      launch,
      shared,
      tmp,
      listener,
      onRunnerEnded,
      onStopped: () => {
        this.#running.delete(worker)
        this.#endSpawnerOf(launch)
      },
    })
    this.#running.add(worker)
    thread.serve(worker)
    if (start === undefined) modules?.fill()
    return {
      worker,
      ends: { ...outputs?.ends, transport },
      attach: async ({ policy, setup }) => {
        if (setup.group !== undefined) spareGroup(setup.group)
        worker.attach({
          channel: channel.release(),
          policy,
          denied: launch.denied,
          execAuthority:
            landlockAbi() > 0
              ? 'landlock'
              : launch.unsafe?.includes(EXEC_WITHOUT_LANDLOCK) === true
                ? 'unsafe'
                : 'none',
          ledger: launch.ledger === true,
          ...(launch.tmp === undefined ? {} : { tmp: launch.tmp }),
          setup: {
            runtime: pathToFileURL(builtFile('runtime.js')).href,
            ...setup,
            env: { ...setLater(launch.env), ...setup.env },
            ...(modules === undefined ? {} : { modules: modules.size }),
            ...this.#filters(launch.unsafe ?? []),
          },
        })
        // The process is on its way to its first line meanwhile.
        start?.fill()
        try {
          await worker.up()
        } catch (error) {
          await worker.stop()
          throw error
        }
      },
      abandon: async () => {
        channel.close()
        await worker.stop()
      },
    }
  }

  #filters(unsafe: readonly Unsafe[]): Pick<Setup, 'filter' | 'seal' | 'opensNetwork'> {
    const kind = filterFor(this.reception, unsafe.includes(NETWORK))
    return {
      filter: builtFilter(kind).toString('base64'),
      ...(this.reception === 'none' ? { seal: builtFilter('seal').toString('base64') } : {}),
      ...(kind === 'networked' ? { opensNetwork: true } : {}),
    }
  }

  async start(options: StartOptions): Promise<ConfinedWorker> {
    let launched: Launched
    try {
      launched = await this.launch(launchOf(options, options.onLedger !== undefined), options)
    } catch (error) {
      if (error instanceof StartFailure) throw new WorkerStartError(error.stage, error.detail)
      throw error
    }
    const { worker, ends, attach, abandon } = launched
    const sockets: WorkerSockets = {
      stdout: asSocket(ends.stdout, false),
      stderr: asSocket(ends.stderr, false),
      transport: asSocket(ends.transport, true),
    }
    ignoreResets(sockets)
    let attachment: Attachment
    try {
      // Read these only now: making them may take time, and the process boots meanwhile.
      const { policy, setup } = options
      attachment = { policy, setup }
    } catch (error) {
      await abandon()
      await closeOutputs(sockets)
      throw error
    }
    await collecting(sockets.stderr, attach(attachment))
    return localWorker(worker, sockets)
  }

  /** Closes the resources that workers share by this name. */
  closeShared(key: string): void {
    this.#shared.get(key)?.close()
    this.#shared.delete(key)
  }

  /** Ends every worker and removes what was made for them. */
  async close(): Promise<void> {
    for (const worker of this.#running) worker.kill()
    await Promise.all([...this.#running].map((worker) => worker.stop()))
    for (const key of this.#shared.keys()) this.closeShared(key)
  }
}

/** The pairs of sockets for a worker's output: the ends where it arrives, and the ends that the worker gets. */
function outputPairs(): {
  readonly ends: { readonly stdout: OwnedFd; readonly stderr: OwnedFd }
  readonly childEnds: readonly OwnedFd[]
} {
  const [stdout, outChild] = socketPair('stream')
  const [stderr, errChild] = socketPair('stream')
  return { ends: { stdout, stderr }, childEnds: [outChild, errChild] }
}

/** Node's own, for a child with a channel: setupChildProcessIpcChannel of lib/internal/process/pre_execution.js. */
function nodeChannelEnv(fd: number): Record<string, string> {
  return { NODE_CHANNEL_FD: String(fd), NODE_CHANNEL_SERIALIZATION_MODE: 'json' }
}

function asSocket(end: OwnedFd | undefined, writable: boolean): Socket {
  if (end === undefined) throw new TypeError('a worker that prints to streams of its own has no such socket')
  return new Socket({ fd: end.release(), readable: true, writable })
}

function newPool(minThreads: number, maxThreads: number, reception: Reception): Tinypool {
  const count = loadingThreads()
  const pool = new Tinypool({
    filename: builtFile('broker.js'),
    runtime: 'worker_threads',
    minThreads,
    maxThreads,
    idleTimeout: IDLE_THREAD_MS,
    // By default, when a thread ends, Node would close descriptors that it believes forgotten, and warn about those
    // that we close.
    trackUnmanagedFds: false,
    workerData: { loaded: count.shared, locks: processLocks.shared, reception } satisfies ThreadData,
    env: threadEnv(),
    execArgv: [],
    resourceLimits: THREAD_LIMITS,
  })
  count.started(pool.threads.length)
  return pool
}

function made(path: string | undefined, thread: BrokerThread | undefined): PrivateDirectory | undefined {
  if (path === undefined) return undefined
  try {
    return PrivateDirectory.make(path)
  } catch (error) {
    thread?.command({ type: 'detach' })
    throw new StartFailure(
      'temporary directory',
      `${error instanceof Error ? error.message : String(error)}. TMPDIR names where temporary directories are made`,
    )
  }
}

/**
 * A worker whose sockets belong to this process. `control` is the broker's own view of it, for tests that take its
 * broker away.
 */
function localWorker(
  control: RunningWorker,
  sockets: WorkerSockets,
): ConfinedWorker & { readonly control: RunningWorker } {
  return {
    control,
    ...sockets,
    pid: control.pid,
    landlock: control.landlock,
    exited: control.exited,
    setPolicy: (policy) => control.setPolicy(policy),
    settled: () => control.settled(),
    running: () => control.running(),
    tellLedger: () => control.tellLedger(),
    stop: async () => {
      const exit = await control.stop()
      await closeOutputs(sockets)
      return exit
    },
  }
}
