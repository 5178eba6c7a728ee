/**
 * The offer of the worker's entry to `vitest-pool-seccomp/client`: a property of `process`, which every realm of the
 * tests' thread shares and no other thread has. A test's own copy of the client, which Vitest may have transformed,
 * finds it there. A test that tampers with it harms only itself: the broker decides what it may acquire.
 *
 * The offer is plain functions over plain data: the two sides share no classes.
 */
import type { AcquireFailure } from '../errors.js'
import type { Acquired, GrantedItem, Reported } from './messages.js'

/**
 * The key of the offer. It changes with the offer, so that copies of two versions do not mistake each other's for their
 * own.
 */
export const OFFER = Symbol.for('vitest-pool-seccomp.client.1')

export interface AcquiredResource extends Acquired {
  /** The descriptor, for the caller to close. */
  readonly fd: number
}

export interface AcquireRefusal {
  readonly failure: Exclude<AcquireFailure, 'outside' | 'thread'>
  readonly text: string
  /** The errno's name, for `unavailable`. */
  readonly errno?: string
}

export interface Offer {
  readonly acquire: (name: string) => AcquiredResource | AcquireRefusal
  readonly granted: () => { readonly mode: Reported['mode']; readonly items: readonly GrantedItem[] } | AcquireRefusal
}

/**
 * The key of the control socket to the broker process. Set if this process is a confined Vitest, which the broker
 * started.
 */
export const CONFINED_BY = Symbol.for('vitest-pool-seccomp.broker.1')

export interface ConfinedBy {
  /** The socket's descriptor. */
  readonly control: number
}
