import type { TargetDescriptor } from '../syscalls/ports.js'
import { numberOf, sys3 } from './raw.js'

const CLOSE = numberOf('close')

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
