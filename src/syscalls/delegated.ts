/** Calls that may sleep in the kernel. Another thread of the broker makes them, so that only their own caller waits. */
import type { Awaited, LaterReply, Reply } from './call.js'
import { type Outcome } from './outcome.js'

export abstract class Delegated<T> {
  /** Undefined if nothing tells yet: then `result` has to be asked every few milliseconds. */
  abstract readonly ready: Awaited | undefined

  /** True if nothing will tell any more: `result` knows why. */
  abstract isLost(): boolean

  /** The result, once; undefined as long as the call is under way. Throws if its thread ended in it. */
  abstract result(): Outcome<T> | undefined

  /** Drops the result. The call goes on: a thread that is killed in such a call ends only when it is over, too. */
  abstract cancel(): void

  reply(then: (result: Outcome<T>) => Reply): LaterReply {
    const { ready } = this
    return {
      kind: 'later',
      isUnderWay: true,
      again: () => {
        const result = this.result()
        return result === undefined ? this.reply(then) : then(result)
      },
      cancel: () => this.cancel(),
      isLost: () => this.isLost(),
      ...(ready === undefined ? {} : { ready }),
    }
  }
}

/** A change that was made, or is being made. */
export type Performed = Outcome<true> | Delegated<true>
