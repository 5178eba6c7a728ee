/**
 * Workers prepared ahead: while one file runs, the process for the next one starts on a core that would be idle. A spare is
 * a confined process like any other, behind its own filter, with its own broker and its own directory; only that it has not
 * been told its file yet, which no process has been when it starts. It runs one test file, like any other.
 */
import { availableParallelism, freemem } from 'node:os'
import type { WorkerLaunch } from './worker-process.js'

/** Memory that is left free. What is free beyond it may be used by spares, each of which takes a tenth of it or so. */
const MEMORY_FLOOR = 768 * 1024 * 1024

/** A worker's process, as far as it matters here. */
export interface Preparable {
  /** True if it can still be given a file. */
  readonly isUsable: boolean
  discard(): Promise<void>
}

/** Where spares come from, and what decides whether there are any. */
interface SpareSource<P extends Preparable> {
  start(launch: WorkerLaunch): Promise<P>
  /** Test files that are known of and not among these, each of which will need a process of its own. */
  filesAhead(launch: WorkerLaunch, begun: ReadonlySet<string>): number
}

/** The machine's resources: an argument, so that tests can have others. */
export interface Machine {
  readonly cores: number
  freeMemory(): number
  /** Of all projects together: workers that start or run a file. */
  busy: number
  /** True if a process was started before a file was known of. */
  hasPrestarted: boolean
}

const THIS_MACHINE: Machine = { cores: availableParallelism(), freeMemory: freemem, busy: 0, hasPrestarted: false }

/** A process on loan, from its start to its end. */
export interface Lease<P> {
  readonly process: P
  /** It is about to run these files. */
  begin(files: readonly string[]): void
  /** Its files are through: it needs its core no more. */
  rest(): void
  /** It has ended. Where it was the last one, what was prepared in vain ends as well. */
  end(): Promise<void>
}

interface Spare<P> {
  readonly key: string
  /** Undefined: it could not be started. Whoever needs one starts it then, and is told what fails. */
  readonly process: Promise<P | undefined>
}

export class Spares<P extends Preparable> {
  #spares: Spare<P>[] = []
  readonly #begun = new Set<string>()
  /** Leases that have not ended, and those of them that have not begun. */
  #leases = 0
  #waiting = 0

  constructor(
    readonly source: SpareSource<P>,
    readonly machine: Machine = THIS_MACHINE,
  ) {}

  /** The process for a test file: one that waits, or is on its way, or a new one. */
  async take(launch: WorkerLaunch): Promise<Lease<P>> {
    this.#leases++
    this.#waiting++
    try {
      return this.#lease((await this.#fitting(launchKey(launch))) ?? (await this.#start(launch)), launch)
    } catch (error) {
      this.#waiting--
      await this.#ended()
      throw error
    }
  }

  /**
   * Before any file is known of: while Vitest sets up it uses one core. Of all projects one alone has it, because which of them
   * will run is not known either.
   */
  prestart(launch: WorkerLaunch): void {
    const { busy, cores, freeMemory, hasPrestarted } = this.machine
    if (hasPrestarted || busy > 0 || cores < 2 || freeMemory() <= MEMORY_FLOOR) return
    this.machine.hasPrestarted = true
    this.#prepare(launch)
  }

  /** Nobody will come for them. */
  async close(): Promise<void> {
    await Promise.all(this.#spares.splice(0).map(async ({ process }) => (await process)?.discard()))
  }

  async #start(launch: WorkerLaunch): Promise<P> {
    this.machine.busy++
    try {
      return await this.source.start(launch)
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
        // One that never began is no sign that the next one would.
        const didRun = state === 'running'
        rest()
        if (didRun) this.#refill(launch)
      },
      end: () => {
        rest()
        return this.#ended()
      },
    }
  }

  #refill(launch: WorkerLaunch): void {
    while (this.#wantsOne(launch)) this.#prepare(launch)
  }

  #wantsOne(launch: WorkerLaunch): boolean {
    const { busy, cores, freeMemory } = this.machine
    // One that is ready takes memory and no time; one that starts needs a core that nothing else uses.
    return (
      busy < cores &&
      this.#spares.length < cores &&
      freeMemory() > MEMORY_FLOOR &&
      this.#spares.length + this.#waiting < this.source.filesAhead(launch, this.#begun)
    )
  }

  #prepare(launch: WorkerLaunch): void {
    const process = this.#start(launch)
      .catch(() => undefined)
      .finally(() => {
        if (this.#leases > 0) this.#refill(launch)
      })
    this.#spares.push({ key: launchKey(launch), process })
  }

  async #ended(): Promise<void> {
    this.#leases--
    if (this.#leases === 0) await this.close()
  }
}

/** Launches that are alike make the same process. */
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
