/** The seccomp listener: it receives a notification and answers it exactly once. seccomp_unotify(2). */
import { Errno } from '../abi/errno.js'
import {
  SECCOMP_IOCTL_NOTIF_ADDFD,
  SECCOMP_IOCTL_NOTIF_ID_VALID,
  SECCOMP_IOCTL_NOTIF_RECV,
  SECCOMP_IOCTL_NOTIF_SEND,
  SECCOMP_IOCTL_NOTIF_SET_FLAGS,
} from '../abi/ioctl.js'
import {
  SECCOMP_ADDFD_FLAG_SEND,
  SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
} from '../abi/seccomp.js'
import { SECCOMP_NOTIF, SECCOMP_NOTIF_ADDFD, SECCOMP_NOTIF_RESP } from '../abi/structs.js'
import type { Registers } from '../syscalls/call.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import type { Descriptor } from '../syscalls/ports.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3 } from './raw.js'
import { SameCpu } from './same-cpu.js'

const IOCTL = numberOf('ioctl')
const O_CLOEXEC = 0x80000

/** Identifies one notification: the kernel's cookie, as its two halves, and the thread that waits. */
export interface NotificationId {
  readonly low: number
  readonly high: number
  readonly tid: number
}

const AT = {
  id: SECCOMP_NOTIF.id >>> 2,
  tid: SECCOMP_NOTIF.pid >>> 2,
  number: SECCOMP_NOTIF.nr >>> 2,
  arch: SECCOMP_NOTIF.arch >>> 2,
  args: SECCOMP_NOTIF.args >>> 2,
}
/** The words of six arguments. For a typed array of up to 64 bytes, V8 allocates no memory outside its heap. */
const ARGS = 12

/** One trapped call, as the kernel describes it. */
export class Notification implements Registers {
  readonly id: NotificationId
  readonly number: number
  /** An AUDIT_ARCH_* value: the number means a call of that architecture. */
  readonly arch: number
  readonly #args = new Uint32Array(ARGS)

  /** Copies from `words`, a struct seccomp_notif: the next notification overwrites it. */
  constructor(words: Uint32Array) {
    this.id = { low: wordAt(words, AT.id), high: wordAt(words, AT.id + 1), tid: wordAt(words, AT.tid) }
    this.number = wordAt(words, AT.number) | 0
    this.arch = wordAt(words, AT.arch)
    for (let index = 0; index < ARGS; index++) this.#args[index] = wordAt(words, AT.args + index)
  }

  get tid(): number {
    return this.id.tid
  }

  low(index: number): number {
    return wordAt(this.#args, index * 2)
  }

  high(index: number): number {
    return wordAt(this.#args, index * 2 + 1)
  }
}

/** The index is a constant of this file, or follows from that of an argument (0-5), so the word exists. */
function wordAt(words: Uint32Array, index: number): number {
  return words[index] ?? 0
}

export class Listener {
  readonly #notification = new Pinned(SECCOMP_NOTIF.size)
  readonly #response = new Pinned(SECCOMP_NOTIF_RESP.size)
  readonly #addfd = new Pinned(SECCOMP_NOTIF_ADDFD.size)
  readonly #id = new Pinned(8)
  #sameCpu: SameCpu | undefined

  /**
   * With `isOneStep`, a descriptor is added and returned in one step, because a signal may come between two (before
   * Linux 5.19, without SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
   */
  constructor(
    readonly fd: OwnedFd,
    readonly isOneStep: boolean,
  ) {}

  /**
   * Makes target and broker hand one CPU to each other: SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6. Returns false,
   * without an error, if the kernel cannot.
   */
  wakeOnSameCpu(): boolean {
    const flag = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
    if (sys3(IOCTL, this.fd.number, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flag) !== 0) return false
    this.#sameCpu = new SameCpu()
    return true
  }

  /**
   * Takes the next notification. Call it only if poll(2) says that there is one. ENOENT: its thread was interrupted
   * before it was received, or the last process is gone.
   */
  receive(): Outcome<Notification> {
    // seccomp_unotify(2): the structure must be zeroed before.
    this.#notification.words.fill(0)
    const result = sys3(IOCTL, this.fd.number, SECCOMP_IOCTL_NOTIF_RECV, this.#notification.address)
    if (result < 0) return Fail.of(result)
    return new Notification(this.#notification.words)
  }

  isValid(id: NotificationId): boolean {
    writeId(this.#id.words, id)
    return sys3(IOCTL, this.fd.number, SECCOMP_IOCTL_NOTIF_ID_VALID, this.#id.address) === 0
  }

  /** Makes the call return this value. Returns false if nobody waits any more. */
  returnValue(id: NotificationId, result: number): boolean {
    return this.#respond(id, result, 0, 0)
  }

  /** Makes the call fail with this errno. */
  returnError(id: NotificationId, errno: number): boolean {
    // An errno of 0 would be success with value 0: it becomes a refusal.
    return this.#respond(id, 0, -(errno > 0 ? errno : Errno.EPERM), 0)
  }

  /**
   * Lets the kernel perform the call with its own copy of the arguments. Only for calls that registers and Landlock
   * decide.
   */
  letContinue(id: NotificationId): boolean {
    return this.#respond(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)
  }

  #respond(id: NotificationId, result: number, error: number, flags: number): boolean {
    const { words, address } = this.#response
    writeId(words, id)
    words[SECCOMP_NOTIF_RESP.val >>> 2] = result | 0
    words[(SECCOMP_NOTIF_RESP.val >>> 2) + 1] = Math.floor(result / 0x1_0000_0000)
    words[SECCOMP_NOTIF_RESP.error >>> 2] = error
    words[SECCOMP_NOTIF_RESP.flags >>> 2] = flags
    return sys3(IOCTL, this.fd.number, SECCOMP_IOCTL_NOTIF_SEND, address) === 0
  }

  /** Puts a descriptor into the target and makes its number the result, in one step (Linux 5.14). */
  addAndReturn(id: NotificationId, fd: Descriptor, cloexec: boolean): Outcome<number> {
    return this.#add(id, fd, cloexec, SECCOMP_ADDFD_FLAG_SEND)
  }

  /** Puts a descriptor into the target; the call still waits. */
  add(id: NotificationId, fd: Descriptor, cloexec: boolean): Outcome<number> {
    const add = (): Outcome<number> => this.#add(id, fd, cloexec, 0)
    return this.#sameCpu === undefined ? add() : this.#sameCpu.during(id.tid, add)
  }

  #add(id: NotificationId, fd: Descriptor, cloexec: boolean, flags: number): Outcome<number> {
    if (!(fd instanceof OwnedFd)) throw new TypeError('a descriptor of another kernel')
    const { words, address } = this.#addfd
    writeId(words, id)
    words[SECCOMP_NOTIF_ADDFD.flags >>> 2] = flags
    words[SECCOMP_NOTIF_ADDFD.srcfd >>> 2] = fd.number
    words[SECCOMP_NOTIF_ADDFD.newfd >>> 2] = 0
    words[SECCOMP_NOTIF_ADDFD.newfd_flags >>> 2] = cloexec ? O_CLOEXEC : 0
    const added = sys3(IOCTL, this.fd.number, SECCOMP_IOCTL_NOTIF_ADDFD, address)
    return added < 0 ? Fail.of(added) : added
  }
}

/** Writes the id, which comes first in each of these structures. */
function writeId(words: Uint32Array, { low, high }: NotificationId): void {
  words[0] = low
  words[1] = high
}
