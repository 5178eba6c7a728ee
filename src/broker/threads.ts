/** How threads are started, and the end of the process while they load. */
import { Worker } from 'node:worker_threads'
import { LOADING_MS } from '../limits.js'
import { builtFile } from './built.js'

/**
 * Limits of a thread's heap. An allocation lives for one request. With room for that alone, a thread weighs the same after a million requests as
 * after the first; by default V8 would let each grow by some 7 MB.
 */
export const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2 } as const

/** Modules that NODE_OPTIONS loads have no business in our threads; a thread with an environment of its own parses that instead. */
export function threadEnv(): Record<string, string> {
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { ...Object.fromEntries(own), NODE_OPTIONS: '' }
}

/**
 * How many threads have loaded what they run. koffi aborts the whole process if its thread is ended while it loads, which is
 * what the end of a process does to threads, so the end waits for those that are still loading.
 */
export class LoadedCount {
  readonly #cell: Int32Array
  #started = 0

  /** `shared`: what another thread's `shared` gave. */
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.#cell = new Int32Array(shared)
  }

  /** In the thread that starts others: one more is on its way. */
  started(count = 1): void {
    this.#started += count
  }

  /** In the thread itself: nothing of it is left to load; or, where another one says it, it has ended and never will. */
  loaded(): void {
    Atomics.add(this.#cell, 0, 1)
    Atomics.notify(this.#cell, 0)
  }

  wait(milliseconds: number): void {
    const until = performance.now() + milliseconds
    for (let now = Atomics.load(this.#cell, 0); now < this.#started; now = Atomics.load(this.#cell, 0)) {
      const left = until - performance.now()
      if (left <= 0) return
      Atomics.wait(this.#cell, 0, now, left)
    }
  }
}

let counted: LoadedCount | undefined

/** The count of this process, awaited when it ends. */
export function loadingThreads(): LoadedCount {
  if (counted !== undefined) return counted
  const count = new LoadedCount()
  counted = count
  // Before all others: another listener may end the process on the spot.
  process.prependOnceListener('exit', () => count.wait(LOADING_MS))
  return count
}

/** Starts `dist/threads/spawner.cjs`. It does not keep the process alive. */
export function startSpawnerThread(): Worker {
  const count = loadingThreads()
  count.started()
  const thread = new Worker(builtFile('spawner.cjs'), {
    workerData: { loaded: count.shared },
    name: 'vitest-pool-seccomp spawner',
    execArgv: [],
    env: threadEnv(),
    stdin: false,
    resourceLimits: THREAD_LIMITS,
  })
  thread.unref()
  return thread
}
