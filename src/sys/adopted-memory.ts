/** Memory that a worker writes and this process reads: a memfd of the worker's own. pidfd_getfd(2), memfd_create(2). */
import { Errno } from '../abi/errno.js'
import { F_GET_SEALS } from '../abi/fcntl.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'
import type { ProcessHandle } from './worker-process.js'

const N = { fcntl: numberOf('fcntl'), pidfd_getfd: numberOf('pidfd_getfd'), pread64: numberOf('pread64') }

/** It outlives the worker: what was written last can be read when that has crashed. */
export class AdoptedMemory {
  readonly #buffer: Pinned

  private constructor(
    readonly fd: OwnedFd,
    readonly largest: number,
  ) {
    this.#buffer = new Pinned(largest)
  }

  /**
   * `number`: the worker's own descriptor. `largest`: how many bytes are read at once, at most. EINVAL for whatever is no memfd:
   * only of one a read never waits (fcntl(2), F_GET_SEALS).
   */
  static of({ pidfd }: ProcessHandle, number: number, largest: number): Outcome<AdoptedMemory> {
    if (pidfd === undefined) return Fail.of(Errno.ESRCH)
    if (!Number.isInteger(number) || number < 0 || number > 0x7fff_ffff) return Fail.of(Errno.EBADF)
    const got = sys3(N.pidfd_getfd, pidfd.number, number, 0)
    if (got < 0) return Fail.of(got)
    const fd = new OwnedFd(got)
    const seals = sys3(N.fcntl, fd.number, F_GET_SEALS, 0)
    if (seals >= 0) return new AdoptedMemory(fd, largest)
    fd.close()
    return Fail.of(seals)
  }

  /** Those bytes, until the next read; undefined where they are not all there. */
  read(offset: number, length: number): Uint8Array | undefined {
    const wanted = Math.min(length, this.largest)
    if (wanted === 0) return this.#buffer.bytes.subarray(0, 0)
    const got = sys6(N.pread64, this.fd.number, this.#buffer.address, wanted, offset)
    return got === wanted ? this.#buffer.bytes.subarray(0, wanted) : undefined
  }

  close(): void {
    this.fd.close()
  }
}
