/** The thread that made a trapped call: its memory, its descriptors, and its entries in /proc. */
import { readdirSync } from 'node:fs'
import { PIDFD_THREAD } from '../abi/descriptors.js'
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { IOVEC } from '../abi/structs.js'
import { codeOf } from '../errors.js'
import { rawPath, type BytePath } from '../policy/request.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import type { Descriptor, Relation, Target } from '../syscalls/ports.js'
import { relationOf } from './ancestry.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { groupOf, processes } from './process-list.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'
import { textOf } from './text-of.js'
import type { ProcessHandle } from './worker-process.js'

const N = {
  process_vm_readv: numberOf('process_vm_readv'),
  openat: numberOf('openat'),
  read: numberOf('read'),
  pwrite64: numberOf('pwrite64'),
  readlinkat: numberOf('readlinkat'),
  pidfd_open: numberOf('pidfd_open'),
  pidfd_getfd: numberOf('pidfd_getfd'),
  pidfd_send_signal: numberOf('pidfd_send_signal'),
  faccessat: numberOf('faccessat'),
}
const O = openFlags(hostArch())
const PAGE = 4096
interface Status {
  readonly pid: number
  readonly parent: number
  readonly umask: number
}

// Buffers that one call uses at a time: a broker thread finishes a call, or puts it off, before it takes the next.
const local = new Pinned(IOVEC.size)
const remote = new Pinned(IOVEC.size * 2)
const transfer = new Pinned(65_536 + PAGE)
const path = new Pinned(256)
const text = new Pinned(PAGE)

/**
 * The thread of one notification. Its number is its own as long as the notification stands, so everything that is
 * reached by the number counts only if the notification still stands afterwards (SECCOMP_IOCTL_NOTIF_ID_VALID). What is
 * kept, a pidfd and a descriptor of its memory, refers to the thread itself and is closed with the call. The worker's
 * first thread needs no such check: the descriptors of its process tell if the number is still its own.
 */
export class LinuxTarget implements Target {
  readonly #worker: ProcessHandle
  readonly #notificationStands: () => boolean
  #pid: Outcome<number> | undefined
  #pidfd: OwnedFd | undefined
  #memory: OwnedFd | undefined
  /**
   * True once the arguments are decoded. Reads before that count if the check before the call is performed succeeds.
   */
  #isDecoded = false

  /** `worker`: the root of the worker's process tree. */
  constructor(
    worker: ProcessHandle,
    readonly tid: number,
    notificationStands: () => boolean,
  ) {
    this.#worker = worker
    this.#notificationStands = notificationStands
  }

  get worker(): number {
    return this.#worker.pid
  }

  /** Closes the kept descriptors. A call that waits opens them again when it goes on. */
  close(): void {
    this.#pidfd?.close()
    this.#memory?.close()
    this.#pidfd = this.#memory = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  isFirstThread(): boolean {
    return this.tid === this.#worker.pid && this.#worker.ownsNumber()
  }

  stillWaiting(): boolean {
    this.#isDecoded = true
    return this.#notificationStands()
  }

  pid(): Outcome<number> {
    this.#pid ??= this.isFirstThread() ? this.tid : this.#readPid()
    return this.#pid
  }

  #readPid(): Outcome<number> {
    const { directory, pid } = this.#worker
    // Mostly it is a thread of the worker's first process, which /proc/<pid>/task then lists.
    const isWorkers =
      directory !== undefined && sys6(N.faccessat, directory.number, path.text(`task/${this.tid}`), 0, 0) === 0
    const status = isWorkers ? undefined : statusOf(this.tid)
    if (!this.#notificationStands()) return Fail.of(Errno.ESRCH)
    if (status === undefined) return pid
    return failed(status) ? status : status.pid
  }

  // --- memory

  /** Reads memory by process_vm_readv(2), which obeys the target's own protections. */
  #read(pointer: number, length: number): number {
    if (!Number.isSafeInteger(pointer) || pointer < 0 || pointer + length > Number.MAX_SAFE_INTEGER)
      return -Errno.EFAULT
    // Two segments, split at the end of a page: the first is complete even if the next page does not exist.
    const first = Math.min(length, PAGE - (pointer % PAGE))
    local.setWord(IOVEC.iov_base, transfer.address)
    local.setWord(IOVEC.iov_len, length)
    remote.setWord(IOVEC.iov_base, pointer)
    remote.setWord(IOVEC.iov_len, first)
    remote.setWord(IOVEC.size + IOVEC.iov_base, pointer + first)
    remote.setWord(IOVEC.size + IOVEC.iov_len, length - first)
    const segments = first === length ? 1 : 2
    const got = sys6(N.process_vm_readv, this.tid, local.address, 1, remote.address, segments, 0)
    return !this.#isDecoded || this.#notificationStands() ? got : -Errno.ESRCH
  }

  readString(pointer: number, max: number): Outcome<string> {
    if (pointer === 0) return Fail.of(Errno.EFAULT)
    const got = this.#read(pointer, max)
    if (got < 0) return Fail.of(got === -Errno.ESRCH || got === -Errno.EPERM ? Errno.EFAULT : got)
    const end = transfer.bytes.indexOf(0)
    if (end >= 0 && end < got) return transfer.bytes.toString('latin1', 0, end)
    return Fail.of(got < max ? Errno.EFAULT : Errno.ENAMETOOLONG)
  }

  readBytes(pointer: number, length: number): Outcome<Uint8Array> {
    if (pointer === 0 || length > 65_536) return Fail.of(Errno.EFAULT)
    const got = this.#read(pointer, length)
    // A copy: the next read of the same request overwrites the buffer.
    return got === length ? Uint8Array.prototype.slice.call(transfer.bytes, 0, length) : Fail.of(Errno.EFAULT)
  }

  /**
   * Writes memory through /proc/<tid>/mem. Its descriptor stays with one address space, so a number that changes its
   * owner cannot redirect it.
   */
  writeBytes(pointer: number, bytes: Uint8Array): Outcome<true> {
    if (bytes.length === 0) return true
    if (pointer === 0) return Fail.of(Errno.EFAULT)
    transfer.bytes.set(bytes)
    if (this.tid === this.#worker.pid) {
      if (this.#put(this.#worker.memory, bytes.length, pointer)) return true
      // The process may have run another program since then, which has another address space.
      this.#worker.forgetMemory()
      return this.#put(this.#worker.memory, bytes.length, pointer) ? true : Fail.of(Errno.EFAULT)
    }
    this.#memory ??= this.#open('mem', O.O_RDWR)
    return this.#put(this.#memory, bytes.length, pointer) ? true : Fail.of(Errno.EFAULT)
  }

  #put(memory: OwnedFd | undefined, length: number, pointer: number): boolean {
    return memory !== undefined && sys6(N.pwrite64, memory.number, transfer.address, length, pointer) === length
  }

  // --- /proc

  /**
   * Opens a file of the thread in /proc; undefined if it cannot be opened, or the number may not have been the
   * thread's.
   */
  #open(name: string, flags: number): OwnedFd | undefined {
    const { directory, pid } = this.#worker
    if (this.tid === pid && directory !== undefined) {
      const fd = sys6(N.openat, directory.number, path.text(name), flags | O.O_CLOEXEC, 0)
      if (fd >= 0) return new OwnedFd(fd)
    }
    const fd = sys6(N.openat, AT_FDCWD, path.text(`/proc/${this.tid}/${name}`), flags | O.O_CLOEXEC, 0)
    if (fd < 0) return undefined
    const opened = new OwnedFd(fd)
    if (this.#notificationStands()) return opened
    opened.close()
    return undefined
  }

  #link(name: string): Outcome<BytePath> {
    const from = path.text(`/proc/${this.tid}/${name}`)
    const length = sys6(N.readlinkat, AT_FDCWD, from, text.address, PAGE)
    if (!this.#notificationStands()) return Fail.of(Errno.ESRCH)
    return length < 0 ? Fail.of(length) : rawPath(text.bytes.toString('latin1', 0, length))
  }

  raise(signal: number): void {
    const thread = this.#pinned()
    if (!failed(thread) && this.#notificationStands()) sys6(N.pidfd_send_signal, thread.number, signal, 0, 0)
  }

  umask(): Outcome<number> {
    const status = statusOf(this.tid)
    if (!this.#notificationStands()) return Fail.of(Errno.ESRCH)
    return failed(status) ? status : status.umask
  }

  workingDirectory(): Outcome<BytePath> {
    return this.#link('cwd')
  }

  descriptorText(fd: number): Outcome<BytePath> {
    const found = this.#link(`fd/${fd}`)
    return failed(found) ? Fail.of(Errno.EBADF) : found
  }

  relationTo(pid: number): Relation {
    // Most processes signal themselves: raise(3), abort(3).
    if (pid === this.tid) return this.#notificationStands() ? 'ownTree' : 'exited'
    return relationOf(pid, this.#worker.pid, statusOf, () => this.#worker.ownsNumber())
  }

  membersOf(group: number): readonly number[] {
    const pid = this.pid()
    const wanted = group > 0 ? group : failed(pid) ? undefined : groupOf(pid)
    return wanted === undefined ? [] : processes().filter((member) => groupOf(member) === wanted)
  }

  relationToGroup(group: number): Relation {
    const pid = this.pid()
    if (group <= 0 && (failed(pid) || groupOf(pid) === undefined)) return 'foreign'
    const relations = this.membersOf(group).map((member) => this.relationTo(member))
    if (relations.includes('foreign')) return 'foreign'
    return relations.includes('ownTree') ? 'ownTree' : 'exited'
  }

  // --- descriptors

  descriptor(fd: number): Outcome<OwnedFd> {
    if (fd < 0) return Fail.of(Errno.EBADF)
    const { pidfd, pid } = this.#worker
    if (this.tid === pid && pidfd !== undefined) {
      const got = sys3(N.pidfd_getfd, pidfd.number, fd, 0)
      if (got >= 0) return new OwnedFd(got)
      if (got !== -Errno.ESRCH) return Fail.of(got)
    }
    const thread = this.#pinned()
    if (failed(thread)) return thread
    const got = sys3(N.pidfd_getfd, thread.number, fd, 0)
    return got < 0 ? Fail.of(got) : new OwnedFd(got)
  }

  /**
   * The file of a descriptor. The link in /proc leads to the very file, but not to the descriptor's rights:
   * proc_pid_fd(5).
   */
  fileOf(fd: number): Outcome<OwnedFd> {
    const held = this.descriptor(fd)
    if (!failed(held) || (held.errno !== Errno.EPERM && held.errno !== Errno.ENOSYS)) return held
    return this.#open(`fd/${fd}`, O.O_PATH) ?? Fail.of(Errno.EBADF)
  }

  flagsOf(fd: number, handle: Descriptor): Outcome<number> {
    if (!(handle instanceof OwnedFd)) throw new TypeError('a descriptor of another kernel')
    const [theirs, own] = [`${this.tid}/fdinfo/${fd}`, `thread-self/fdinfo/${handle.number}`].map(infoOf)
    if (!this.#notificationStands()) return Fail.of(Errno.ESRCH)
    const isSame = theirs !== undefined && own !== undefined && theirs.file === own.file
    return isSame ? theirs.flags : Fail.of(Errno.EBADF)
  }

  ownSocket(inode: number, fd: number): Outcome<OwnedFd> {
    const wanted = `socket:[${inode}]`
    const held = fd < 0 ? Fail.of(Errno.EBADF) : this.#heldAs(wanted, fd)
    if (!failed(held)) return held
    const here = numbersAt(`/proc/${this.tid}/fd`).find((number) => linkAt(`/proc/${this.tid}/fd/${number}`) === wanted)
    const own = here === undefined ? Fail.of(Errno.ENOENT) : this.#heldAs(wanted, here)
    return failed(own) ? this.#socketInTree(wanted) : own
  }

  #heldAs(wanted: string, fd: number): Outcome<OwnedFd> {
    const held = this.descriptor(fd)
    return failed(held) ? held : ifIs(held, wanted)
  }

  /** Takes the socket from the worker or one of its descendants. */
  #socketInTree(wanted: string): Outcome<OwnedFd> {
    for (const pid of processes()) {
      if (this.relationTo(pid) !== 'ownTree') continue
      for (const fd of numbersAt(`/proc/${pid}/fd`)) {
        if (linkAt(`/proc/${pid}/fd/${fd}`) !== wanted) continue
        const taken = this.#takeFrom(pid, wanted, fd)
        if (!failed(taken)) return taken
      }
    }
    return Fail.of(Errno.ENOENT)
  }

  #takeFrom(pid: number, wanted: string, fd: number): Outcome<OwnedFd> {
    const opened = sys3(N.pidfd_open, pid, 0)
    if (opened < 0) return Fail.of(opened)
    using pidfd = new OwnedFd(opened)
    // Checked while the pidfd holds the process: one that has ended since then gives no descriptor.
    if (this.relationTo(pid) !== 'ownTree') return Fail.of(Errno.EPERM)
    const got = sys3(N.pidfd_getfd, pidfd.number, fd, 0)
    return got < 0 ? Fail.of(got) : ifIs(new OwnedFd(got), wanted)
  }

  /**
   * A pidfd of the thread itself, so that its own descriptor table counts, even if the first thread of its process has
   * ended. Before Linux 6.9 only that first thread can be named.
   */
  #pinned(): Outcome<OwnedFd> {
    if (this.#pidfd !== undefined) return this.#pidfd
    let opened = sys3(N.pidfd_open, this.tid, PIDFD_THREAD)
    if (opened === -Errno.EINVAL) {
      const pid = this.pid()
      if (failed(pid)) return pid
      opened = sys3(N.pidfd_open, pid, 0)
    }
    if (opened < 0) return Fail.of(opened)
    const pidfd = new OwnedFd(opened)
    if (!this.#notificationStands()) {
      pidfd.close()
      return Fail.of(Errno.ESRCH)
    }
    this.#pidfd = pidfd
    return pidfd
  }
}

/** The numbers in a directory of /proc; none if it is gone. */
function numbersAt(directory: string): readonly number[] {
  try {
    return readdirSync(directory).map(Number)
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(codeOf(error) ?? '')) return []
    throw error
  }
}

function linkAt(link: string): string {
  const length = sys6(N.readlinkat, AT_FDCWD, path.text(link), text.address, PAGE)
  return length < 0 ? '' : text.bytes.toString('latin1', 0, length)
}

/**
 * The flags and the file of a descriptor: proc_pid_fdinfo(5). `file`: its mount and its inode, the latter since Linux
 * 5.14.
 */
function infoOf(path: string): { readonly flags: number; readonly file: string } | undefined {
  const info = textOf(`/proc/${path}`)
  if (info === undefined) return undefined
  const of = (name: string): string => new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(info)?.[1] ?? ''
  const [flags, mount, inode] = [of('flags'), of('mnt_id'), of('ino')]
  return flags === '' || mount === '' || inode === ''
    ? undefined
    : { flags: Number.parseInt(flags, 8), file: `${mount} ${inode}` }
}

/** Returns the descriptor only if it is the wanted file: its number may mean another descriptor by now. */
function ifIs(fd: OwnedFd, wanted: string): Outcome<OwnedFd> {
  if (linkAt(`/proc/thread-self/fd/${fd.number}`) === wanted) return fd
  fd.close()
  return Fail.of(Errno.ENOENT)
}

function statusOf(tid: number): Outcome<Status> {
  const fd = sys6(N.openat, AT_FDCWD, path.text(`/proc/${tid}/status`), O.O_RDONLY | O.O_CLOEXEC, 0)
  if (fd < 0) return Fail.of(Errno.ESRCH)
  const length = sys3(N.read, fd, text.address, 1024)
  new OwnedFd(fd).close()
  if (length <= 0) return Fail.of(Errno.ESRCH)
  const status = text.bytes.toString('latin1', 0, length)
  return {
    pid: field(status, /^Tgid:\s*(\d+)/m, 10),
    parent: field(status, /^PPid:\s*(\d+)/m, 10),
    umask: field(status, /^Umask:\s*(\d+)/m, 8),
  }
}

function field(status: string, pattern: RegExp, radix: number): number {
  return Number.parseInt(pattern.exec(status)?.[1] ?? '0', radix)
}
