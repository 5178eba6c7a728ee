/** Calls that cannot be answered yet. Their threads wait; nobody else does. */
import type { Reply } from '../syscalls/call.js'
import type { TrappedCall } from './trapped-call.js'

type Later = Extract<Reply, { kind: 'later' }>

interface WaitingCall {
  readonly call: TrappedCall
  readonly reply: Later
}

export class WaitingCalls {
  readonly #calls: WaitingCall[] = []

  get areAny(): boolean {
    return this.#calls.length > 0
  }

  add(call: TrappedCall, reply: Later): void {
    this.#calls.push({ call, reply })
  }

  /** Looks at each again. Those that wait no longer, because their thread is gone or was interrupted, are dropped. */
  retry(again: (call: TrappedCall, reply: Later) => void): void {
    for (const { call, reply } of this.#calls.splice(0)) {
      if (call.target.stillWaiting()) again(call, reply)
      else reply.cancel()
    }
  }

  cancel(): void {
    for (const { reply } of this.#calls.splice(0)) reply.cancel()
  }
}
