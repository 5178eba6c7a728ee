/**
 * One worker, from its start to the end of its last process: receives its calls, and has each of them decided and
 * answered.
 */
import { constants } from 'node:os'
import { isForeign, type Arch } from '../abi/arch.js'
import { Errno } from '../abi/errno.js'
import { syscallName } from '../abi/syscalls.js'
import { GONE_MS, IDLE_LOOK_MS, LEASE_MS, RETRY_MS } from '../limits.js'
import type { AccessOutcome, Refusal } from '../policy/event.js'
import type { Policy } from '../policy/policy.js'
import { bytePath, type BytePath } from '../policy/request.js'
import { Opcode, reportedFrame, textFrame, type Mark } from '../protocol.js'
import { POLLIN, type Poller } from '../sys/io.js'
import type { Listener, Notification, NotificationId } from '../sys/listener.js'
import { OwnedFd } from '../sys/owned-fd.js'
import { LinuxTarget } from '../sys/target.js'
import { ProcessHandle } from '../sys/worker-process.js'
import type { ExecAuthority, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { failed } from '../syscalls/outcome.js'
import type { Kernel } from '../syscalls/ports.js'
import { Acquirer } from './acquirer.js'
import { answer } from './answering.js'
import { BaseReads } from './base-reads.js'
import { Channel } from './channel.js'
import { Conversation } from './conversation.js'
import { GrantedNow, grantedItems } from './granted.js'
import { guarded } from './guarded.js'
import { MOST_LEASES } from './leases.js'
import type { AttachCommand, Denied, FromBroker } from './messages.js'
import { Own } from './own.js'
import { updated, type PolicyUpdate } from './policy-update.js'
import { Recorder } from './recording.js'
import { shareOf } from './share.js'
import type { Sharing } from './sharing.js'
import { Start } from './start.js'
import { TrappedCall, type CallContext } from './trapped-call.js'
import { BOUNDS, WaitingCalls } from './waiting.js'

export const SLOT = { bell: 0, channel: 1, listener: 2, runner: 3 } as const

/** Calls that are received before the first of them is performed. */
const AT_ONCE = 32

export interface SessionParts {
  readonly arch: Arch
  readonly table: ReadonlyMap<number, Row>
  readonly kernel: Kernel
  readonly poller: Poller
  readonly sharing: Sharing
  /** True if only a fatal signal can interrupt a received call: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19. */
  readonly waitKillable: boolean
  /** The most descriptors that this process may have. */
  readonly files: number
  readonly post: (message: FromBroker) => void
}

const UNKNOWN: Refusal = {
  outcome: 'forbidden',
  why: 'a system call that this package does not know',
  violation: false,
}

const FOREIGN: Refusal = {
  outcome: 'forbidden',
  why: 'a system call of another ABI (32-bit, x32), whose numbers mean other calls',
  violation: true,
}
/** The signal by which the kernel's own filters kill: seccomp(2), SECCOMP_RET_KILL_PROCESS. */
const { SIGSYS } = constants.signals

export class Session implements CallContext {
  readonly kernel: Kernel
  readonly worker: ProcessHandle
  readonly denied: Denied
  readonly own: Own
  readonly execAuthority: ExecAuthority
  readonly tmp: BytePath | undefined
  policy: Policy
  ended = false
  readonly #parts: SessionParts
  readonly #start: Start
  readonly #recording: Recorder
  readonly #baseReads: BaseReads
  readonly #conversation: Conversation
  readonly #acquirer: Acquirer
  readonly #waiting: WaitingCalls
  #listener: Listener | undefined
  #granted: GrantedNow
  #leasesAt = 0
  #lastTid = 0
  #dueAt = 0

  constructor(parts: SessionParts, attach: AttachCommand) {
    const { kernel, post, poller, arch, sharing, waitKillable, files } = parts
    const { pid } = attach
    this.#parts = parts
    this.kernel = kernel
    this.own = new Own(shareOf(MOST_LEASES, files))
    this.#waiting = new WaitingCalls(shareOf(BOUNDS.descriptors, files))
    this.worker = new ProcessHandle(pid)
    this.denied = attach.denied
    this.execAuthority = attach.execAuthority
    this.tmp = attach.tmp === undefined ? undefined : bytePath(attach.tmp)
    this.#granted = new GrantedNow(attach.policy)
    this.policy = this.#granted.policy
    this.#start = new Start({
      pid,
      checks: attach.setup.selfCheck !== undefined,
      waitKillable,
      post,
      listens: (listener) => this.#listenTo(listener),
    })
    this.#recording = new Recorder({
      pid,
      ledger: attach.ledger,
      post,
      label: () => this.#conversation.labelNow(),
      hear: () => this.hear(),
    })
    this.#baseReads = new BaseReads((paths) => post({ type: 'base-reads', paths }))
    this.#acquirer = new Acquirer({
      arch,
      kernel,
      own: this.own,
      pid,
      sharing,
      refused: (name, near) => this.#recording.incidents.undeclared(name, near),
      acquired: (resource, request) => this.#recording.acquired(resource, request),
      entered: (rule) => void (this.policy = this.#granted.enter(rule)),
    })
    this.#acquirer.set(attach.policy.resources ?? [])
    this.#conversation = new Conversation(
      {
        worker: this.worker,
        start: this.#start,
        traces: this.#recording.traces,
        post,
        acquire: (frame) => this.#acquirer.answer(frame),
        report: (id, from) => reportedFrame(id, this.policy.mode, grantedItems(this.#granted.data), from),
      },
      (peer) =>
        new Channel(
          new OwnedFd(attach.channel),
          poller,
          SLOT.channel,
          peer,
          attach.setup.seal === undefined ? undefined : (sent) => this.#start.take(sent),
        ),
    )
    this.#conversation.channel.say(textFrame(Opcode.setup, JSON.stringify(attach.setup)))
  }

  /** Milliseconds that a wait may last. */
  get patience(): number {
    if (this.#waiting.areUntold || this.#start.isInstalling || this.#conversation.channel.isImpatient) return RETRY_MS
    if (this.#waiting.areAny) return GONE_MS
    return this.own.leases.areAny ? LEASE_MS : IDLE_LOOK_MS
  }

  setPolicy(update: PolicyUpdate): void {
    this.tellLedger()
    const policy = updated(this.#granted.data, update)
    this.#granted = new GrantedNow(policy)
    this.policy = this.#granted.policy
    this.#acquirer.set(policy.resources ?? [])
    this.#conversation.reset()
    this.#recording.reset()
  }

  /** Leaves a descriptor for the worker to acquire by this name. */
  leave(name: string, fd: OwnedFd): void {
    this.#acquirer.leave(name, fd)
  }

  /** The test that ran last, even if the worker is dead. */
  get lastLabel(): Mark | undefined {
    return this.#conversation.labelNow()
  }

  /**
   * Reads everything that the worker has sent so far, which may be about calls that were answered already, and returns
   * the test that runs.
   */
  hear(): Mark | undefined {
    return this.#conversation.hear()
  }

  /** Reports the ledger. With descriptors, at the end of test files, it includes those that are still open. */
  tellLedger(descriptors: 'with descriptors' | 'only' = 'only'): void {
    if (descriptors === 'only') this.#recording.tellAccesses()
    else this.#recording.tellAccessesAndDescriptors(this.#conversation.busyNow())
  }

  /** Does the work that is due after each wait. */
  turn(): void {
    const { poller } = this.#parts
    const { channel } = this.#conversation
    // First, before a new call changes the order of the waiting calls: they were polled in that order.
    this.#retry()
    if (poller.happened(SLOT.listener) !== 0) this.#notified(poller.happened(SLOT.listener))
    if (poller.happened(SLOT.channel) !== 0 || channel.isImpatient) channel.turn()
    this.#start.seek()
    this.#endLeases()
    const awaited = this.#waiting.awaited()
    if (awaited !== undefined) poller.watchBesides(awaited)
  }

  #endLeases(): void {
    if (!this.own.leases.areAny || Date.now() < this.#leasesAt) return
    this.own.endLeases(this.kernel.sockets)
    this.#leasesAt = Date.now() + LEASE_MS
  }

  close(): void {
    this.#waiting.cancel()
    this.#parts.poller.watchBesides([])
    this.#parts.poller.watch(SLOT.listener, undefined)
    // Closing the listener makes every waiting and later call of leftover processes fail with ENOSYS:
    // seccomp_unotify(2).
    this.#listener?.fd.close()
    this.#listener = undefined
    this.#conversation.close()
    this.#acquirer.close()
    this.own.close()
    this.worker.close()
    this.#baseReads.flush()
    this.tellLedger()
    this.ended = true
  }

  record(call: TrappedCall, outcome: AccessOutcome): void {
    this.#baseReads.note(outcome)
    if (!this.#conversation.isChecking()) this.#recording.add(call, outcome)
  }

  stillWaits(id: NotificationId): boolean {
    return this.#listener?.isValid(id) ?? false
  }

  #listenTo(listener: Listener): void {
    this.#listener = listener
    this.#parts.poller.watch(SLOT.listener, listener.fd)
  }

  #notified(events: number): void {
    if (this.#listener === undefined) return
    if ((events & POLLIN) === 0) return this.close()
    for (const notification of this.#received(this.#listener)) this.#serve(this.#listener, notification)
  }

  /**
   * Receives all calls that wait, if several threads make them: until a call is received, a signal can interrupt it,
   * with EINTR if its handler asks for no restart.
   */
  #received(listener: Listener): readonly Notification[] {
    const received: Notification[] = []
    do {
      const notification = listener.receive()
      // ENOENT: the thread was interrupted or killed before the call was received. Nothing was done, and nobody waits
      // for an answer.
      if (failed(notification)) break
      const isAnother = notification.tid !== this.#lastTid
      this.#lastTid = notification.tid
      received.push(notification)
      if (!isAnother) break
    } while (received.length < AT_ONCE && this.#parts.poller.hasNow(SLOT.listener))
    return received
  }

  #serve(listener: Listener, notification: Notification): void {
    // An earlier call of this round may have ended the worker.
    if (this.#listener === undefined) return
    const { arch, table } = this.#parts
    if (isForeign(arch, notification.arch, notification.number >>> 0))
      return this.#refuseForeign(listener, notification)
    const row = table.get(notification.number)
    if (row === undefined) return this.#refuseUnknown(listener, notification)
    const call = new TrappedCall(this, row, notification)
    this.#settle(call, this.#run(call, row))
  }

  #refuseUnknown(listener: Listener, { id, number }: Notification): void {
    const name = syscallName(this.#parts.arch, number) ?? `syscall ${number}`
    this.#refuse(listener, id, name, UNKNOWN)
  }

  /** Ends the caller, too: a program of another ABI can make no call at all, not even the one by which it ends. */
  #refuseForeign(listener: Listener, { id, number }: Notification): void {
    using target = new LinuxTarget(this.worker, id.tid, () => this.stillWaits(id))
    target.raise(SIGSYS)
    this.#refuse(listener, id, `syscall ${number >>> 0}`, FOREIGN)
  }

  #refuse(listener: Listener, id: NotificationId, name: string, refusal: Refusal): void {
    if (!this.#conversation.isChecking()) this.#recording.incidents.add({ name, operation: 'forbidden' }, refusal)
    listener.returnError(id, Errno.ENOSYS)
  }

  #run(call: TrappedCall, row: Pick<Row, 'run'>): Reply {
    return guarded(row, call, (detail) => this.#parts.post({ type: 'fault', detail: `${call.name}: ${detail}` }))
  }

  #settle(call: TrappedCall, reply: Reply): void {
    if (!failed(reply) && reply.kind === 'later') {
      const refused = this.#waiting.add(call, reply)
      if (refused !== undefined) this.#answer(call, refused)
    } else {
      this.#answer(call, reply)
    }
    call[Symbol.dispose]()
  }

  #answer(call: TrappedCall, reply: Exclude<Reply, { kind: 'later' }>): void {
    if (this.#listener !== undefined) answer(this.#listener, call, reply, this.#recording.holder(call))
  }

  #retry(): void {
    if (!this.#waiting.areAny) return
    const { poller } = this.#parts
    const isDue = Date.now() >= this.#dueAt
    if (!isDue && !poller.happenedToAny()) return
    if (isDue) this.#dueAt = Date.now() + (this.#waiting.areUntold ? RETRY_MS : GONE_MS)
    this.#waiting.retry(
      (index) => poller.happenedBesides(index),
      (call, { again }) => this.#settle(call, this.#run(call, { run: again })),
    )
  }
}
