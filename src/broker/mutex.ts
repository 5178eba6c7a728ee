import type { Call, LaterReply, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { failed } from '../syscalls/outcome.js'

/** How long a thread waits for the lock before it serves others and asks again: far more than a rename takes. */
const PATIENCE_MS = 2

/** `names`: of files, which a rename may hold for as long as somebody writes to its target. `connections`: who waits to be accepted. */
export type Lock = 'names' | 'connections'
const CELL: { readonly [lock in Lock]: number } = { names: 0, connections: 1 }

const NOTHING_KEPT: Pick<LaterReply, 'cancel' | 'keeps'> = { cancel: () => {} }

/**
 * One at a time, among all broker threads of this process. Two workers that help each other could exchange a name for
 * another kind of thing between a broker's look at it and its move, or take the connection that another broker saw;
 * there is no call that looks and acts in one step.
 */
export class Mutex {
  readonly #cells: Int32Array

  /** `shared`: what another thread's `shared` gave. */
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#cells = new Int32Array(shared)
  }

  /** False where another thread held it for all of the patience. */
  tryLock(lock: Lock = 'names'): boolean {
    if (this.#tryOnce(lock)) return true
    Atomics.wait(this.#cells, CELL[lock], 1, PATIENCE_MS)
    return this.#tryOnce(lock)
  }

  #tryOnce(lock: Lock): boolean {
    return Atomics.compareExchange(this.#cells, CELL[lock], 0, 1) === 0
  }

  unlock(lock: Lock = 'names'): void {
    Atomics.store(this.#cells, CELL[lock], 0)
    Atomics.notify(this.#cells, CELL[lock], 1)
  }

  /** Runs a check-then-act call under the lock: no other broker thread changes what this one looked at. */
  exclusive(row: Pick<Row, 'run' | 'exclusive'>, call: Call, kept = NOTHING_KEPT): Reply {
    const lock: Lock = row.exclusive === 'connections' ? 'connections' : 'names'
    // What it keeps while it waits it also keeps while it waits for the lock.
    if (!this.tryLock(lock)) {
      const { cancel, keeps } = kept
      return { kind: 'later', cancel, ...(keeps && { keeps }), again: () => this.exclusive(row, call, kept) }
    }
    try {
      return this.#exclusiveAgain(row.run(call), row, call)
    } finally {
      this.unlock(lock)
    }
  }

  #exclusiveAgain(reply: Reply, row: Pick<Row, 'exclusive'>, call: Call): Reply {
    if (failed(reply) || reply.kind !== 'later') return reply
    return { ...reply, again: () => this.exclusive({ ...row, run: reply.again }, call, reply) }
  }
}

/** The lock of the whole process: the main thread hands it to each broker thread. */
export const processMutex = new Mutex()
