/** One worker, from its hello to the end of its last process: waits, receives, dispatches, answers. */
import type { Arch } from '../abi/arch.js'
import { Errno } from '../abi/errno.js'
import { syscallName } from '../abi/syscalls.js'
import { compilePolicy, type PathRule, type Policy, type PolicyData, type RuleList } from '../policy/policy.js'
import { CHECKED, ErrorCode, frameText, INSTALLING, Opcode, readBusy, readHello, readMark, readReport, readTrace, reportedFrame, textFrame, type Frame, type Trace } from '../protocol.js'
import { escapeText } from '../errors.js'
import type { Call, ExecAuthority, Finding, Registers, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { Fail, failed } from '../syscalls/outcome.js'
import type { Kernel } from '../syscalls/ports.js'
import type { AccessRequest } from '../policy/request.js'
import type { SyscallName } from '../abi/syscalls.js'
import { POLLIN, type Poller } from '../sys/io.js'
import { Listener, type Notification, type NotificationId } from '../sys/listener.js'
import { OwnedFd } from '../sys/owned-fd.js'
import { adoptListener, findListener } from '../sys/adopt.js'
import type { LinuxTarget } from '../sys/target.js'
import { Acquirer } from './acquirer.js'
import { Channel, type Answer } from './channel.js'
import { grantedItems } from './granted.js'
import { Descriptors } from './descriptors.js'
import { guarded } from './guarded.js'
import { Incidents } from './incidents.js'
import { Ledger } from './ledger.js'
import { Own } from './own.js'
import { Traces } from './traces.js'
import type { Denied, FromBroker, Label, ToBroker } from './messages.js'
import type { Sharing } from './sharing.js'
import type { Turn } from './turn.js'

export const SLOT = { bell: 0, channel: 1, listener: 2 } as const
/** How often a blocked request is looked at again: the latency of a FIFO's open, and no cost where none is blocked. */
export const RETRY_MS = 4

type Later = Extract<Reply, { kind: 'later' }>
type Pair = Extract<Reply, { kind: 'pair' }>

interface Pending {
  readonly id: NotificationId
  readonly tid: number
  readonly name: SyscallName
  readonly registers: Registers
  /** What it was granted. */
  used: AccessRequest | undefined
  reply: Later
}

export interface SessionParts {
  readonly arch: Arch
  readonly table: ReadonlyMap<number, Row>
  readonly kernel: Kernel
  readonly target: LinuxTarget
  readonly poller: Poller
  readonly turn: Turn
  readonly sharing: Sharing
  readonly post: (message: FromBroker) => void
}

type Attach = Omit<Extract<ToBroker, { type: 'attach' }>, 'type'>

/** The listener's own mean the next call by the time that one which waits is looked at again. */
function keptRegisters(registers: Registers): Registers {
  const halves = [0, 1, 2, 3, 4, 5].map((index) => [registers.low(index), registers.high(index)] as const)
  return { low: (index) => halves[index]?.[0] ?? 0, high: (index) => halves[index]?.[1] ?? 0 }
}

const NOBODY: Registers = { low: () => 0, high: () => 0 }

export class Session implements Call {
  readonly kernel: Kernel
  readonly target: LinuxTarget
  readonly denied: Denied
  readonly own = new Own()
  readonly execAuthority: ExecAuthority
  policy: Policy
  name: SyscallName = 'read'
  registers: Registers = NOBODY
  readonly #parts: SessionParts
  readonly #pid: number
  readonly #incidents: Incidents
  readonly #ledger: Ledger | undefined
  readonly #descriptors: Descriptors | undefined
  /** Sockets of the worker that hold its event loop, by its own word. */
  #busy: ReadonlySet<number> | undefined
  /** What the current call was granted. */
  #used: AccessRequest | undefined
  readonly #traces = new Traces()
  readonly #channel: Channel
  readonly #acquirer: Acquirer
  /** What decides, and directories that were acquired since it was set. */
  #policyData: PolicyData
  #entered: RuleList[] = []
  #listener: Listener | undefined
  #label: Label | undefined
  #pending: Pending[] = []
  #current: NotificationId = { low: 0, high: 0 }
  /** Until the worker has seen that nothing leads out: what it tries for that is no incident. */
  #isChecking: boolean
  #up: Extract<FromBroker, { type: 'hello' }> | undefined
  /** Between the worker's word that it installs its filter and its hello. */
  #isInstalling = false
  #hasGreeted = false
  #sameCpu = false
  ended = false

  constructor(parts: SessionParts, attach: Attach) {
    this.#parts = parts
    this.kernel = parts.kernel
    this.target = parts.target
    this.denied = attach.denied
    this.execAuthority = attach.execAuthority
    this.#policyData = attach.policy
    this.policy = compilePolicy(attach.policy)
    this.#pid = attach.pid
    this.#isChecking = attach.setup.selfCheck !== undefined
    this.#incidents = new Incidents((incident) => parts.post({ type: 'incident', incident }), () => this.#labelNow())
    this.#ledger = attach.ledger ? new Ledger(() => this.#labelNow()) : undefined
    this.#descriptors = attach.ledger ? new Descriptors(attach.pid) : undefined
    this.#acquirer = new Acquirer({
      arch: parts.arch, kernel: parts.kernel, own: this.own, pid: attach.pid, sharing: parts.sharing,
      refused: (name, near) => this.#incidents.resource(name, near),
      entered: (rule) => this.#enter(rule),
    })
    this.#acquirer.set(attach.policy.resources ?? [])
    this.#channel = new Channel(new OwnedFd(attach.channel), parts.poller, SLOT.channel, {
      heard: (frame, answer) => this.#heard(frame, answer),
      fault: (detail) => parts.post({ type: 'fault', detail }),
    })
    this.#channel.say(textFrame(Opcode.setup, JSON.stringify(attach.setup)))
  }

  /** Milliseconds that a wait may last. */
  get patience(): number {
    return this.#pending.length > 0 || this.#isInstalling || this.#channel.isImpatient ? RETRY_MS : 1000
  }

  setPolicy(policy: PolicyData): void {
    this.tellLedger()
    this.#descriptors?.reset()
    this.#busy = undefined
    this.#policyData = policy
    this.#entered = []
    this.policy = compilePolicy(policy)
    this.#acquirer.set(policy.resources ?? [])
    this.#incidents.reset()
  }

  /** What the worker has said so far, which may be about calls that were answered already. */
  hear(): Label | undefined {
    return this.#labelNow()
  }

  /** `descriptors`: at the end of test files, what they left open is told, too. */
  tellLedger(descriptors: 'with descriptors' | 'only' = 'only'): void {
    const batch = this.#ledger?.take()
    if (descriptors === 'only') {
      if (batch !== undefined) this.#parts.post({ type: 'ledger', batch })
      return
    }
    this.#channel.drain()
    const held = this.#descriptors?.take(this.#busy)
    if (held !== undefined) this.#parts.post({ type: 'ledger', batch: { accesses: [], overflow: false, ...batch, held } })
  }

  /** A directory that was acquired is used by the names in it, which are decided like any other path. */
  #enter(rule: PathRule): void {
    if (this.#entered.some(([known]) => known === rule)) return
    this.#entered.push([rule])
    this.policy = compilePolicy({ ...this.#policyData, lists: [...this.#policyData.lists, ...this.#entered] })
  }

  /** After each wait. */
  turn(): void {
    const { poller } = this.#parts
    if (poller.happened(SLOT.listener) !== 0) this.#notified(poller.happened(SLOT.listener))
    if (poller.happened(SLOT.channel) !== 0 || this.#channel.isImpatient) this.#channel.turn()
    if (this.#pending.length > 0) this.#retry()
    if (this.#isInstalling && this.#listener === undefined) this.#seek()
  }

  /** The worker may wait in a call already, and so never come to its hello. */
  #seek(): void {
    const found = findListener(this.#pid)
    if (!failed(found)) this.#listenTo(found)
  }

  close(): void {
    for (const { reply } of this.#pending) reply.cancel()
    this.#pending = []
    this.#parts.poller.watch(SLOT.listener, undefined)
    // Closing the listener makes every waiting and later call of leftover processes fail with ENOSYS: seccomp_unotify(2).
    this.#listener?.fd.close()
    this.#listener = undefined
    this.#channel.close()
    this.#acquirer.close()
    this.target.reset()
    this.tellLedger()
    this.ended = true
  }

  // --- Call

  record(finding: Finding): void {
    if (this.#checks()) return
    if (this.#descriptors !== undefined) this.#note(this.#descriptors, finding)
    const told = this.#incidents.add(this.name, finding)
    if (finding.kind === 'violation' || finding.kind === 'forbidden') this.#traces.refused(this.name, this.target.tid === this.#pid, finding, told)
    this.#ledger?.add(this.name, finding)
  }

  /** What the worker has said of it by now lies in the channel already. */
  #checks(): boolean {
    if (this.#isChecking) this.#channel.drain()
    return this.#isChecking
  }

  #note(descriptors: Descriptors, finding: Finding): void {
    if (finding.kind !== 'used' && finding.kind !== 'violation') return
    const { request } = finding
    this.#used = request
    // connect(2), bind(2), sendto(2): the socket is the first argument.
    if (request.kind === 'socket') descriptors.addressed(this.registers.low(0), request)
  }

  /** Notes the descriptors that a call makes. Made before they are handed over: after that the worker goes on to other tests. */
  #holder(): (number: number) => void {
    const descriptors = this.#descriptors
    if (descriptors === undefined || this.target.pid() !== this.#pid) return () => {}
    const label = this.#labelNow()
    const request = this.name.startsWith('accept') ? descriptors.requestOf(this.registers.low(0)) : this.#used
    return (number) => descriptors.add(number, this.name, request, label)
  }

  #labelNow(): Label | undefined {
    // What the worker said before it made the call lies in the channel already.
    this.#channel.drain()
    return this.#label
  }

  // --- notifications

  #notified(events: number): void {
    if (this.#listener === undefined) return
    if ((events & POLLIN) === 0) return this.close()
    const notification = this.#listener.receive()
    // ENOENT: the thread was interrupted or killed before it was received. Nothing was done, nobody is to be answered.
    if (failed(notification)) return
    this.#current = notification.id
    this.#used = undefined
    this.target.aim(notification.tid, this.#pid, this.#waits)
    this.registers = notification
    this.#answer(notification.id, notification.tid, this.#dispatch(notification))
  }

  readonly #waits = (): boolean => this.#listener?.isValid(this.#current) ?? false

  #dispatch(notification: Notification): Reply {
    const row = this.#parts.table.get(notification.number)
    if (row === undefined) {
      if (!this.#checks()) this.#incidents.unknown(syscallName(this.#parts.arch, notification.number) ?? `syscall ${notification.number}`)
      return Fail.of(Errno.ENOSYS)
    }
    this.name = row.name
    return guarded(row.alone ? { run: () => this.#alone(row) } : row, this, this.#tellDefect)
  }

  /** While it has the turn, no other worker's broker puts something else where this one looks. */
  #alone(row: Row): Reply {
    const { turn } = this.#parts
    if (!turn.take()) return { kind: 'later', again: () => this.#alone(row), cancel: () => {} }
    try {
      return row.run(this)
    } finally {
      turn.giveBack()
    }
  }

  /** Back to a call that waits: whatever it does and records is its own, though others came in between. */
  #aimAt({ id, tid, name, registers, used }: Pending): void {
    this.#current = id
    this.name = name
    this.registers = registers
    this.#used = used
    this.target.aim(tid, this.#pid, this.#waits)
  }

  readonly #tellDefect = (detail: string): void => this.#parts.post({ type: 'fault', detail: `${this.name}: ${detail}` })

  #answer(id: NotificationId, tid: number, reply: Reply): void {
    const listener = this.#listener
    if (listener === undefined) return
    if (failed(reply)) return void listener.returnError(id, reply.errno)
    switch (reply.kind) {
      case 'value': return void listener.returnValue(id, reply.value)
      case 'continue':
        listener.letContinue(id)
        // A new program is a new address space under the same number.
        if (reply.reason === 'landlock-decides' || reply.reason === 'unsafe-by-option') this.target.reset()
        return
      case 'gone': return
      case 'later':
        this.#pending.push({ id, tid, name: this.name, registers: keptRegisters(this.registers), used: this.#used, reply })
        return
      case 'descriptor': {
        const hold = this.#holder()
        const added = listener.addAndReturn(id, reply.fd, reply.cloexec)
        reply.fd.close()
        // EMFILE and the like: the target's errno. A stale id needs no answer, and gets ENOENT here as well.
        if (failed(added)) listener.returnError(id, added.errno)
        else hold(added)
        return
      }
      case 'pair': return void this.#answerPair(listener, id, reply)
      default: return reply satisfies never
    }
  }

  #answerPair(listener: Listener, id: NotificationId, { fds, cloexec, pointer }: Pair): boolean {
    const result = this.#injectPair(listener, id, fds, cloexec, pointer)
    fds[0].close()
    fds[1].close()
    return failed(result) ? listener.returnError(id, result.errno) : listener.returnValue(id, 0)
  }

  #injectPair(listener: Listener, id: NotificationId, fds: Pair['fds'], cloexec: boolean, pointer: number): Fail | true {
    const numbers = Buffer.alloc(8)
    // pipe(2) leaves nothing behind on EFAULT: the memory is tried before a descriptor is put into the target.
    const writable = this.target.writeBytes(pointer, numbers)
    if (failed(writable)) return writable
    const hold = this.#holder()
    const first = listener.add(id, fds[0], cloexec)
    if (failed(first)) return first
    const second = listener.add(id, fds[1], cloexec)
    if (failed(second)) return second
    numbers.writeInt32LE(first, 0)
    numbers.writeInt32LE(second, 4)
    const written = this.target.writeBytes(pointer, numbers)
    if (failed(written)) return written
    hold(first)
    hold(second)
    return true
  }

  #retry(): void {
    const waiting = this.#pending
    this.#pending = []
    for (const entry of waiting) {
      if (this.#listener?.isValid(entry.id) !== true) {
        entry.reply.cancel()
        continue
      }
      this.#aimAt(entry)
      const reply = guarded({ run: entry.reply.again }, this, this.#tellDefect)
      if (!failed(reply) && reply.kind === 'later') {
        entry.reply = reply
        entry.used = this.#used
        this.#pending.push(entry)
      } else {
        this.#answer(entry.id, entry.tid, reply)
      }
    }
  }

  // --- channel

  #heard(frame: Frame, answer: (answer: Answer) => void): void {
    const isUp = this.#hasGreeted
    switch (frame.opcode) {
      case Opcode.stage:
        if (!isUp) this.#stage(frameText(frame).slice(0, 64))
        else if (this.#isChecking) this.#checked(frameText(frame))
        return
      case Opcode.hello: return isUp ? this.#channel.fault('a second hello') : this.#hello(frame)
      case Opcode.mark:
        this.#label = readMark(frame)
        return
      case Opcode.trace: return this.#trace(readTrace(frame))
      case Opcode.busy:
        this.#busy = readBusy(frame)
        return
      case Opcode.acquire: return isUp ? answer(this.#acquire(() => this.#acquirer.answer(frame))) : this.#channel.fault('a request before its hello')
      case Opcode.report: return isUp ? answer(this.#report(frame)) : this.#channel.fault('a request before its hello')
      default: return this.#channel.fault('a frame that only the parent sends')
    }
  }

  /** As for a call: a defect of ours is a refusal, and is told. */
  #acquire(ask: () => Answer): Answer {
    let answer: Answer = { kind: 'refused', refused: { code: ErrorCode.unavailable, errno: Errno.EACCES, text: 'the broker failed' } }
    try {
      answer = ask()
    } catch (error) {
      this.#parts.post({ type: 'fault', detail: `acquire: ${error instanceof Error ? error.stack ?? error.message : String(error)}` })
    }
    if (answer.kind !== 'later') return answer
    const { again, cancel } = answer
    return { kind: 'later', cancel, again: () => this.#acquire(again) }
  }

  #report(frame: Frame): Answer {
    const from = readReport(frame)
    if (from === undefined) return { kind: 'refused', refused: { code: ErrorCode.malformed, errno: 0, text: 'a report begins at a number of 32 bits' } }
    return { kind: 'ready', packet: reportedFrame(frame.id, this.policy.mode, grantedItems(this.#policyData), from) }
  }

  #trace({ kind, id, test, stack }: Trace): void {
    const of = this.#traces.take(kind)
    if (of === undefined) return
    const label = id === '' || of.label === undefined ? of.label : { ...of.label, id, test, concurrent: false }
    this.#parts.post({ type: 'incident', incident: { kind: 'traced', of, stack, label } })
  }

  #hello(frame: Frame): void {
    const hello = readHello(frame)
    if (hello === undefined) return this.#channel.fault('a hello that cannot be read')
    if (this.#listener === undefined) {
      const adopted = adoptListener(this.#pid, hello.listener)
      if (failed(adopted)) return this.#channel.fault(`no seccomp listener at the number the worker named: ${adopted.toString()}`)
      this.#listenTo(adopted)
    }
    this.#isInstalling = false
    this.#hasGreeted = true
    this.#up = { type: 'hello', landlock: hello.landlock, waitKillable: hello.waitKillable, sameCpu: this.#sameCpu }
    this.#channel.say(textFrame(Opcode.welcome, ''))
    if (!this.#isChecking) this.#parts.post(this.#up)
  }

  #listenTo(adopted: OwnedFd): void {
    this.#listener = new Listener(adopted)
    this.#sameCpu = this.#listener.wakeOnSameCpu()
    this.#parts.poller.watch(SLOT.listener, adopted)
  }

  #stage(stage: string): void {
    this.#isInstalling = stage === INSTALLING
    this.#parts.post({ type: 'stage', stage })
  }

  /** Nothing of the user's has run in the worker yet, so it may be believed. */
  #checked(result: string): void {
    if (result !== CHECKED) return this.#channel.fault(escapeText(result.slice(0, 500)))
    this.#isChecking = false
    if (this.#up !== undefined) this.#parts.post(this.#up)
  }
}
