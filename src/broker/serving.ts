/**
 * One client of the broker process: it asks for workers over a control socket, and hears of them there. Its requests
 * are parsed, and admitted as they are or with less: a client that is confined itself gets what the manifest file
 * grants (ceiling.ts).
 */
import type { Socket } from 'node:net'
import { frame, FrameReader } from '../framing.js'
import type { AccessEvent } from '../policy/event.js'
import type { PolicyData } from '../policy/policy.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { MOST_BYTES } from './control-socket.js'
import { parseRequest, type ControlRequest, type Notice, type Role, type Subject } from './control.js'
import type { Host, Launched } from './host.js'
import { NOT_GIVEN, StartFailure } from './outputs.js'
import { updated } from './policy-update.js'
import { launchOf, type Attachment, type Launch } from './worker.js'

/** The way in which a client gets its workers' sockets. */
export interface Handing {
  /** Takes over the end, to give away or close. `arrived` resolves when the client says that it holds it. */
  give(id: number, role: Role, end: OwnedFd, arrived: () => Promise<true>): Promise<void>
}

/** The requests of a client that are admitted. Each method throws a StartFailure for one that is not. */
export interface Admission {
  launch(launch: Launch, subject: Subject): Launch
  /** `launch`: as the client asked for it. */
  attachment(attachment: Attachment, subject: Subject, launch: Pick<Launch, 'env' | 'cwd'>): Attachment
  policy(policy: PolicyData, subject: Subject): PolicyData
}

/** Admits everything, for a client that may decide what workers use: Vitest's own process, if nothing confines it. */
export const AS_ASKED: Admission = {
  launch: (launch) => launch,
  attachment: (attachment) => attachment,
  policy: (policy) => policy,
}

interface ServedClientParts {
  readonly host: Host
  readonly control: Socket
  readonly handing: Handing
  readonly admission: Admission
  /** The client ended, or broke the protocol: `detail` says how. */
  readonly onGone: (detail?: string) => void
  /** Hears of each event of the client's workers, for a caller that does not rely on the client's own report. */
  readonly onIncident?: (incident: AccessEvent) => void
  /** Hears of each request that asks for more than the client may have: a client need not say that it was refused. */
  readonly onRefused?: (detail: string) => void
}

type WorkerRequest = Exclude<ControlRequest, { type: 'launch' | 'cancel' | 'look-again' }>

export class ServedClient {
  readonly #parts: ServedClientParts
  readonly #workers = new Map<number, ServedWorker>()
  /** Sockets are handed over one after the other. */
  #handovers: Promise<unknown> = Promise.resolve()
  #isGone = false

  constructor(parts: ServedClientParts) {
    this.#parts = parts
    const { control } = parts
    const reader = new FrameReader(MOST_BYTES)
    control.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#obey(parseRequest(message))
      } catch (error) {
        // A client that breaks the protocol is not served any more, and its workers are ended.
        this.gone(error instanceof Error ? error.message : String(error))
      }
    })
    for (const event of ['close', 'error']) control.on(event, () => this.gone())
  }

  gone(detail?: string): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#parts.control.destroy()
    for (const worker of this.#workers.values()) worker.abandon()
    this.#parts.onGone(detail)
  }

  say(notice: Notice): void {
    const { control } = this.#parts
    if (control.writable) control.write(frame(notice))
  }

  #obey(request: ControlRequest): void {
    const { host, admission, handing, onIncident = () => {}, onRefused = () => {} } = this.#parts
    if (this.#isGone) return
    if (request.type === 'cancel') return host.cancel(request.lane)
    if (request.type === 'look-again') return host.lookAgain()
    const known = this.#workers.get(request.id)
    if (request.type === 'launch') {
      if (known !== undefined) throw new Error(`the runner asked twice for a worker ${request.id}`)
      const { id } = request
      const worker = new ServedWorker(request, {
        host,
        admission: telling(admission, onRefused),
        onIncident,
        say: (notice) => this.say(notice),
        give: (role, end, arrived) => this.#inTurn(() => handing.give(id, role, end, arrived)),
        forget: () => void this.#workers.delete(id),
      })
      this.#workers.set(id, worker)
      return
    }
    // A worker that could not be started is unknown here; the client has been told.
    known?.obey(request)
  }

  #inTurn(send: () => Promise<void>): Promise<void> {
    const sent = this.#handovers.then(send)
    this.#handovers = sent.catch(() => {})
    return sent
  }
}

/** Tells of each refusal before it is thrown. */
function telling(admission: Admission, tell: (detail: string) => void): Admission {
  const told = <T>(admit: () => T): T => {
    try {
      return admit()
    } catch (error) {
      if (error instanceof StartFailure && error.stage === NOT_GIVEN) tell(error.detail)
      throw error
    }
  }
  return {
    launch: (...asked) => told(() => admission.launch(...asked)),
    attachment: (...asked) => told(() => admission.attachment(...asked)),
    policy: (...asked) => told(() => admission.policy(...asked)),
  }
}

interface ServedWorkerParts {
  readonly host: Host
  readonly admission: Admission
  readonly onIncident: (incident: AccessEvent) => void
  readonly say: (notice: Notice) => void
  readonly give: (role: Role, end: OwnedFd, arrived: () => Promise<true>) => Promise<void>
  /** Nothing is left of this worker. */
  readonly forget: () => void
}

class ServedWorker {
  readonly #parts: ServedWorkerParts
  readonly #request: ControlRequest & { type: 'launch' }
  readonly #acknowledged = new Map<Role, () => void>()
  readonly #launched: Promise<Launched | undefined>
  #handedOver: Promise<void> = Promise.resolve()
  /** The policy that the client said last, as it was said. */
  #policy: PolicyData | undefined

  constructor(request: ControlRequest & { type: 'launch' }, parts: ServedWorkerParts) {
    this.#parts = parts
    this.#request = request
    this.#launched = this.#launch()
  }

  async #launch(): Promise<Launched | undefined> {
    const { id, launch, subject } = this.#request
    const { host, admission, say, onIncident, forget } = this.#parts
    try {
      const admitted = admission.launch(launchOf(launch, launch.ledger), subject)
      const launched = await host.launch(admitted, {
        onIncident: (incident) => {
          onIncident(incident)
          say({ type: 'incident', id, incident })
        },
        onFault: (detail) => say({ type: 'fault', id, detail }),
        ...(launch.ledger ? { onLedger: (batch) => say({ type: 'ledger', id, batch }) } : {}),
      })
      void launched.worker.exited.then((exit) => say({ type: 'exited', id, exit }))
      say({ type: 'launched', id, pid: launched.worker.pid })
      this.#handedOver = this.#handOver(launched)
      return launched
    } catch (error) {
      this.#failed(error)
      forget()
      return undefined
    }
  }

  #failed(error: unknown): void {
    const { id } = this.#request
    const [stage, detail] =
      error instanceof StartFailure
        ? [error.stage, error.detail]
        : ['broker', error instanceof Error ? error.message : String(error)]
    this.#parts.say({ type: 'failed', id, stage, detail })
  }

  async #handOver({ ends, worker }: Launched): Promise<void> {
    try {
      for (const role of ['stderr', 'stdout', 'transport'] as const) {
        const end = ends[role]
        if (end !== undefined) await this.#parts.give(role, end, () => this.#arrived(role))
      }
    } catch (error) {
      for (const end of Object.values(ends)) end?.close()
      this.#failed(error)
      await worker.stop()
    }
  }

  #arrived(role: Role): Promise<true> {
    return new Promise((resolve) => this.#acknowledged.set(role, () => resolve(true)))
  }

  /** Stops the worker: no client waits for it any more. */
  abandon(): void {
    void this.#launched.then((launched) => launched?.worker.stop())
  }

  obey(request: WorkerRequest): void {
    if (request.type === 'received') return this.#acknowledged.get(request.role)?.()
    void this.#launched.then((launched) => (launched === undefined ? undefined : this.#obeyOnce(launched, request)))
  }

  async #obeyOnce({ worker, attach }: Launched, request: Exclude<WorkerRequest, { type: 'received' }>): Promise<void> {
    const { id } = this.#request
    const { say, admission, forget } = this.#parts
    switch (request.type) {
      case 'attach':
        try {
          const { policy, setup } = request
          this.#policy = policy
          await attach(admission.attachment({ policy, setup }, request.subject, this.#request.launch))
          return say({ type: 'up', id, landlock: worker.landlock })
        } catch (error) {
          this.#failed(error)
          return void (await worker.stop())
        }
      case 'policy':
        await this.#setPolicy(worker, request)
        return say({ type: 'done', id, sequence: request.sequence })
      case 'settle':
        await worker.settled()
        return say({ type: 'done', id, sequence: request.sequence })
      case 'running': {
        const label = await worker.running()
        return say({ type: 'done', id, sequence: request.sequence, ...(label === undefined ? {} : { label }) })
      }
      case 'tell-ledger':
        await worker.tellLedger()
        return say({ type: 'done', id, sequence: request.sequence })
      case 'stop': {
        const exit = await worker.stop()
        say({ type: 'done', id, sequence: request.sequence, exit })
        // A client may stop a worker before it has all of its sockets. Until it has said that they have arrived, they are sent
        // again, and those of the next worker wait.
        await this.#handedOver
        return forget()
      }
      default:
        return request satisfies never
    }
  }

  /**
   * Changes the policy. A worker that asks for more than it may have is stopped; until then its policy stays as it was.
   */
  async #setPolicy(
    worker: Launched['worker'],
    { policy, subject }: Extract<WorkerRequest, { type: 'policy' }>,
  ): Promise<void> {
    const { admission, say } = this.#parts
    try {
      this.#policy = updated(this.#policy, policy)
      await worker.setPolicy(admission.policy(this.#policy, subject))
    } catch (error) {
      say({ type: 'fault', id: this.#request.id, detail: error instanceof StartFailure ? error.detail : String(error) })
      await worker.stop()
    }
  }
}
