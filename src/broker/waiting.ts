/** Calls that cannot be answered yet. Only their own threads wait. */
import { Errno } from '../abi/errno.js'
import type { Awaited, Kept, LaterReply } from '../syscalls/call.js'
import { Fail } from '../syscalls/outcome.js'
import type { TrappedCall } from './trapped-call.js'

interface WaitingCall {
  readonly call: TrappedCall
  readonly reply: LaterReply
}

/**
 * The most that all waiting calls of one worker together may keep in the broker: what one call uses up, another lacks.
 * Each thread waits in one call at most, so no ordinary program comes near. Of descriptors it is less where there are few.
 */
export const BOUNDS = { calls: 512, descriptors: 768, bytes: 4 << 20 } as const
const NOTHING: Kept = { descriptors: 0, bytes: 0 }

export class WaitingCalls {
  readonly #calls: WaitingCall[] = []
  #untold = 0
  #descriptors = 0
  #bytes = 0
  #isChanged = false

  constructor(readonly mostDescriptors: number = BOUNDS.descriptors) {}

  get areAny(): boolean {
    return this.#calls.length > 0
  }

  /** True if poll(2) does not say of some of them when to go on. */
  get areUntold(): boolean {
    return this.#untold > 0
  }

  /**
   * The descriptors to poll, in the order in which `retry` asks for them. Undefined if they are the same as last time.
   */
  awaited(): readonly Awaited[] | undefined {
    if (!this.#isChanged) return undefined
    this.#isChanged = false
    return this.#calls.flatMap(({ reply }) => (reply.ready === undefined ? [] : [reply.ready]))
  }

  /** Adds a call. If a worker's waiting calls would then keep too much, it cancels the call and returns the refusal. */
  add(call: TrappedCall, reply: LaterReply): Fail | undefined {
    const { descriptors, bytes } = reply.keeps ?? NOTHING
    const isTooMuch =
      this.#calls.length >= BOUNDS.calls ||
      this.#descriptors + descriptors > this.mostDescriptors ||
      this.#bytes + bytes > BOUNDS.bytes
    if (isTooMuch && reply.isUnderWay !== true) {
      reply.cancel()
      return Fail.of(tooMuch(call, descriptors))
    }
    this.#isChanged = true
    if (reply.ready === undefined) this.#untold++
    this.#descriptors += descriptors
    this.#bytes += bytes
    this.#calls.push({ call, reply })
    return undefined
  }

  /**
   * Asks those calls again that poll(2) reports, or cannot report, or never will. Drops a call whose thread no longer
   * waits, because it is gone or was interrupted.
   */
  retry(happened: (index: number) => boolean, again: (call: TrappedCall, reply: LaterReply) => void): void {
    const calls = this.#take()
    let index = 0
    for (const { call, reply } of calls) {
      const isTime = reply.ready === undefined || happened(index++) || reply.isLost?.() === true
      if (!call.target.stillWaiting()) reply.cancel()
      else if (isTime) again(call, reply)
      else this.add(call, reply)
    }
  }

  #take(): readonly WaitingCall[] {
    this.#isChanged = true
    this.#untold = this.#descriptors = this.#bytes = 0
    return this.#calls.splice(0)
  }

  cancel(): void {
    for (const { reply } of this.#take()) reply.cancel()
  }
}

/**
 * The errno of a call that is refused because too many wait. accept(2), connect(2), sendmsg(2): ENOBUFS; unix(7):
 * ETOOMANYREFS for too many descriptors in flight; open(2): ENFILE.
 */
function tooMuch({ name }: TrappedCall, descriptors: number): Errno {
  if (name.startsWith('open')) return Errno.ENFILE
  return descriptors > 1 ? Errno.ETOOMANYREFS : Errno.ENOBUFS
}
