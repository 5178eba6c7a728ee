import type { Call, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { failed } from '../syscalls/outcome.js'

/** How long a thread waits for its turn before it serves others and asks again: far more than a rename takes. */
const PATIENCE_MS = 2

/**
 * One at a time, among all broker threads of this process. Two workers that help each other could exchange a name for
 * another kind of thing between a broker's look at it and its move, or take the connection that another broker saw;
 * there is no call that looks and acts in one step.
 */
export class Turn {
  readonly #cell: Int32Array

  /** `shared`: what another thread's `shared` gave. */
  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.#cell = new Int32Array(shared)
  }

  /** False where somebody else had it for all of the patience. */
  take(): boolean {
    if (this.#tryToTake()) return true
    Atomics.wait(this.#cell, 0, 1, PATIENCE_MS)
    return this.#tryToTake()
  }

  #tryToTake(): boolean {
    return Atomics.compareExchange(this.#cell, 0, 0, 1) === 0
  }

  giveBack(): void {
    Atomics.store(this.#cell, 0, 0)
    Atomics.notify(this.#cell, 0, 1)
  }

  /** While it has the turn, no other worker's broker puts something else where this one looks. */
  alone(row: Pick<Row, 'run'>, call: Call): Reply {
    if (!this.take()) return { kind: 'later', again: () => this.alone(row, call), cancel: () => {} }
    try {
      return this.#aloneAgain(row.run(call), call)
    } finally {
      this.giveBack()
    }
  }

  #aloneAgain(reply: Reply, call: Call): Reply {
    if (failed(reply) || reply.kind !== 'later') return reply
    return { kind: 'later', again: () => this.alone({ run: reply.again }, call), cancel: reply.cancel }
  }
}

/** The one of the main thread, which it gives to each broker thread. */
export const theTurn = new Turn()
