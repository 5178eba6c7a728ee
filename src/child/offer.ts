/**
 * How a test's own copy of `vitest-pool-seccomp/client`, which Vitest may have transformed, finds the channel: a property
 * of `process`, which every realm of this thread shares and no other thread has. Whoever tampers with it harms himself:
 * what may be acquired is decided in the broker.
 */
import type { ChannelClient, Refusal, Resource } from './channel-client.js'

/** Changes with what is offered, so that copies of two versions do not take each other for their own. */
export const OFFER = Symbol.for('vitest-pool-seccomp.client.1')

/** Plain functions over plain data: the two sides share no classes. */
export interface Offer {
  readonly acquire: (name: string) => Resource | Refusal
  readonly granted: () => ReturnType<ChannelClient['granted']>
}

export function offerResources(client: ChannelClient): void {
  const value: Offer = Object.freeze({ acquire: (name: string) => client.acquire(name), granted: () => client.granted() })
  Object.defineProperty(process, OFFER, { value, enumerable: false, writable: false, configurable: false })
}
