/**
 * The offer of the worker's entry to `vitest-pool-seccomp/client`: a property of `process`, which every realm
 * of the tests' thread shares and no other thread has. A test's own copy of the client, which Vitest may have transformed,
 * finds it there. Whoever tampers with it harms himself: what may be acquired is decided in the broker.
 *
 * Plain functions over plain data: the two sides share no classes.
 */
import type { AcquireFailure } from '../errors.js'
import type { Acquired, GrantedItem, Reported } from './messages.js'

/** Changes with what is offered, so that copies of two versions do not take each other for their own. */
export const OFFER = Symbol.for('vitest-pool-seccomp.client.1')

export interface AcquiredResource extends Acquired {
  /** The caller's, to close. */
  readonly fd: number
}

export interface AcquireRefusal {
  readonly failure: Exclude<AcquireFailure, 'outside' | 'thread'>
  readonly text: string
  /** The errno's name, of `unavailable`. */
  readonly errno?: string
}

export interface Offer {
  readonly acquire: (name: string) => AcquiredResource | AcquireRefusal
  readonly granted: () => { readonly mode: Reported['mode']; readonly items: readonly GrantedItem[] } | AcquireRefusal
}

/** Set where this process is a Vitest that is confined itself: its control socket to the broker process that started it. */
export const CONFINED_BY = Symbol.for('vitest-pool-seccomp.broker.1')

export interface ConfinedBy {
  /** A descriptor. */
  readonly control: number
}
