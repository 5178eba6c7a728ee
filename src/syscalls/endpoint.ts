/**
 * An address that a decision covers: the only kind of address that the kernel port takes. A unix path is a `Place`, so
 * it is reached by its canonical path and through no symbolic link.
 */
import type { Granted } from '../policy/policy.js'
import type { SocketRequest } from '../policy/request.js'
import type { Place } from './place.js'

export class Endpoint {
  private constructor(
    readonly bytes: Uint8Array,
    readonly place: Place | undefined,
    /** What has to be there; another file is not what the decision covers. */
    readonly file: string | undefined = undefined,
  ) {}

  /** An address that needs no path: internet, abstract. */
  static of(_granted: Granted<SocketRequest>, bytes: Uint8Array): Endpoint {
    return new Endpoint(bytes, undefined)
  }

  /** `file`: of an own socket, which is no reason to reach another that has its name by now. */
  static at(place: Place, file?: string): Endpoint {
    return new Endpoint(new Uint8Array(0), place, file)
  }

  /** What needs no grant: the unspecified address, an own socket, the kernel's own netlink. Says why. */
  static own(_why: 'unspecified' | 'own-socket' | 'route-socket' | 'no-packet', bytes: Uint8Array): Endpoint {
    return new Endpoint(bytes, undefined)
  }
}
