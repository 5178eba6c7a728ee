/** The helpers of a broker thread: started when a call may sleep, kept as long as the thread. */
import { Worker } from 'node:worker_threads'
import { HELPER_MS } from '../limits.js'
import type { DelegatedCall, Helper } from '../sys/delegation.js'
import { isOwnThread } from '../sys/own-threads.js'
import { builtFile } from './built.js'
import { LoadedCount, THREAD_LIMITS, threadEnv } from './threads.js'

export const HELPER = { loading: 0, up: 1, failed: 2 } as const

/**
 * The shared memory of a helper: one of `HELPER`, the number of its thread, and how many calls it began and has returned
 * from.
 */
export const CELL = { state: 0, thread: 1, begun: 2, returned: 3 } as const

/** The data that a helper starts with. */
export interface HelperData {
  readonly loaded: SharedArrayBuffer
  /** See `CELL`. */
  readonly state: Int32Array
  readonly locks: SharedArrayBuffer
  /** The number of the broker thread: its helpers lock in its name. */
  readonly holder: number
}

/** The most helpers of one thread: a call that comes when all of them are busy waits for one. */
const MOST = 4
/** The most calls under way. Beyond, the broker thread makes them itself: whoever makes more waits for them anyway. */
const MOST_CALLS = 64

export class Helpers {
  #helpers: readonly HelperThread[] = []

  constructor(readonly data: Omit<HelperData, 'state'>) {}

  /**
   * The helper that has least to do, or a new one. Undefined if there is too much to do already, or if there is none
   * and none may be started.
   */
  next(mayStart: boolean): Helper | undefined {
    this.#helpers = this.#helpers.filter((helper) => !helper.isGone())
    const [least] = this.#helpers.filter((helper) => !helper.hasFailed()).toSorted((a, b) => a.calls - b.calls)
    if (least?.calls === 0) return least
    if ((mayStart || least !== undefined) && this.#helpers.length < MOST) return this.#another() ?? least
    const calls = this.#helpers.reduce((sum, helper) => sum + helper.calls, 0)
    return calls < MOST_CALLS ? least : undefined
  }

  #another(): Helper | undefined {
    try {
      const helper = new HelperThread(this.data)
      this.#helpers = [...this.#helpers, helper]
      return helper
    } catch (error) {
      // Node: no memory or no thread left.
      if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_INIT_FAILED') return undefined
      throw error
    }
  }
}

class HelperThread implements Helper {
  calls = 0
  readonly #thread: Worker
  readonly #state = new Int32Array(new SharedArrayBuffer(16))
  #given = 0
  readonly #latest = performance.now() + HELPER_MS

  constructor(data: Omit<HelperData, 'state'>) {
    const workerData: HelperData = { ...data, state: this.#state }
    const loaded = new LoadedCount(data.loaded)
    loaded.started()
    try {
      this.#thread = new Worker(builtFile('helper.cjs'), {
        workerData,
        name: 'vitest-pool-seccomp helper',
        execArgv: [],
        env: threadEnv(),
        stdin: false,
        resourceLimits: THREAD_LIMITS,
      })
    } catch (error) {
      loaded.loaded()
      throw error
    }
    this.#thread.unref()
    // Heard only if this thread's event loop runs, which is not while it serves: `hasFailed` finds out by the time.
    this.#thread.on('error', () => Atomics.compareExchange(this.#state, CELL.state, HELPER.loading, HELPER.failed))
  }

  get isUp(): boolean {
    return Atomics.load(this.#state, CELL.state) === HELPER.up
  }

  /** True if it came up, and its thread has ended since. */
  isGone(): boolean {
    return this.isUp && !isOwnThread(Atomics.load(this.#state, CELL.thread))
  }

  hasFailed(): boolean {
    if (performance.now() > this.#latest)
      Atomics.compareExchange(this.#state, CELL.state, HELPER.loading, HELPER.failed)
    return Atomics.load(this.#state, CELL.state) === HELPER.failed || this.isGone()
  }

  make(call: DelegatedCall): number {
    this.calls++
    this.#thread.postMessage(call)
    return ++this.#given
  }

  stageOf(call: number): 'not begun' | 'begun' | 'returned' {
    if (Atomics.load(this.#state, CELL.returned) >= call) return 'returned'
    return Atomics.load(this.#state, CELL.begun) >= call ? 'begun' : 'not begun'
  }

  over(): void {
    this.calls--
  }
}
