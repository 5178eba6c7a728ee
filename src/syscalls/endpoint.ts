/**
 * An address that a decision covers: the only kind of address that the kernel port takes. A unix path is a `Place`, so
 * it is reached by its canonical path and through no symbolic link.
 */
import type { Granted } from '../policy/policy.js'
import type { SocketRequest } from '../policy/request.js'
import type { Place } from './place.js'
import type { Descriptor, NameHeld } from './ports.js'

type Exemption = 'unspecified' | 'own-socket' | 'free-port' | 'route-socket' | 'no-packet'

export class Endpoint {
  #receivers: readonly Descriptor[]

  private constructor(
    readonly bytes: Uint8Array,
    readonly place: Place | undefined,
    /** The identity of the file that must be there; the decision does not cover another one. */
    readonly file: string | undefined = undefined,
    /** The reason why it needs no grant. It holds now, and must be found again for any later use. */
    readonly exemption: Exemption | undefined = undefined,
    receivers: readonly Descriptor[] = [],
    /** For a unix path to bind: the name to be made. */
    readonly name: NameHeld | undefined = undefined,
  ) {
    this.#receivers = receivers
  }

  /** An address that needs no path: internet, abstract. */
  static of(_granted: Granted<SocketRequest>, bytes: Uint8Array): Endpoint {
    return new Endpoint(bytes, undefined)
  }

  /**
   * A unix path. `file` is the identity of an own socket: another socket that has its name by now must not be reached.
   */
  static at(place: Place, file?: string): Endpoint {
    return new Endpoint(new Uint8Array(0), place, file)
  }

  /** A unix path to bind: binding makes the name. */
  static making(name: NameHeld): Endpoint {
    return new Endpoint(new Uint8Array(0), name.place, undefined, undefined, [], name)
  }

  /**
   * An address that needs no grant, for the given reason: the unspecified address, an own socket, the kernel's own
   * netlink. `receivers`: the own sockets that have the address. While they are open, no other process can have it.
   */
  static own(why: Exemption, bytes: Uint8Array, receivers: readonly Descriptor[] = []): Endpoint {
    return new Endpoint(bytes, undefined, undefined, why, receivers)
  }

  get receivers(): readonly Descriptor[] {
    return this.#receivers
  }

  /** Hands over the receivers, for the caller to close. */
  takeReceivers(): readonly Descriptor[] {
    const taken = this.#receivers
    this.#receivers = []
    return taken
  }

  [Symbol.dispose](): void {
    for (const receiver of this.takeReceivers()) receiver.close()
  }
}
