/** Starts threads, and keeps the process from ending while one of them loads. */
import { Worker } from 'node:worker_threads'
import { LOADING_MS } from '../limits.js'
import { builtFile } from './built.js'

/**
 * Limits of a thread's heap. An allocation lives for one request: with room for that alone, a thread takes the same
 * memory after a million requests as after the first. By default V8 would let each thread grow by some 7 MB.
 */
export const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2 } as const

/**
 * The environment of our threads, without NODE_OPTIONS: a thread with an environment of its own parses them again, and
 * their modules do not belong in our threads.
 */
export function threadEnv(): Record<string, string> {
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { ...Object.fromEntries(own), NODE_OPTIONS: '' }
}

const LOADED = 0
const STARTED = 1

/**
 * The number of threads that have finished loading. koffi aborts the whole process if its thread is ended while it
 * loads, and the end of a process ends its threads, so the end waits for those that are still loading.
 */
export class LoadedCount {
  readonly #cell: Int32Array

  /** `shared` is the `shared` of another thread's count. */
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#cell = new Int32Array(shared)
  }

  /** Called in a thread that starts others: `count` more are on their way. */
  started(count = 1): void {
    Atomics.add(this.#cell, STARTED, count)
  }

  /**
   * Called in the thread itself once it has loaded everything, or by another thread once it has ended and never will.
   */
  loaded(): void {
    Atomics.add(this.#cell, LOADED, 1)
    Atomics.notify(this.#cell, LOADED)
  }

  wait(milliseconds: number): void {
    const until = performance.now() + milliseconds
    for (;;) {
      const now = Atomics.load(this.#cell, LOADED)
      const left = until - performance.now()
      if (now >= Atomics.load(this.#cell, STARTED) || left <= 0) return
      Atomics.wait(this.#cell, LOADED, now, left)
    }
  }
}

let counted: LoadedCount | undefined

/** The count of this process, which the process awaits when it ends. */
export function loadingThreads(): LoadedCount {
  if (counted !== undefined) return counted
  const count = new LoadedCount()
  counted = count
  // Before all other listeners: one of them may end the process on the spot.
  process.prependOnceListener('exit', () => count.wait(LOADING_MS))
  return count
}

/** Starts `dist/threads/spawner.cjs`. The thread does not keep the process alive. */
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
