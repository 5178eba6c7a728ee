/**
 * Workers that are prepared ahead: while one file runs, the process for the next one starts on a core that would be
 * idle; between the runs of watch mode, one waits for the next run. A spare is a confined process like any other, with
 * its own filter, broker and directory. It has not been told its file yet, as no process has when it starts, and it
 * runs one test file like any other.
 */
import { availableParallelism, freemem } from 'node:os'
import type { WorkerLaunch } from './worker-process.js'

/**
 * Memory that is left free, in bytes. Spares may use what is free beyond it; each takes about a tenth of this figure.
 */
const MEMORY_FLOOR = 768 * 1024 * 1024

/**
 * The number of spares that may wait. Each has memory and a broker thread of its own; with two of them on two cores, ten
 * trivial files took 4 % more CPU time than with one, and no less time.
 */
function spareLimit(cores: number): number {
  return Math.ceil(cores / 2)
}

/** The part of a worker's process that matters here. */
export interface Preparable {
  /** True if the process can still be given a file. */
  readonly isUsable: boolean
  discard(): Promise<void>
}

/** Starts spares, and says how many may be needed. */
interface SpareSource<P extends Preparable> {
  start(launch: WorkerLaunch): Promise<P>
  /** The number of known test files that are not in `begun`, each of which will need a process of its own. */
  filesAhead(launch: WorkerLaunch, begun: ReadonlySet<string>): number
  /** The last lease has ended: no test runs until another run begins. */
  ended(): void
  /** True if another run may follow the one that ends, whose process may start now. */
  mayKeep(launch: WorkerLaunch): boolean
}

/** The machine's resources: an argument, so that tests can set them. */
export interface Machine {
  readonly cores: number
  freeMemory(): number
  /** The number of workers that start or run a file, in all projects. */
  busy: number
  /** True if a process was started before any file was known. */
  hasPrestarted: boolean
  /** The project that keeps a process for the next run, if any does: the last one that ran. */
  keeper: { discard(): Promise<void> } | undefined
}

const THIS_MACHINE: Machine = {
  cores: availableParallelism(),
  freeMemory: freemem,
  busy: 0,
  hasPrestarted: false,
  keeper: undefined,
}

/** A process on loan, from its start to its end. */
export interface Lease<P> {
  readonly process: P
  /** Notes that the process is about to run these files. */
  begin(files: readonly string[]): void
  /** Notes that its files have ended, so it no longer needs its core. */
  rest(): void
  /** Notes that the process has ended. After the last one, unused spares end as well, but for one in watch mode. */
  end(): Promise<void>
}

interface Spare<P> {
  readonly key: string
  /** Undefined if the process could not be started. The next `take` then starts one itself, and gets the error. */
  readonly process: Promise<P | undefined>
}

export class Spares<P extends Preparable> {
  #spares: Spare<P>[] = []
  readonly #begun = new Set<string>()
  /** The number of leases that have not ended, and of those among them that have not begun. */
  #leases = 0
  #waiting = 0
  /** True if the newest start failed. Then nothing is prepared: the next spare would fail as well, for ever. */
  #didFail = false
  #isClosed = false

  constructor(
    readonly source: SpareSource<P>,
    readonly machine: Machine = THIS_MACHINE,
  ) {}

  /** The process for a test file: a spare that waits or is starting, or a new process. */
  async take(launch: WorkerLaunch): Promise<Lease<P>> {
    this.#leases++
    this.#waiting++
    try {
      return this.#lease((await this.#fitting(launchKey(launch))) ?? (await this.#start(launch)), launch)
    } catch (error) {
      this.#waiting--
      await this.#ended(launch)
      throw error
    }
  }

  /**
   * Starts a spare before any file is known: Vitest's own setup uses only one core. Only one project gets it, because
   * it is not known either which project will run.
   */
  prestart(launch: WorkerLaunch): void {
    const { busy, cores, freeMemory, hasPrestarted } = this.machine
    if (hasPrestarted || busy > 0 || cores < 2 || freeMemory() <= MEMORY_FLOOR) return
    this.machine.hasPrestarted = true
    this.#prepare(launch)
  }

  /** Ends the spares that nobody took. None is prepared any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.discard()
  }

  /** Ends the spares that wait. */
  async discard(): Promise<void> {
    await discardAll(this.#spares.splice(0))
  }

  async #start(launch: WorkerLaunch): Promise<P> {
    this.machine.busy++
    try {
      const started = await this.source.start(launch)
      this.#didFail = false
      return started
    } catch (error) {
      this.#didFail = true
      throw error
    } finally {
      this.machine.busy--
    }
  }

  async #fitting(key: string): Promise<P | undefined> {
    for (let at = this.#find(key); at >= 0; at = this.#find(key)) {
      const [spare] = this.#spares.splice(at, 1)
      const process = await spare?.process
      if (process?.isUsable === true) return process
      await process?.discard()
    }
    return undefined
  }

  #find(key: string): number {
    return this.#spares.findIndex((spare) => spare.key === key)
  }

  #lease(process: P, launch: WorkerLaunch): Lease<P> {
    let state: 'waiting' | 'running' | 'resting' = 'waiting'
    const rest = (): void => {
      if (state === 'waiting') this.#waiting--
      if (state === 'running') this.machine.busy--
      state = 'resting'
    }
    return {
      process,
      begin: (files) => {
        for (const file of files) this.#begun.add(file)
        rest()
        state = 'running'
        this.machine.busy++
        this.#refill(launch)
      },
      rest: () => {
        // A lease that ends without having begun does not mean that another file follows.
        const didRun = state === 'running'
        rest()
        if (didRun) this.#refill(launch)
      },
      end: () => {
        rest()
        return this.#ended(launch)
      },
    }
  }

  #refill(launch: WorkerLaunch): void {
    while (this.#wantsOne(launch)) this.#prepare(launch)
  }

  #wantsOne(launch: WorkerLaunch): boolean {
    const { busy, cores, freeMemory } = this.machine
    // A ready spare costs memory but no time; one that is starting needs an idle core.
    return (
      !this.#didFail &&
      busy < cores &&
      this.#spares.length < spareLimit(cores) &&
      freeMemory() > MEMORY_FLOOR &&
      this.#spares.length + this.#waiting < this.source.filesAhead(launch, this.#begun)
    )
  }

  #prepare(launch: WorkerLaunch): Spare<P> {
    const spare: Spare<P> = {
      key: launchKey(launch),
      process: this.#start(launch)
        .catch(() => undefined)
        .finally(() => {
          // One that was taken meanwhile is about to run a file, which needs the core.
          if (this.#leases > 0 && this.#spares.includes(spare)) this.#refill(launch)
        }),
    }
    this.#spares.push(spare)
    return spare
  }

  async #ended(launch: WorkerLaunch): Promise<void> {
    this.#leases--
    if (this.#leases > 0) return
    this.source.ended()
    const kept = this.#keep(launch)
    const others = this.#spares.filter((spare) => spare !== kept)
    this.#spares = kept === undefined ? [] : [kept]
    const before = this.machine.keeper
    if (kept !== undefined) this.machine.keeper = this
    await Promise.all([discardAll(others), kept === undefined || before === this ? undefined : before?.discard()])
  }

  /** The spare that waits for the next run: one that is there, or a new one. */
  #keep(launch: WorkerLaunch): Spare<P> | undefined {
    const mayPrepare = !this.#isClosed && !this.#didFail && this.machine.freeMemory() > MEMORY_FLOOR
    if (!mayPrepare || !this.source.mayKeep(launch)) return undefined
    return this.#spares[this.#find(launchKey(launch))] ?? this.#prepare(launch)
  }
}

async function discardAll(spares: readonly Spare<Preparable>[]): Promise<void> {
  await Promise.all(spares.map(async ({ process }) => (await process)?.discard()))
}

/** A key of a launch: launches with the same key make the same process. */
function launchKey({ execArgv, env, vitestDir, runner, runtime, early }: WorkerLaunch): string {
  return JSON.stringify([
    execArgv,
    Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    vitestDir,
    runner,
    runtime,
    early,
    process.cwd(),
  ])
}
