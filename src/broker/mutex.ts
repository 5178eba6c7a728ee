import type { Call, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { failed } from '../syscalls/outcome.js'

/** How long a thread waits for the lock before it serves others and asks again: far more than a rename takes. */
const PATIENCE_MS = 2

/**
 * One at a time, among all broker threads of this process. Two workers that help each other could exchange a name for
 * another kind of thing between a broker's look at it and its move, or take the connection that another broker saw;
 * there is no call that looks and acts in one step.
 */
export class Mutex {
  readonly #cell: Int32Array

  /** `shared`: what another thread's `shared` gave. */
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.#cell = new Int32Array(shared)
  }

  /** False where another thread held it for all of the patience. */
  tryLock(): boolean {
    if (this.#tryOnce()) return true
    Atomics.wait(this.#cell, 0, 1, PATIENCE_MS)
    return this.#tryOnce()
  }

  #tryOnce(): boolean {
    return Atomics.compareExchange(this.#cell, 0, 0, 1) === 0
  }

  unlock(): void {
    Atomics.store(this.#cell, 0, 0)
    Atomics.notify(this.#cell, 0, 1)
  }

  /** Runs a check-then-act call under the lock: no other broker thread changes what this one looked at. */
  exclusive(row: Pick<Row, 'run'>, call: Call): Reply {
    if (!this.tryLock()) return { kind: 'later', again: () => this.exclusive(row, call), cancel: () => {} }
    try {
      return this.#exclusiveAgain(row.run(call), call)
    } finally {
      this.unlock()
    }
  }

  #exclusiveAgain(reply: Reply, call: Call): Reply {
    if (failed(reply) || reply.kind !== 'later') return reply
    return { kind: 'later', again: () => this.exclusive({ run: reply.again }, call), cancel: reply.cancel }
  }
}

/** The lock of the whole process: the main thread hands it to each broker thread. */
export const processMutex = new Mutex()
