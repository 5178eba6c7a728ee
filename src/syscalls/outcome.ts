/**
 * The result of an action that the kernel may refuse. A failure is a value with an errno, never an exception, so that a
 * caller that forgets it does not compile. There is one object for each errno: failing allocates nothing.
 */
import { errnoName, type Errno } from '../abi/errno.js'

const made = new Map<number, Fail>()

export class Fail {
  private constructor(readonly errno: number) {}

  /** Takes an errno of ours, or a negated one from the kernel (`-2`). */
  static of(errno: Errno | number): Fail {
    const number = Math.abs(errno)
    const known = made.get(number)
    if (known !== undefined) return known
    const fail = new Fail(number)
    made.set(number, fail)
    return fail
  }

  toString(): string {
    return errnoName(this.errno)
  }
}

export type Outcome<T> = T | Fail

export function failed(outcome: unknown): outcome is Fail {
  return outcome instanceof Fail
}
