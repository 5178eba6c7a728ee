/** Memory that a worker writes and this process reads: a memfd of the worker's own. memfd_create(2), proc_pid_fd(5). */
import { Errno } from '../abi/errno.js'
import { F_GET_SEALS } from '../abi/fcntl.js'
import { openFlags } from '../abi/open-flags.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'
import type { ProcessHandle } from './worker-process.js'

const N = {
  fcntl: numberOf('fcntl'),
  openat: numberOf('openat'),
  pread64: numberOf('pread64'),
  readlinkat: numberOf('readlinkat'),
}
const O = openFlags(hostArch())
const MEMFD = '/memfd:'

/** Adopted memory outlives the worker: the last words of one that crashed can still be read. */
export class AdoptedMemory {
  readonly #buffer: Pinned

  private constructor(
    readonly fd: OwnedFd,
    readonly largest: number,
  ) {
    this.#buffer = new Pinned(largest)
  }

  /**
   * Adopts the memory behind the worker's own descriptor `number`. `largest`: the most bytes of one read. EINVAL for
   * anything but a memfd, because only a read of a memfd never waits. It is opened through /proc, which every container
   * allows; some forbid pidfd_getfd(2).
   */
  static of({ directory }: ProcessHandle, number: number, largest: number): Outcome<AdoptedMemory> {
    if (directory === undefined) return Fail.of(Errno.ESRCH)
    if (!Number.isInteger(number) || number < 0 || number > 0x7fff_ffff) return Fail.of(Errno.EBADF)
    const path = new Pinned(32)
    const link = path.text(`fd/${number}`)
    const text = new Pinned(MEMFD.length)
    const length = sys6(N.readlinkat, directory.number, link, text.address, text.size)
    if (length < 0) return Fail.of(length)
    if (text.bytes.toString('latin1') !== MEMFD) return Fail.of(Errno.EINVAL)
    const opened = sys6(N.openat, directory.number, link, O.O_RDONLY | O.O_CLOEXEC | O.O_NONBLOCK, 0)
    if (opened < 0) return Fail.of(opened)
    const fd = new OwnedFd(opened)
    // Another file may have taken its place; only a memfd has seals: fcntl(2), F_GET_SEALS.
    const seals = sys3(N.fcntl, fd.number, F_GET_SEALS, 0)
    if (seals >= 0) return new AdoptedMemory(fd, largest)
    fd.close()
    return Fail.of(seals)
  }

  /** Returns these bytes, valid until the next read; undefined if they are not all there. */
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
