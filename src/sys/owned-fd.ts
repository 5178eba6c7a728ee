import { F_DUPFD_CLOEXEC } from '../abi/fcntl.js'
import { SystemCallError } from '../errors.js'
import type { TargetDescriptor } from '../syscalls/ports.js'
import { numberOf, sys3 } from './raw.js'

const CLOSE = numberOf('close')
const FCNTL = numberOf('fcntl')

/**
 * A descriptor that this process owns and closes exactly once. The number never leaves `sys/` except to be inherited
 * by a child or wrapped by Node.
 */
export class OwnedFd implements TargetDescriptor {
  readonly duplicate = true
  #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Throws after close: a closed number may already mean something else. */
  get number(): number {
    if (this.#fd < 0) throw new TypeError('this descriptor is closed')
    return this.#fd
  }

  close(): void {
    if (this.#fd < 0) return
    // close(2): the number is free whatever the result, so there is nothing to try again.
    sys3(CLOSE, this.#fd)
    this.#fd = -1
  }

  /** Gives the number away to whoever closes it now (a net.Socket, a child). */
  release(): number {
    const fd = this.number
    this.#fd = -1
    return fd
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** fcntl(2), F_DUPFD_CLOEXEC. Throws where no descriptor is left. */
export function duplicate(fd: OwnedFd): OwnedFd {
  const made = sys3(FCNTL, fd.number, F_DUPFD_CLOEXEC, 0)
  if (made < 0) throw new SystemCallError('fcntl(F_DUPFD_CLOEXEC)', -made)
  return new OwnedFd(made)
}

/** A descriptor that is somebody else's to close, for what only looks at it. */
export function borrowed(fd: number): Pick<OwnedFd, 'number'> {
  return { number: fd }
}
