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
const PROT_NONE = 0
const PROT_READ = 0x1
const PROT_WRITE = 0x2
const MAP_SHARED = 0x1
const MAP_PRIVATE = 0x2
const MAP_FIXED = 0x10
const MAP_ANONYMOUS = 0x20

function must(syscall: string, result: number): number {
  if (result < 0) throw new SystemCallError(syscall, -result)
  return result
}

/** Memory that every holder of its descriptor can read, and only this object can change: fcntl(2), "File sealing". */
export class SealedMemory {
  readonly fd: OwnedFd
  #bytes: SharedArrayBuffer | undefined

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
  get bytes(): SharedArrayBuffer {
    if (this.#bytes === undefined) throw new TypeError('this memory is closed')
    return this.#bytes
  }

  /** Takes the memory out of this process. Other mappings of it stay. */
  close(): void {
    if (this.#bytes === undefined) return
    // V8 unmaps the address itself, once nothing refers to it any more.
    mapOver(this.#bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
    this.#bytes = undefined
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
export function mapSealed(fd: OwnedFd, size: number): SharedArrayBuffer {
  return mapped(fd, size, PROT_READ)
}

/**
 * V8 takes the bytes of an ArrayBuffer for memory that garbage collection may free: the larger it is, the earlier V8
 * collects. Those of a SharedArrayBuffer it does not count (BackingStore::PerIsolateAccountingLength of
 * src/objects/backing-store.cc), and one that could grow has pages of its own.
 */
function mapped(fd: OwnedFd, size: number, protection: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(size, { maxByteLength: size })
  mapOver(memory, protection, MAP_SHARED, fd.number)
  return memory
}

/** Replaces the pages of a buffer: mmap(2), MAP_FIXED. It fails with EINVAL if they do not begin at a page. */
function mapOver(memory: SharedArrayBuffer, protection: number, flags: number, fd: number): void {
  const address = Number(koffi.address(new Uint8Array(memory)))
  must('mmap', sys6(numberOf('mmap'), address, memory.byteLength, protection, flags | MAP_FIXED, fd, 0))
}
