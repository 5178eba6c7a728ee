/**
 * A confined process that runs tests, in any version of Vitest: its start, everything that passes between it and
 * Vitest, and its end. The adapter of each version knows what its messages mean to Vitest.
 */
import { tmpdir } from 'node:os'
import { theBroker } from '../broker/client.js'
import type { ConfinedWorker, Exit } from '../broker/worker.js'
import { ProtocolError } from '../errors.js'
import { frame, FrameReader } from '../framing.js'
import { OUTPUT_MS } from '../limits.js'
import type { AccessEvent } from '../policy/event.js'
import type { Resource } from '../policy/policy.js'
import type { Mark } from '../protocol.js'
import { endWithBroker } from './broker-gone.js'
import { isThrough } from './failed-files.js'
import { factsOf } from './file-facts.js'
import type { Gate } from './gate/gate.js'
import { isResponse, type ResponseType } from './gate/message.js'
import { openGate } from './gate/open.js'
import { frames } from './own-errors.js'
import { sparesOf } from './prepared.js'
import type { ProjectPolicy } from './project-policy.js'
import { leaveRecording } from './recording.js'
import { Relay } from './relay.js'
import { WorkerLedger, wantsLedger } from './run-ledger.js'
import type { Lease } from './spares.js'
import { hintOf, violationOf, type Violation, type ViolationContext } from './violations.js'
import type { WorkerLaunch, WorkerProcess } from './worker-process.js'

/** The largest message from the worker, in bytes. The coverage of a large project takes some tens of MiB. */
const MAX_MESSAGE = 512 * 1024 * 1024
/** The most messages that wait to be checked. Beyond this, the worker has to wait. */
const MOST_WAITING = 256

/** The end of a worker that was not told to stop. */
export interface Death {
  readonly exit: Exit
  /** The test that was running, if it is known. */
  readonly label?: Mark
  /** The files that the worker was to run and whose end it has not reported. */
  readonly open: readonly string[]
}

/** The events that an adapter gets from its worker. */
export interface TestWorkerEvents {
  /** A message from the worker: checked, and with its results corrected. */
  message(message: unknown): void
  /** The worker ended by itself, and nothing of it is left. */
  died(death: Death): void
  /** The worker ended with the broker process. The whole run reports that. */
  lost(): void
  /** The worker broke the protocol, or its broker failed. The worker is being ended; the run goes on. */
  breached(detail: string): void
  /** Something in this package failed. */
  failed(error: unknown): void
}

export type { WorkerLaunch }

export class TestWorker {
  readonly #relay: Relay
  #lease: Lease<WorkerProcess> | undefined
  #gate: Gate | undefined
  #ledger: WorkerLedger | undefined
  #inbox: Promise<void> = Promise.resolve()
  #waiting = 0
  #outbox: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #breached = false
  #files: readonly string[] = []
  /** The resources that the running files may acquire. */
  #resources: readonly Resource[] = []

  constructor(
    readonly policy: ProjectPolicy,
    readonly events: TestWorkerEvents,
  ) {
    this.#relay = new Relay(policy.project, policy.options.onViolation, (stack) => this.#gate?.cleanStack(stack) ?? '')
  }

  async start(launch: WorkerLaunch): Promise<void> {
    endWithBroker(this.policy.project.vitest)
    leaveRecording(this.policy)
    const lease = await sparesOf(this.policy).take(launch)
    this.#lease = lease
    const {
      process,
      process: { worker, data, tmp },
    } = lease
    const ledger = wantsLedger(this.policy.options) ? new WorkerLedger(this.policy.project, tmp) : undefined
    this.#ledger = ledger
    this.#gate = openGate({
      policy: this.policy,
      data,
      reply: (message) => this.#post(message),
      describe: (incident) => this.#violationOf(incident),
      record: (incident) => this.#incident(incident),
      running: async () => this.#worker?.running(),
      keepsLedger: ledger !== undefined,
    })
    const { name } = this.policy.project
    process.subscribe({
      incident: (incident) => this.#incident(incident),
      ledger: (batch) => ledger?.add(batch),
      fault: (detail) => this.#breach(`${name === '' ? '' : `[${name}] `}${detail}`),
    })
    this.#listen(worker)
  }

  #incident(event: AccessEvent): void {
    if (this.policy.options.mode === 'audit') return
    const violation = this.#violationOf(event)
    const file = event.label?.file
    if (event.site !== undefined) {
      if (violation !== undefined)
        this.#relay.traced(violation, { ...event.site, stack: frames(event.site.stack) }, file)
      return
    }
    if (violation !== undefined) this.#relay.violation(violation, file)
    const hint = hintOf(event, this.#violationContext)
    if (hint !== undefined) this.#relay.hint(hint, file)
  }

  get #worker(): ConfinedWorker | undefined {
    return this.#lease?.process.worker
  }

  get #tmp(): string {
    return this.#lease?.process.tmp ?? tmpdir()
  }

  get #violationContext(): ViolationContext {
    const {
      options: { mode, files },
    } = this.policy
    return {
      suggest: this.policy.suggestContext(this.#tmp),
      mode,
      resources: this.#resources,
      otherFilesWith: (resource) =>
        files
          .filter(({ manifest }) => manifest.resources.some(({ name }) => name === resource))
          .map(({ glob }) => glob),
    }
  }

  #violationOf(event: AccessEvent): Violation | undefined {
    return violationOf(event, this.#violationContext)
  }

  /** The violations of a worker that never reached its first file. */
  early(): readonly Violation[] {
    return this.#relay.early()
  }

  /** True if Vitest waits for this answer of the worker. */
  owes(response: ResponseType): boolean {
    return this.#gate?.owes(response) === true
  }

  #listen(worker: ConfinedWorker): void {
    const { outputStream, errorStream } = this.policy.project.vitest.logger
    show(worker.stdout, outputStream)
    show(worker.stderr, errorStream)
    const reader = new FrameReader(MAX_MESSAGE)
    worker.transport.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#take(worker, message)
      } catch (error) {
        this.#breach(error instanceof Error ? error.message : String(error))
      }
    })
    void worker.exited.then((exit) => this.#died(worker, exit)).catch((error: unknown) => this.events.failed(error))
  }

  /** Cleans up after a worker that ended by itself. Vitest 4 does not stop a worker that is already dead. */
  async #died(worker: ConfinedWorker, exit: Exit): Promise<void> {
    if (this.#stopping !== undefined) return
    // The worker's last messages may still be on their way.
    await drained(worker.transport)
    await this.#inbox
    const label = await worker.running()
    // Asked first, because reporting the violations fails these files.
    const open = this.#files.filter((file) => !isThrough(this.policy.project, file))
    await this.stop()
    if (theBroker().isGone) this.events.lost()
    else this.events.died({ exit, open, ...(label === undefined ? {} : { label }) })
  }

  /** Handles a message, in order and after the violations that came before it, because they decide its verdict. */
  #take(worker: ConfinedWorker, message: unknown): void {
    if (++this.#waiting > MOST_WAITING) worker.transport.pause()
    // Asked at once, so that messages that arrive together share one answer.
    const settled = isWithoutVerdict(message) ? undefined : worker.settled()
    this.#inbox = this.#inbox
      .then(async () => {
        await settled
        if (this.#stopping !== undefined && this.#breached) return
        const gate = this.#gate
        const checked = await gate?.incoming(message)
        if (gate === undefined || checked === undefined) return
        const isThrough = isResponse(checked, 'testfileFinished')
        if (isThrough) await this.#tellLedger(worker)
        const passed = await this.#relay.pass(checked)
        if (isThrough) await this.#tellFacts()
        gate.handOver(() => this.events.message(passed))
      })
      .catch((error: unknown) => {
        if (error instanceof ProtocolError) this.#breach(error.message)
        else this.events.failed(error)
      })
      .finally(() => {
        if (--this.#waiting <= MOST_WAITING) worker.transport.resume()
      })
  }

  /** Waits for the file's accesses, so that they are known before Vitest counts the file as done. */
  async #tellLedger(worker: ConfinedWorker): Promise<void> {
    await worker.tellLedger()
    this.#ledger?.add(this.#gate?.takeLedger())
  }

  async #tellFacts(): Promise<void> {
    const { report, leaks } = this.policy.options
    for (const entry of this.#ledger?.ended() ?? []) {
      const facts = factsOf(entry, this.policy)
      if (leaks !== 'off' && facts.leaks.length > 0) await this.#relay.leaked(entry.file, facts.leaks, leaks)
      if (report !== undefined) this.#relay.tell(entry.file, facts)
    }
  }

  #breach(detail: string): void {
    if (this.#stopping !== undefined) return
    this.#breached = true
    const stopped = this.stop()
    this.events.breached(detail)
    stopped.catch((error: unknown) => this.events.failed(error))
  }

  /** Sends a message to the worker, in order. `files`: the test files that the worker runs from this message on. */
  send(message: object, files?: readonly string[]): void {
    this.#outbox = this.#outbox
      .then(async () => {
        if (files !== undefined) await this.#begin(files)
        this.#post(this.#gate === undefined ? message : await this.#gate.outgoing(message))
      })
      .catch((error: unknown) => this.#unsent(message, error))
  }

  /**
   * Sends the message that sets up the environment. The worker is told its files only later: `files` are those that may
   * follow.
   */
  prepare(message: object, files: readonly string[]): void {
    if (files.length > 0)
      this.#outbox = this.#outbox
        .then(() =>
          this.#worker?.setPolicy(this.policy.for(this.#tmp, files, this.#lease?.process.preloads ?? []), files),
        )
        .catch((error: unknown) => this.events.failed(error))
    this.send(message)
  }

  /**
   * Handles a message that could not be sent. An answer may contain what cannot be serialized; then the caller gets an
   * error.
   */
  #unsent(message: object, error: unknown): void {
    const isAnswer = 't' in message && message.t === 's' && 'i' in message
    if (!isAnswer || error instanceof ProtocolError) return this.events.failed(error)
    this.#post({ t: 's', i: message.i, e: new Error(error instanceof Error ? error.message : String(error)) })
  }

  async #begin(files: readonly string[]): Promise<void> {
    const policy = this.policy.for(this.#tmp, files, this.#lease?.process.preloads ?? [])
    this.#files = files
    this.#lease?.begin(files)
    this.#relay.begin(files)
    this.#gate?.begin(files, policy)
    await this.#worker?.setPolicy(policy, files)
    // Events before this point belong to the files before.
    this.#resources = policy.resources ?? []
    if (this.#worker !== undefined) this.#ledger?.begin(files, this.#worker.pid)
  }

  #post(message: unknown): void {
    const transport = this.#worker?.transport
    if (transport !== undefined && !transport.destroyed && transport.writable) transport.write(frame(message))
  }

  /**
   * Stops the worker, in any state. Resolves when nothing of the worker is left and its violations have been reported.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const lease = this.#lease
    if (lease === undefined) return
    const {
      process: { worker },
    } = lease
    lease.rest()
    await worker.stop()
    await Promise.all([drained(worker.stdout), drained(worker.stderr)])
    await this.#inbox
    this.#ledger?.add(this.#gate?.takeLedger())
    await this.#relay.ended()
    // Accesses after the end of the tests belong to the files as well.
    if (this.policy.options.report !== undefined)
      for (const entry of this.#ledger?.entries ?? []) this.#relay.tell(entry.file, factsOf(entry, this.policy))
    this.#gate?.close()
    await lease.end()
  }
}

/**
 * Methods, of any Vitest, that mean the same whatever the worker has violated until then. Those that relay.ts changes
 * are not among them. Asking the broker takes longer than most of these calls.
 */
const WITHOUT_VERDICT: ReadonlySet<unknown> = new Set([
  'fetch',
  'resolve',
  'resolveId',
  'transform',
  'fetchWarmModules',
  'onQueued',
  'onCollected',
  'onUserConsoleLog',
  'resolveSnapshotPath',
  'snapshotSaved',
])

function isWithoutVerdict(message: unknown): boolean {
  return (
    message instanceof Object && 't' in message && message.t === 'q' && 'm' in message && WITHOUT_VERDICT.has(message.m)
  )
}

/** Pipes the worker's output, as the stock pool does: each worker adds a listener while it lives. */
function show(from: ConfinedWorker['stdout'], to: NodeJS.WritableStream): void {
  to.setMaxListeners(to.getMaxListeners() + 1)
  from.once('close', () => to.setMaxListeners(to.getMaxListeners() - 1))
  from.pipe(to, { end: false })
}

/** Waits for the output of a dead worker that has not arrived yet. */
async function drained(socket: ConfinedWorker['stdout']): Promise<void> {
  if (socket.readableEnded || socket.destroyed) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, OUTPUT_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
