/**
 * An address that a decision covers: the only kind of address that the kernel port takes. A unix path is a `Place`, so
 * it is reached by its canonical path and through no symbolic link.
 */
import type { Granted } from '../policy/policy.js'
import type { SocketRequest } from '../policy/request.js'
import type { Place } from './place.js'

export class Endpoint {
  private constructor(readonly bytes: Uint8Array, readonly place: Place | undefined) {}

  /** An address that needs no path: internet, abstract. */
  static of(_granted: Granted<SocketRequest>, bytes: Uint8Array): Endpoint {
    return new Endpoint(bytes, undefined)
  }

  static at(place: Place): Endpoint {
    return new Endpoint(new Uint8Array(0), place)
  }

  /** What needs no grant: the unspecified address, an own socket, the kernel's own netlink. Says why. */
  static own(_why: 'unspecified' | 'own-socket' | 'route-socket' | 'no-packet', bytes: Uint8Array): Endpoint {
    return new Endpoint(bytes, undefined)
  }
}
