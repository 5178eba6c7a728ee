/**
 * A path that a decision covers, in the kernel's own spelling: the only argument that the kernel port takes for a path.
 *
 * The policy calls the worker's own processes `/proc/self`. For the kernel that would be the broker, so the path holds
 * the process's number instead.
 */
import type { Granted } from '../policy/policy.js'
import { rawPath, type BytePath, type PathRequest, type SocketRequest } from '../policy/request.js'

const SELF = '/proc/self'

export class Place {
  readonly path: BytePath
  readonly trailingSlash: boolean

  /** The path as the policy decided on it. */
  readonly decided: BytePath

  constructor(
    readonly granted: Granted | Granted<SocketRequest> | Granted<PathRequest | SocketRequest>,
    pid: number,
    trailingSlash: boolean,
    isLink = false,
  ) {
    const { path } = granted
    if (path === undefined) throw new TypeError('a permission for an address that is no path')
    this.decided = path
    // A link that is not followed: /proc/self itself depends on no process.
    const own = (path === SELF && !isLink) || path.startsWith(`${SELF}/`)
    this.path = own ? rawPath(`/proc/${pid}${path.slice(SELF.length)}`) : path
    this.trailingSlash = trailingSlash
  }

  /** The directory that holds it. `/` holds itself. */
  get parent(): BytePath {
    const slash = this.path.lastIndexOf('/')
    return rawPath(slash <= 0 ? '/' : this.path.slice(0, slash))
  }

  get name(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1)
  }
}

/** Converts `/proc/<pid>/…` of the target's own process to the policy's spelling. */
export function toPolicySpelling(path: BytePath, pid: number): BytePath {
  const own = `/proc/${pid}`
  if (path === own) return rawPath(SELF)
  return path.startsWith(`${own}/`) ? rawPath(SELF + path.slice(own.length)) : path
}
