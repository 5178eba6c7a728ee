/** The memory of one process, for reading. proc_pid_mem(5). */
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys6 } from './raw.js'
import type { ProcessHandle } from './worker-process.js'

const N = { openat: numberOf('openat'), pread64: numberOf('pread64') }
const O = openFlags(hostArch())

/**
 * The descriptor stays with the address space that it was opened for: once that is gone, by exit or execve(2), nothing is read any
 * more, whoever has the process's number by then.
 */
export class ProcessMemory {
  readonly #buffer: Pinned

  private constructor(
    readonly fd: OwnedFd,
    readonly largest: number,
  ) {
    this.#buffer = new Pinned(largest)
  }

  /** `largest`: how many bytes are read at once, at most. */
  static of({ directory }: ProcessHandle, largest: number): Outcome<ProcessMemory> {
    if (directory === undefined) return Fail.of(Errno.ESRCH)
    const fd = sys6(N.openat, directory.number, new Pinned(8).text('mem'), O.O_RDONLY | O.O_CLOEXEC)
    return fd < 0 ? Fail.of(fd) : new ProcessMemory(new OwnedFd(fd), largest)
  }

  /** Those bytes, until the next read; undefined where they are not all there. */
  read(address: number, length: number): Uint8Array | undefined {
    const wanted = Math.min(length, this.largest)
    if (wanted === 0) return this.#buffer.bytes.subarray(0, 0)
    const got = sys6(N.pread64, this.fd.number, this.#buffer.address, wanted, address)
    return got === wanted ? this.#buffer.bytes.subarray(0, wanted) : undefined
  }

  close(): void {
    this.fd.close()
  }
}
