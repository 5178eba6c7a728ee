/** One call of the kernel that is made by another thread of this process: the threads share their descriptors. */
import { F_DUPFD_CLOEXEC } from '../abi/fcntl.js'
import { ThreadLostError } from '../errors.js'
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

/**
 * Makes a call, and gives back everything that came with it before its result is known. `returned` is told in between.
 */
export function makeCall(
  { number, args, fds, locks, tells }: DelegatedCall,
  inodes: InodeLocks,
  returned: () => void = () => {},
): void {
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
  returned()
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
  /** Returns the number of the call: the first one has 1. */
  make(call: DelegatedCall): number
  /** True if it did not come up in time, and never will, or if its thread is gone. */
  hasFailed(): boolean
  /** How far it came with a call. */
  stageOf(call: number): 'not begun' | 'begun' | 'returned'
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
    const number = helper.make(call)
    const underWay = new CallUnderWay(call, number, helper, told, as, this.locks, () => this.#underWay.delete(underWay))
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
    readonly number: number,
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

  isLost(): boolean {
    return this.helper.hasFailed()
  }

  result(): Outcome<T> | undefined {
    const outcome = this.#outcome()
    if (outcome === 'lost') throw new ThreadLostError('a thread of the broker ended while it made this call')
    return outcome
  }

  #outcome(): Outcome<T> | 'lost' | undefined {
    const isLost = !this.#isMadeHere && this.helper.hasFailed()
    if (isLost && this.helper.stageOf(this.number) === 'not begun') {
      this.#isMadeHere = true
      makeCall(this.call, this.locks)
    }
    // EAGAIN as long as nothing was written: eventfd(2).
    if (sys3(N.read, this.told.number, this.#count.address, 8) < 0) {
      if (!isLost) return undefined
      this.#giveBack()
      this.#over()
      return 'lost'
    }
    this.#over()
    return this.as((this.#count.words[0] ?? 0) - LEAST)
  }

  #over(): void {
    this.told.close()
    this.helper.over()
    this.forget()
  }

  /** Takes back the locks and descriptors of a call whose thread ended in it. */
  #giveBack(): void {
    const { fds, locks, tells } = this.call
    // After its return, nobody knows how much was given back: to do it twice would be to take another call's.
    if (this.helper.stageOf(this.number) === 'returned') return
    this.locks.takeBack(locks)
    for (const fd of [...fds, tells]) sys3(N.close, fd)
  }

  cancel(): void {
    this.#isDropped = true
    this.clear()
  }

  /** Takes the result of a call that was dropped, if it is over. */
  clear(): boolean {
    if (!this.#isDropped) return false
    const result = this.#outcome()
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
