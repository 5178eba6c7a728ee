/** Calls that cannot be answered yet. Their threads wait; nobody else does. */
import type { SyscallName } from '../abi/syscalls.js'
import type { Operation } from '../policy/operations.js'
import type { AccessRequest } from '../policy/request.js'
import type { NotificationId } from '../sys/listener.js'
import type { Call, Registers, Reply } from '../syscalls/call.js'
import { failed } from '../syscalls/outcome.js'

type Later = Extract<Reply, { kind: 'later' }>

export interface WaitingCall {
  readonly id: NotificationId
  readonly tid: number
  readonly name: SyscallName
  readonly operation: Operation
  readonly registers: Registers
  /** What it was granted. */
  used: AccessRequest | undefined
  reply: Later
}

export class WaitingCalls {
  #calls: WaitingCall[] = []

  get areAny(): boolean {
    return this.#calls.length > 0
  }

  add(
    id: NotificationId,
    tid: number,
    { name, operation, registers }: Pick<Call, 'name' | 'operation' | 'registers'>,
    used: AccessRequest | undefined,
    reply: Later,
  ): void {
    this.#calls.push({ id, tid, name, operation, registers: kept(registers), used, reply })
  }

  /** Looks at each again. Those that wait no longer, because their thread is gone or was interrupted, are dropped. */
  retry(
    stillWaits: (id: NotificationId) => boolean,
    again: (call: WaitingCall) => Reply,
    settled: (call: WaitingCall, reply: Exclude<Reply, Later>) => void,
  ): void {
    const calls = this.#calls
    this.#calls = []
    for (const call of calls) {
      if (!stillWaits(call.id)) {
        call.reply.cancel()
        continue
      }
      const reply = again(call)
      if (!failed(reply) && reply.kind === 'later') {
        call.reply = reply
        this.#calls.push(call)
      } else {
        settled(call, reply)
      }
    }
  }

  cancel(): void {
    for (const { reply } of this.#calls) reply.cancel()
    this.#calls = []
  }
}

/** The listener's own mean the next call by the time that one which waits is looked at again. */
function kept(registers: Registers): Registers {
  const halves = [0, 1, 2, 3, 4, 5].map((index) => [registers.low(index), registers.high(index)] as const)
  return { low: (index) => halves[index]?.[0] ?? 0, high: (index) => halves[index]?.[1] ?? 0 }
}
