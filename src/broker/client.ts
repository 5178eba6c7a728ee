/** The broker process, as the runner (Vitest's process) sees it. No system call is made by hand here. */
import type { Socket } from 'node:net'
import { BrokerGoneError, WorkerStartError } from '../errors.js'
import type { PolicyData } from '../policy/policy.js'
import type { Mark } from '../protocol.js'
import type { Ability, ControlRequest, Notice, Role, Subject } from './control.js'
import { linkToBroker, type BrokerLink, type LinkEvents } from './link.js'
import { closeOutputs, collecting, ignoreResets, StartFailure } from './outputs.js'
import { updateOf } from './policy-update.js'
import { COOKIE, killStrays } from './strays.js'
import { launchOf } from './worker.js'
import type { ConfinedWorker, Exit, StartOptions, WorkerSockets, WorkerSource } from './worker.js'

let client: BrokerClient | undefined

/** The client of this process. Its first use starts the broker process. */
export function theBroker(): BrokerClient {
  client ??= new BrokerClient()
  return client
}

export class BrokerClient implements WorkerSource {
  readonly #link: BrokerLink
  readonly #workers = new Map<number, RemoteWorker>()
  readonly #ability: Promise<Ability>
  #ready: (ability: Ability) => void = () => {}
  #lost: (error: Error) => void = () => {}
  #next = 0
  #failure: BrokerGoneError | undefined
  readonly #onGone = new Set<(error: BrokerGoneError) => void>()

  /** `connect` starts the broker process, or finds the one that there is. */
  constructor(connect: (events: LinkEvents) => BrokerLink = linkToBroker) {
    this.#link = connect({
      hear: (notice) => this.#hear(notice),
      receive: (id, role, socket) => this.#receive(id, role, socket),
      gone: (how, output) => this.#gone(how, output),
    })
    this.#ability = new Promise((resolve, reject) => {
      this.#ready = resolve
      this.#lost = reject
    })
    // Callers of `ability` get the error; without a caller it must not be an unhandled rejection.
    this.#ability.catch(() => {})
    this.#hold()
  }

  /** The abilities of this machine. Throws a BrokerGoneError if the broker cannot start. */
  async ability(): Promise<Ability> {
    this.#hold('waiting')
    try {
      return await this.#ability
    } finally {
      this.#hold()
    }
  }

  /** True until the first worker is started. */
  get isUnused(): boolean {
    return this.#next === 0
  }

  /** True if no worker can be started any more. */
  get isGone(): boolean {
    return this.#failure !== undefined
  }

  /** The tag of the broker process, if this process started it. */
  get tag(): number | undefined {
    return this.#link.tag
  }

  /** Calls `tell` once if the broker process ends before this one; at once if it has ended already. */
  onGone(tell: (error: BrokerGoneError) => void): void {
    if (this.#failure === undefined) this.#onGone.add(tell)
    else tell(this.#failure)
  }

  /** Lets the broker keep this process alive only while a worker lives or a caller waits. */
  #hold(why?: 'waiting'): void {
    this.#link.hold(why === 'waiting' || this.#workers.size > 0)
  }

  say(request: ControlRequest): void {
    this.#link.say(request)
  }

  #hear(notice: HeardNotice): void {
    if (notice.type === 'ready') return this.#ready(notice)
    this.#workers.get(notice.id)?.hear(notice)
  }

  #receive(id: number, role: Role, socket: Socket): void {
    this.say({ type: 'received', id, role })
    const worker = this.#workers.get(id)
    if (worker === undefined) socket.destroy()
    else worker.take(role, socket)
  }

  #gone(how: string, output: string): void {
    if (this.#failure !== undefined) return
    const failure = new BrokerGoneError(how, output)
    this.#failure = failure
    this.#lost(failure)
    for (const tell of this.#onGone) tell(failure)
    for (const worker of this.#workers.values()) worker.lost(failure)
    this.#workers.clear()
    this.#hold()
  }

  async start(options: StartOptions): Promise<ConfinedWorker> {
    if (this.#failure !== undefined) throw this.#failure
    const id = ++this.#next
    const worker = new RemoteWorker(this, id, options)
    this.#workers.set(id, worker)
    this.#hold()
    try {
      await worker.start(options)
    } catch (error) {
      this.#forget(id)
      throw error
    }
    return worker.confined(() => this.#forget(id))
  }

  /** Notes that what is installed may have changed: before a run, and after it. */
  lookAgain(): void {
    this.say({ type: 'look-again' })
  }

  /** Makes the starts that still wait in this lane fail. */
  cancel(lane: string): void {
    this.say({ type: 'cancel', id: ++this.#next, lane })
  }

  #forget(id: number): void {
    this.#workers.delete(id)
    this.#hold()
  }
}

type HeardNotice = Parameters<LinkEvents['hear']>[0]

class RemoteWorker {
  readonly #sockets: Partial<Record<Role, Socket>> = {}
  readonly #answers = new Map<number, (notice: Notice & { type: 'done' }) => void>()
  readonly #cookie: string | undefined
  /** The policy that the broker was told last. */
  #policy: PolicyData | undefined
  #sequence = 0
  #pid = 0
  #landlock = 0
  #exit: Exit | undefined
  #hasExited: (exit: Exit) => void = () => {}
  readonly exited = new Promise<Exit>((resolve) => (this.#hasExited = resolve))
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}
  #isLost = false
  #stopping: Promise<Exit> | undefined
  #settling: Promise<void> | undefined
  readonly #awaited = new Map<Role, { taken: (socket: Socket) => void; failed: (error: Error) => void }>()

  constructor(
    readonly client: BrokerClient,
    readonly id: number,
    readonly options: StartOptions,
  ) {
    this.#cookie = options.env[COOKIE]
  }

  async start(options: StartOptions): Promise<void> {
    const { id } = this
    const launch = { cwd: process.cwd(), ...launchOf(options, options.onLedger !== undefined) }
    try {
      // The cast: the broker checks the strings when it parses the request.
      await this.#step(() =>
        this.client.say({ type: 'launch', id, launch, subject: this.#subject() } as ControlRequest),
      )
      // Read these only now: making them may take time, and the process boots meanwhile.
      const { policy, setup } = options
      this.#policy = policy
      const up = this.#step(() => this.client.say({ type: 'attach', id, policy, setup, subject: this.#subject() }))
      // It may fail before its output is here, and nobody awaits it until then.
      up.catch(() => undefined)
      const stderr = await this.#socket('stderr')
      await collecting(stderr, up)
      await Promise.all([this.#socket('stdout'), this.#socket('transport')])
    } catch (error) {
      this.client.say({ type: 'stop', id, sequence: ++this.#sequence })
      for (const socket of Object.values(this.#sockets)) socket.destroy()
      if (error instanceof StartFailure) throw new WorkerStartError(error.stage, error.detail)
      throw error
    }
  }

  #subject(files: readonly string[] = []): Subject {
    return { root: this.options.root ?? process.cwd(), files: [...files] }
  }

  #step(say: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      say()
    })
  }

  #socket(role: Role): Promise<Socket> {
    const there = this.#sockets[role]
    if (there !== undefined) return Promise.resolve(there)
    return new Promise((taken, failed) => this.#awaited.set(role, { taken, failed }))
  }

  take(role: Role, socket: Socket): void {
    if (this.#sockets[role] !== undefined || this.#stopping !== undefined) return void socket.destroy()
    this.#sockets[role] = socket
    socket.on('error', () => socket.destroy())
    this.#awaited.get(role)?.taken(socket)
  }

  hear(notice: Exclude<HeardNotice, { type: 'ready' }>): void {
    switch (notice.type) {
      case 'launched':
        this.#pid = notice.pid
        return this.#resolve()
      case 'up':
        this.#landlock = notice.landlock
        return this.#resolve()
      case 'failed':
        return this.#reject(new StartFailure(notice.stage, notice.detail))
      case 'incident':
        return this.options.onIncident(notice.incident)
      case 'ledger':
        return this.options.onLedger?.(notice.batch)
      case 'fault':
        return this.options.onFault(notice.detail)
      case 'exited':
        return this.#over(notice.exit)
      case 'done':
        this.#answers.get(notice.sequence)?.(notice)
        this.#answers.delete(notice.sequence)
        return
      default:
        notice satisfies never
    }
  }

  #over(exit: Exit): void {
    this.#exit ??= exit
    this.#hasExited(this.#exit)
  }

  /**
   * Called when the broker process is gone. The kernel has killed the worker with it (PR_SET_PDEATHSIG), but not what
   * the worker started.
   */
  lost(failure: BrokerGoneError): void {
    this.#isLost = true
    killStrays(this.#cookie)
    this.#reject(failure)
    for (const { failed } of this.#awaited.values()) failed(failure)
    this.#over({ code: null, signal: 'SIGKILL' })
    for (const [sequence, answer] of this.#answers) answer({ type: 'done', id: this.id, sequence })
    this.#answers.clear()
  }

  #ask(request: (sequence: number) => ControlRequest): Promise<Notice & { type: 'done' }> {
    const sequence = ++this.#sequence
    if (this.#isLost) return Promise.resolve({ type: 'done', id: this.id, sequence })
    return new Promise((resolve) => {
      this.#answers.set(sequence, resolve)
      this.client.say(request(sequence))
    })
  }

  /**
   * Shares one question among the calls of one moment: whatever was posted before the question is heard before its
   * answer.
   */
  #settled(): Promise<void> {
    this.#settling ??= Promise.resolve().then(async () => {
      this.#settling = undefined
      await this.#ask((sequence) => ({ type: 'settle', id: this.id, sequence }))
    })
    return this.#settling
  }

  confined(forget: () => void): ConfinedWorker {
    const { id } = this
    // All three sockets have arrived once the worker is up.
    const sockets = this.#sockets as WorkerSockets
    ignoreResets(sockets)
    return {
      ...sockets,
      pid: this.#pid,
      landlock: this.#landlock,
      exited: this.exited,
      setPolicy: async (policy: PolicyData, files) => {
        const subject = this.#subject(files)
        const update = updateOf(policy, this.#policy)
        this.#policy = policy
        await this.#ask((sequence) => ({ type: 'policy', id, sequence, policy: update, subject }))
      },
      settled: () => this.#settled(),
      running: async (): Promise<Mark | undefined> =>
        (await this.#ask((sequence) => ({ type: 'running', id, sequence }))).label,
      tellLedger: async () => void (await this.#ask((sequence) => ({ type: 'tell-ledger', id, sequence }))),
      stop: () => {
        this.#stopping ??= this.#stop(sockets).finally(forget)
        return this.#stopping
      },
    }
  }

  async #stop(sockets: WorkerSockets): Promise<Exit> {
    const { exit } = await this.#ask((sequence) => ({ type: 'stop', id: this.id, sequence }))
    await closeOutputs(sockets)
    return exit ?? this.#exit ?? { code: null, signal: 'SIGKILL' }
  }
}
