import { F_DUPFD_CLOEXEC } from '../abi/fcntl.js'
import { SystemCallError } from '../errors.js'
import type { TargetDescriptor } from '../syscalls/ports.js'
import { numberOf, sys3 } from './raw.js'

const CLOSE = numberOf('close')
const FCNTL = numberOf('fcntl')

/**
 * A descriptor that this process owns and closes exactly once. The number leaves `sys/` only to be inherited by a child
 * or wrapped by Node.
 */
export class OwnedFd implements TargetDescriptor {
  readonly duplicate = true
  #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  /** The number. Throws after `close`: a closed number may already mean something else. */
  get number(): number {
    if (this.#fd < 0) throw new TypeError('this descriptor is closed')
    return this.#fd
  }

  close(): void {
    if (this.#fd < 0) return
    // close(2): the number is free whatever the result, so a retry would be wrong.
    sys3(CLOSE, this.#fd)
    this.#fd = -1
  }

  /** Gives up the number to a new owner, which closes it: a net.Socket, a child. */
  release(): number {
    const fd = this.number
    this.#fd = -1
    return fd
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Duplicates a descriptor: fcntl(2), F_DUPFD_CLOEXEC. Throws if no number is left. */
export function duplicate(fd: OwnedFd): OwnedFd {
  const made = sys3(FCNTL, fd.number, F_DUPFD_CLOEXEC, 0)
  if (made < 0) throw new SystemCallError('fcntl(F_DUPFD_CLOEXEC)', -made)
  return new OwnedFd(made)
}

/** A descriptor that another owner closes, for code that only looks at it. */
export function borrowed(fd: number): Pick<OwnedFd, 'number'> {
  return { number: fd }
}
