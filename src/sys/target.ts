/** The thread that trapped: its memory, its descriptors and what /proc says of it. */
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { IOVEC } from '../abi/structs.js'
import { rawPath, type BytePath } from '../policy/request.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import type { Relation, Target } from '../syscalls/ports.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { groupOf, processes } from './process-list.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const N = {
  process_vm_readv: numberOf('process_vm_readv'),
  openat: numberOf('openat'),
  read: numberOf('read'),
  pwrite64: numberOf('pwrite64'),
  readlinkat: numberOf('readlinkat'),
  pidfd_open: numberOf('pidfd_open'),
  pidfd_getfd: numberOf('pidfd_getfd'),
  faccessat: numberOf('faccessat'),
}
const O = openFlags(hostArch())
const PAGE = 4096
/** As many threads as take turns: libuv's pool, and some. */
const MOST_MEMORIES = 16
/** How far up the tree of parents a descendant is searched: enough for any real test, short enough to be cheap. */
const MAX_DEPTH = 64

interface Status {
  readonly pid: number
  readonly parent: number
  readonly umask: number
}

/**
 * One per broker thread, pointed at one trapped thread after another. Reads go through process_vm_readv(2), which obeys
 * the target's own protections. Writes go through /proc/<tid>/mem, whose descriptor stays with one address space: a
 * number that was given to another process meanwhile cannot redirect it.
 */
export class LinuxTarget implements Target {
  readonly #local = new Pinned(IOVEC.size)
  readonly #remote = new Pinned(IOVEC.size * 2)
  readonly #memory = new Pinned(65_536 + PAGE)
  readonly #path = new Pinned(256)
  readonly #text = new Pinned(PAGE)
  #tid = 0
  #worker = 0
  #stillWaiting: () => boolean = () => false
  #pid: Outcome<number> | undefined
  #pidfd: OwnedFd | undefined
  #pidfdOf = 0
  /** By thread: those of a process that works with several take turns. */
  readonly #memories = new Map<number, OwnedFd>()

  get tid(): number {
    return this.#tid
  }

  /** Points at the thread of the notification just received. `worker`: the root of the process tree that is kin. */
  aim(tid: number, worker: number, stillWaiting: () => boolean): void {
    if (tid !== this.#tid) this.#pid = undefined
    this.#tid = tid
    this.#worker = worker
    this.#stillWaiting = stillWaiting
  }

  /** Forgets everything about a worker's processes. */
  reset(): void {
    this.#pidfd?.close()
    for (const memory of this.#memories.values()) memory.close()
    this.#memories.clear()
    this.#pidfd = undefined
    this.#pidfdOf = this.#tid = 0
    this.#pid = undefined
  }

  stillWaiting(): boolean {
    return this.#stillWaiting()
  }

  pid(): Outcome<number> {
    this.#pid ??= this.#tid === this.#worker ? this.#worker : this.#readPid()
    return this.#pid
  }

  #readPid(): Outcome<number> {
    // Mostly it is a thread of the worker's own, which is there by its number.
    const path = this.#path.text(`/proc/${this.#worker}/task/${this.#tid}`)
    if (this.#worker > 0 && sys6(N.faccessat, AT_FDCWD, path, 0, 0) === 0) return this.#worker
    const status = this.#status(this.#tid)
    return failed(status) ? status : status.pid
  }

  // --- memory

  #read(pointer: number, length: number): number {
    if (!Number.isSafeInteger(pointer) || pointer < 0 || pointer + length > Number.MAX_SAFE_INTEGER)
      return -Errno.EFAULT
    // Two segments, split where a page ends: the first is complete even if the next page is not there.
    const first = Math.min(length, PAGE - (pointer % PAGE))
    this.#local.setWord(IOVEC.iov_base, this.#memory.address)
    this.#local.setWord(IOVEC.iov_len, length)
    this.#remote.setWord(IOVEC.iov_base, pointer)
    this.#remote.setWord(IOVEC.iov_len, first)
    this.#remote.setWord(IOVEC.size + IOVEC.iov_base, pointer + first)
    this.#remote.setWord(IOVEC.size + IOVEC.iov_len, length - first)
    const segments = first === length ? 1 : 2
    return sys6(N.process_vm_readv, this.#tid, this.#local.address, 1, this.#remote.address, segments, 0)
  }

  readString(pointer: number, max: number): Outcome<string> {
    if (pointer === 0) return Fail.of(Errno.EFAULT)
    const got = this.#read(pointer, max)
    if (got < 0) return Fail.of(got === -Errno.ESRCH || got === -Errno.EPERM ? Errno.EFAULT : got)
    const end = this.#memory.bytes.indexOf(0)
    if (end >= 0 && end < got) return this.#memory.bytes.toString('latin1', 0, end)
    return Fail.of(got < max ? Errno.EFAULT : Errno.ENAMETOOLONG)
  }

  readBytes(pointer: number, length: number): Outcome<Uint8Array> {
    if (pointer === 0 || length > 65_536) return Fail.of(Errno.EFAULT)
    const got = this.#read(pointer, length)
    // A copy: the buffer is written again by the next read of the same request.
    return got === length ? Uint8Array.prototype.slice.call(this.#memory.bytes, 0, length) : Fail.of(Errno.EFAULT)
  }

  writeBytes(pointer: number, bytes: Uint8Array): Outcome<true> {
    if (bytes.length === 0) return true
    if (pointer === 0) return Fail.of(Errno.EFAULT)
    this.#memory.bytes.set(bytes)
    const known = this.#memories.get(this.#tid)
    // 0 from a kept descriptor: that address space is gone, and this thread has a new one (execve).
    const written =
      (known === undefined ? 0 : this.#pwrite(known, pointer, bytes.length)) || this.#pwriteAnew(pointer, bytes.length)
    return written === bytes.length ? true : Fail.of(Errno.EFAULT)
  }

  #pwrite(memory: OwnedFd, pointer: number, length: number): number {
    return sys6(N.pwrite64, memory.number, this.#memory.address, length, pointer)
  }

  #pwriteAnew(pointer: number, length: number): number {
    const memory = this.#openMemory()
    return memory === undefined ? 0 : this.#pwrite(memory, pointer, length)
  }

  #openMemory(): OwnedFd | undefined {
    this.#memories.get(this.#tid)?.close()
    this.#memories.delete(this.#tid)
    const fd = this.#open(`/proc/${this.#tid}/mem`, O.O_RDWR)
    if (fd < 0) return undefined
    const memory = new OwnedFd(fd)
    // The number was looked up anew: it is this thread's only if the thread still waits.
    if (!this.#stillWaiting()) {
      memory.close()
      return undefined
    }
    const [oldest] = this.#memories
    if (oldest !== undefined && this.#memories.size >= MOST_MEMORIES) {
      oldest[1].close()
      this.#memories.delete(oldest[0])
    }
    this.#memories.set(this.#tid, memory)
    return memory
  }

  // --- /proc

  #open(path: string, flags: number): number {
    return sys6(N.openat, AT_FDCWD, this.#path.text(path), flags | O.O_CLOEXEC, 0)
  }

  #link(path: string): Outcome<BytePath> {
    const length = sys6(N.readlinkat, AT_FDCWD, this.#path.text(path), this.#text.address, PAGE)
    return length < 0 ? Fail.of(length) : rawPath(this.#text.bytes.toString('latin1', 0, length))
  }

  #status(tid: number): Outcome<Status> {
    const fd = this.#open(`/proc/${tid}/status`, O.O_RDONLY)
    if (fd < 0) return Fail.of(Errno.ESRCH)
    const length = sys3(N.read, fd, this.#text.address, 1024)
    new OwnedFd(fd).close()
    if (length <= 0) return Fail.of(Errno.ESRCH)
    const text = this.#text.bytes.toString('latin1', 0, length)
    return {
      pid: field(text, /^Tgid:\s*(\d+)/m, 10),
      parent: field(text, /^PPid:\s*(\d+)/m, 10),
      umask: field(text, /^Umask:\s*(\d+)/m, 8),
    }
  }

  umask(): Outcome<number> {
    const status = this.#status(this.#tid)
    return failed(status) ? status : status.umask
  }

  workingDirectory(): Outcome<BytePath> {
    return this.#link(`/proc/${this.#tid}/cwd`)
  }

  descriptorText(fd: number): Outcome<BytePath> {
    const text = this.#link(`/proc/${this.#tid}/fd/${fd}`)
    return failed(text) ? Fail.of(Errno.EBADF) : text
  }

  relationTo(pid: number): Relation {
    let current = pid
    for (let depth = 0; depth < MAX_DEPTH && current > 1; depth++) {
      const status = this.#status(current)
      if (failed(status)) return depth === 0 ? 'exited' : 'foreign'
      if (status.pid === this.#worker) return 'ownTree'
      current = status.parent
    }
    return 'foreign'
  }

  relationToGroup(group: number): Relation {
    const pid = this.pid()
    const wanted = group > 0 ? group : failed(pid) ? undefined : groupOf(pid)
    if (wanted === undefined) return 'foreign'
    const relations = processes()
      .filter((member) => groupOf(member) === wanted)
      .map((member) => this.relationTo(member))
    if (relations.includes('foreign')) return 'foreign'
    return relations.includes('ownTree') ? 'ownTree' : 'exited'
  }

  // --- descriptors

  descriptor(fd: number): Outcome<OwnedFd> {
    if (fd < 0) return Fail.of(Errno.EBADF)
    const pid = this.pid()
    if (failed(pid)) return pid
    for (let attempt = 0; attempt < 2; attempt++) {
      const process = this.#process(pid, attempt > 0)
      if (failed(process)) return process
      const got = sys3(N.pidfd_getfd, process.number, fd, 0)
      if (got >= 0) return this.#ours(new OwnedFd(got))
      // ESRCH from a kept pidfd: the process died and its number has a new owner.
      if (got !== -Errno.ESRCH) return Fail.of(got)
    }
    return Fail.of(Errno.ESRCH)
  }

  #ours(fd: OwnedFd): Outcome<OwnedFd> {
    if (this.#stillWaiting()) return fd
    fd.close()
    return Fail.of(Errno.ESRCH)
  }

  #process(pid: number, anew: boolean): Outcome<OwnedFd> {
    if (!anew && this.#pidfd !== undefined && this.#pidfdOf === pid) return this.#pidfd
    this.#pidfd?.close()
    this.#pidfd = undefined
    const opened = sys3(N.pidfd_open, pid, 0)
    if (opened < 0) return Fail.of(opened)
    this.#pidfd = new OwnedFd(opened)
    this.#pidfdOf = pid
    return this.#pidfd
  }
}

function field(text: string, pattern: RegExp, radix: number): number {
  return Number.parseInt(pattern.exec(text)?.[1] ?? '0', radix)
}
