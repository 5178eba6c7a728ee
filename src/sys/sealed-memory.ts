/** Memory that this process writes and others only read: memfd_create(2), sealed. */
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_NOEXEC_SEAL } from '../abi/descriptors.js'
import { Errno } from '../abi/errno.js'
import {
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_FUTURE_WRITE,
} from '../abi/fcntl.js'
import { SystemCallError } from '../errors.js'
import { koffi } from './koffi.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

/**
 * F_SEAL_FUTURE_WRITE, Linux 5.1: a writable mapping stays writable, but no new one can be made, and no call can write.
 */
const SEALS = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL
const PROT_READ = 0x1
const PROT_WRITE = 0x2
const MAP_SHARED = 0x1

function must(syscall: string, result: number): number {
  if (result < 0) throw new SystemCallError(syscall, -result)
  return result
}

/** Memory that every holder of its descriptor can read, and only this object can change: fcntl(2), "File sealing". */
export class SealedMemory {
  readonly fd: OwnedFd
  #bytes: ArrayBuffer | undefined

  constructor(
    name: string,
    readonly size: number,
  ) {
    const text = new Pinned(250)
    const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING
    const create = (more: number): number => sys3(numberOf('memfd_create'), text.text(name), flags | more)
    // MFD_NOEXEC_SEAL: Linux 6.3.
    const notExecutable = create(MFD_NOEXEC_SEAL)
    this.fd = new OwnedFd(must('memfd_create', notExecutable === -Errno.EINVAL ? create(0) : notExecutable))
    try {
      must('ftruncate', sys3(numberOf('ftruncate'), this.fd.number, size))
      this.#bytes = mapped(this.fd, size, PROT_READ | PROT_WRITE)
      must('fcntl(F_ADD_SEALS)', sys3(numberOf('fcntl'), this.fd.number, F_ADD_SEALS, SEALS))
    } catch (error) {
      this.fd.close()
      throw error
    }
  }

  /** The whole memory, zero at first. After `close`, neither this nor any view of it may be used. */
  get bytes(): ArrayBuffer {
    if (this.#bytes === undefined) throw new TypeError('this memory is closed')
    return this.#bytes
  }

  /** Unmaps the memory in this process: munmap(2). Other mappings of it stay. */
  close(): void {
    if (this.#bytes === undefined) return
    const address = Number(koffi.address(this.#bytes))
    this.#bytes = undefined
    must('munmap', sys3(numberOf('munmap'), address, this.size))
    this.fd.close()
  }
}

/** Duplicates the descriptor: fcntl(2), F_DUPFD_CLOEXEC. */
export function anotherOf(fd: OwnedFd): OwnedFd {
  return new OwnedFd(must('fcntl(F_DUPFD_CLOEXEC)', sys3(numberOf('fcntl'), fd.number, F_DUPFD_CLOEXEC, 0)))
}

/**
 * Maps the memory for reading, as long as this process lives. Writing to the result ends the process by SIGSEGV, so no
 * code that could write gets it, or a view of it.
 */
export function mapSealed(fd: OwnedFd, size: number): ArrayBuffer {
  return mapped(fd, size, PROT_READ)
}

function mapped(fd: OwnedFd, size: number, protection: number): ArrayBuffer {
  const address = sys6(numberOf('mmap'), 0, size, protection, MAP_SHARED, fd.number, 0)
  return koffi.view(BigInt(must('mmap', address)), size)
}
