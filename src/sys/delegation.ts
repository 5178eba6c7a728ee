/** One call of the kernel that is made by another thread of this process: the threads share their descriptors. */
import { F_DUPFD_CLOEXEC } from '../abi/fcntl.js'
import { SETTLE_MS } from '../limits.js'
import type { Awaited } from '../syscalls/call.js'
import { Delegated } from '../syscalls/delegated.js'
import type { Outcome } from '../syscalls/outcome.js'
import type { InodeLocks } from './inode-locks.js'
import { Poller } from './io.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const N = {
  close: numberOf('close'),
  eventfd2: numberOf('eventfd2'),
  fcntl: numberOf('fcntl'),
  read: numberOf('read'),
  write: numberOf('write'),
}
const EFD_CLOEXEC = 0x80000
const EFD_NONBLOCK = 0x800
/** An eventfd counts from 1; the result of a call is at least -4095: include/linux/err.h, MAX_ERRNO. */
const LEAST = 4096

/** An argument: a number, a string of bytes, or memory that the kernel reads. */
export type Argument = number | string | Uint8Array

/** Plain data, which crosses threads by structured clone. All numbers of descriptors and locks change hands with it. */
export interface DelegatedCall {
  readonly number: number
  readonly args: readonly Argument[]
  /** Descriptors that are closed, and locks that are released, once the call has returned. */
  readonly fds: readonly number[]
  readonly locks: readonly number[]
  /** An eventfd that gets the result. */
  readonly tells: number
}

/** Makes a call, and gives back everything that came with it before its result is known. */
export function makeCall({ number, args, fds, locks, tells }: DelegatedCall, inodes: InodeLocks): void {
  // Kept until the call has returned: an address keeps nothing alive.
  const memory: Pinned[] = []
  const words = args.map((arg) => {
    if (typeof arg === 'number') return arg
    const bytes = typeof arg === 'string' ? Buffer.from(`${arg}\0`, 'latin1') : arg
    const pinned = new Pinned(bytes.length)
    pinned.bytes.set(bytes)
    memory.push(pinned)
    return pinned.address
  })
  const result = sys6(number, ...words)
  inodes.takeBack(locks)
  for (const fd of fds) sys3(N.close, fd)
  const count = new Pinned(8)
  count.setWord(0, result + LEAST)
  sys3(N.write, tells, count.address, 8)
  sys3(N.close, tells)
  memory.length = 0
}

/** A thread that makes calls for another one. */
export interface Helper {
  /** False while it still loads. */
  readonly isUp: boolean
  make(call: DelegatedCall): void
  /** True if it did not come up in time, and never will: its calls are to be made elsewhere. */
  hasFailed(): boolean
  /** Says that one of its calls is over. */
  over(): void
}

/**
 * Gives a thread that makes one more call; undefined if there are enough of them, or if there is none and none is to be
 * started.
 */
export type NextHelper = (mayStart: boolean) => Helper | undefined

/** Calls of one thread that others make for it. */
export class Delegation {
  readonly #underWay = new Set<CallUnderWay<unknown>>()

  constructor(
    readonly locks: InodeLocks,
    readonly next: NextHelper,
  ) {}

  /**
   * Gives a call away. Returns undefined, without asking for what is to be given, if the caller has to make the call
   * itself.
   */
  begin<T>(
    mayStart: boolean,
    give: () => Omit<DelegatedCall, 'tells'>,
    as: (result: number) => Outcome<T>,
  ): Delegated<T> | undefined {
    for (const dropped of this.#underWay) dropped.clear()
    const helper = this.next(mayStart)
    if (helper === undefined) return undefined
    const made = sys3(N.eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK)
    if (made < 0) return undefined
    const told = new OwnedFd(made)
    const tells = sys3(N.fcntl, made, F_DUPFD_CLOEXEC, 0)
    if (tells < 0) {
      told.close()
      return undefined
    }
    const call = { ...give(), tells }
    helper.make(call)
    const underWay = new CallUnderWay(call, helper, told, as, this.locks, () => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
    return underWay
  }

  /** Waits for all calls whose results nobody waits for any more. */
  settle(): void {
    for (const one of this.#underWay) one.settle()
  }
}

class CallUnderWay<T> extends Delegated<T> {
  readonly #count = new Pinned(8)
  #isDropped = false
  #isMadeHere = false

  constructor(
    readonly call: DelegatedCall,
    readonly helper: Helper,
    readonly told: OwnedFd,
    readonly as: (result: number) => Outcome<T>,
    readonly locks: InodeLocks,
    readonly forget: () => void,
  ) {
    super()
  }

  get ready(): Awaited | undefined {
    return this.helper.isUp ? { fd: this.told, direction: 'in' } : undefined
  }

  result(): Outcome<T> | undefined {
    if (!this.#isMadeHere && this.helper.hasFailed()) {
      this.#isMadeHere = true
      makeCall(this.call, this.locks)
    }
    // EAGAIN as long as nothing was written: eventfd(2).
    if (sys3(N.read, this.told.number, this.#count.address, 8) < 0) return undefined
    this.told.close()
    this.helper.over()
    this.forget()
    return this.as((this.#count.words[0] ?? 0) - LEAST)
  }

  cancel(): void {
    this.#isDropped = true
    this.clear()
  }

  /** Takes the result of a call that was dropped, if it is over. */
  clear(): boolean {
    if (!this.#isDropped) return false
    const result = this.result()
    if (result instanceof OwnedFd) result.close()
    return result !== undefined
  }

  settle(): void {
    this.#isDropped = true
    const poller = new Poller(1)
    poller.watch(0, this.told)
    while (!this.clear()) poller.wait(SETTLE_MS)
  }
}
