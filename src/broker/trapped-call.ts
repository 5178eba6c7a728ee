/** One system call of the worker or a descendant, from its notification to its answer. */
import type { SyscallName } from '../abi/syscalls.js'
import type { AccessOutcome } from '../policy/event.js'
import type { Operation } from '../policy/operations.js'
import type { Policy } from '../policy/policy.js'
import type { AccessRequest, BytePath } from '../policy/request.js'
import type { Notification, NotificationId } from '../sys/listener.js'
import { LinuxTarget } from '../sys/target.js'
import type { ProcessHandle } from '../sys/worker-process.js'
import type { Call, ExecAuthority, OwnAddresses, Registers } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import type { Kernel } from '../syscalls/ports.js'
import type { Denied } from './messages.js'

/** The parts that all calls of one worker share. */
export interface CallContext {
  readonly worker: ProcessHandle
  readonly kernel: Kernel
  readonly denied: Denied
  readonly own: OwnAddresses
  readonly execAuthority: ExecAuthority
  readonly tmp: BytePath | undefined
  /** The policy in force: it decides a call that waited like any that comes now. */
  readonly policy: Policy
  stillWaits(id: NotificationId): boolean
  record(call: TrappedCall, outcome: AccessOutcome): void
}

export class TrappedCall implements Call {
  readonly name: SyscallName
  readonly operation: Operation
  readonly id: NotificationId
  readonly registers: Registers
  readonly target: LinuxTarget
  /** The request that was granted, for the record of the descriptors that the call makes. */
  used: AccessRequest | undefined
  readonly #context: CallContext

  constructor(context: CallContext, { name, operation }: Pick<Row, 'name' | 'operation'>, notification: Notification) {
    this.#context = context
    this.name = name
    this.operation = operation
    this.registers = notification
    this.id = notification.id
    this.target = new LinuxTarget(context.worker, notification.tid, () => context.stillWaits(this.id))
  }

  get kernel(): Kernel {
    return this.#context.kernel
  }

  get policy(): Policy {
    return this.#context.policy
  }

  get denied(): Denied {
    return this.#context.denied
  }

  get own(): OwnAddresses {
    return this.#context.own
  }

  get execAuthority(): ExecAuthority {
    return this.#context.execAuthority
  }

  get tmp(): BytePath | undefined {
    return this.#context.tmp
  }

  record(outcome: AccessOutcome): void {
    this.#context.record(this, outcome)
  }

  [Symbol.dispose](): void {
    this.target.close()
  }
}
