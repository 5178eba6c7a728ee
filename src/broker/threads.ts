/** How the main thread starts its own threads. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker, type TransferListItem } from 'node:worker_threads'
import { hostArch } from '../sys/host.js'

/** Built beside this folder, as bundles of their own: they start faster than a tree of modules. */
export function builtFile(name: string): string {
  return fileURLToPath(new URL(`../threads/${name}`, import.meta.url))
}

/** A filter as the kernel takes it: those of syscalls/filter.ts, compiled when the package was built. */
export function builtFilter(of: 'worker' | 'spawner'): Buffer {
  return readFileSync(new URL(`../filters/${of}.${hostArch()}.bpf`, import.meta.url))
}

/**
 * What a thread allocates lives for one request. With room for that alone, a thread weighs the same after a million requests as
 * after the first; by default V8 would let each grow by some 7 MB.
 */
const YOUNG_MB = 2

/** Its thread sets it, once nothing is left to load. */
export type Loaded = Int32Array

/** Of threads that still load, unless they ended. */
const loading = new Set<Loaded>()
let isAwaited = false

/** A thread loads within some tens of ms. Beyond this the process ends all the same. */
const LOADING_MS = 2000

/**
 * koffi aborts the whole process if its thread is ended while it loads, which is what the end of a process does to threads. So
 * the end waits until they have loaded.
 */
function awaitLoading(): void {
  for (const loaded of loading) Atomics.wait(loaded, 0, 0, LOADING_MS)
}

/**
 * Starts `dist/threads/<name>.js` with `data`, and `loaded` beside it, as its workerData. Modules that NODE_OPTIONS loads have no
 * business in our threads; a thread with options of its own parses those instead. It does not keep the process alive.
 */
export function startThread(
  name: 'broker' | 'spawner',
  data: object,
  transferList: readonly TransferListItem[] = [],
): Worker {
  // Before all others: of Vitest 3's own, one ends the process on the spot.
  if (!isAwaited) process.prependOnceListener('exit', awaitLoading)
  isAwaited = true
  const loaded: Loaded = new Int32Array(new SharedArrayBuffer(4))
  loading.add(loaded)
  const thread = new Worker(builtFile(`${name}.js`), {
    workerData: { ...data, loaded },
    transferList: [...transferList],
    name: `vitest-pool-seccomp ${name}`,
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: '' },
    stdin: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  })
  // One that failed to load has ended by itself.
  thread.once('exit', () => void loading.delete(loaded))
  thread.unref()
  return thread
}

/** For the thread: nothing of it is left to load. */
export function sayLoaded(loaded: Loaded): void {
  Atomics.store(loaded, 0, 1)
  Atomics.notify(loaded, 0)
}
