/**
 * The broker process: the parent of the workers, their reaper, and the only process of a run that holds their listeners. It is
 * started by the runner (Vitest's process), serves it alone, and ends with it.
 *
 * Descriptors: 2 goes to the runner, 3 is Node's channel, over which workers' sockets are handed over, 4 the control socket.
 */
import { Socket } from 'node:net'
import { dirname } from 'node:path'
import { frame, FrameReader } from '../framing.js'
import { BROKER_END_MS, HANDOVERS, HANDOVER_MS } from '../limits.js'
import { withdraw } from '../sys/confine.js'
import { duplicate, type OwnedFd } from '../sys/owned-fd.js'
import { openProcess } from '../sys/pidfd.js'
import { PrivateDirectory } from '../sys/private-directory.js'
import { missingSupport, probeKernel } from '../sys/probe.js'
import { missingByYama, yamaFacts } from '../sys/yama.js'
import { MOST_BYTES, parseRequest, type Handover, type Notice, type ControlRequest, type Role } from './control.js'
import { Host, type Launched } from './host.js'
import { StartFailure } from './outputs.js'
import { prepareSpawner } from './spawner.js'
import { TMP_NAME } from './tmp.js'
import { launchOf } from './worker.js'

const CONTROL = 4

const [runnerPid] = process.argv.slice(2).map(Number)

class Broker {
  readonly #host: Host
  readonly #control = new Socket({ fd: CONTROL, readable: true, writable: true })
  readonly #workers = new Map<number, ServedWorker>()
  /** Sockets are handed over one after the other. */
  #handovers: Promise<unknown> = Promise.resolve()
  #isEnding = false

  constructor(runner: OwnedFd) {
    this.#host = new Host({ runner, onRunnerEnded: () => void this.end() })
    const reader = new FrameReader(MOST_BYTES)
    this.#control.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#obey(parseRequest(message))
      } catch (error) {
        // A runner that breaks the protocol is not served any more, nor is what it has started.
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
        void this.end()
      }
    })
    for (const event of ['close', 'error']) this.#control.on(event, () => void this.end())
    process.once('disconnect', () => void this.end())
  }

  ready(): void {
    const missing = [...missingSupport(probeKernel()), ...missingByYama(yamaFacts())]
    this.say({ type: 'ready', missing, sockets: this.#host.reception === 'none' ? 'refused' : 'decided' })
  }

  say(notice: Notice): void {
    if (this.#control.writable) this.#control.write(frame(notice))
  }

  #obey(request: ControlRequest): void {
    if (this.#isEnding) return
    if (request.type === 'cancel') return this.#host.cancel(request.lane)
    const known = this.#workers.get(request.id)
    if (request.type === 'launch') {
      if (known !== undefined) throw new Error(`the runner asked twice for a worker ${request.id}`)
      this.#workers.set(request.id, new ServedWorker(this, this.#host, request))
      return
    }
    // One that could not be started is no worker any more; who asks has been told.
    known?.obey(request)
  }

  /** Nothing is left of this worker. */
  forget(id: number): void {
    this.#workers.delete(id)
  }

  handOver(send: () => Promise<void>): Promise<void> {
    const sent = this.#handovers.then(send)
    this.#handovers = sent.catch(() => {})
    return sent
  }

  async end(): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    const patience = new Promise((resolve) => setTimeout(resolve, BROKER_END_MS))
    try {
      await Promise.race([this.#host.close(), patience])
    } finally {
      // Not exit(): threads are not waited for, and none of them is ended while it loads.
      process.kill(process.pid, 'SIGKILL')
    }
  }
}

/** One worker of the runner's. */
class ServedWorker {
  readonly #acknowledged = new Map<Role, () => void>()
  readonly #launched: Promise<Launched | undefined>

  constructor(
    readonly broker: Broker,
    readonly host: Host,
    readonly request: ControlRequest & { type: 'launch' },
  ) {
    this.#launched = this.#launch()
  }

  #say(notice: Notice): void {
    this.broker.say(notice)
  }

  async #launch(): Promise<Launched | undefined> {
    const { id, launch } = this.request
    try {
      const launched = await this.host.launch(launchOf(launch, launch.ledger), {
        onIncident: (incident) => this.#say({ type: 'incident', id, incident }),
        onFault: (detail) => this.#say({ type: 'fault', id, detail }),
        ...(launch.ledger ? { onLedger: (batch) => this.#say({ type: 'ledger', id, batch }) } : {}),
      })
      void launched.worker.exited.then((exit) => this.#say({ type: 'exited', id, exit }))
      this.#say({ type: 'launched', id, pid: launched.worker.pid })
      void this.#handOver(launched)
      return launched
    } catch (error) {
      this.#failed(error)
      this.broker.forget(id)
      return undefined
    }
  }

  #failed(error: unknown): void {
    const { id } = this.request
    if (error instanceof StartFailure) this.#say({ type: 'failed', id, stage: error.stage, detail: error.detail })
    else
      this.#say({ type: 'failed', id, stage: 'broker', detail: error instanceof Error ? error.message : String(error) })
  }

  async #handOver({ ends, worker }: Launched): Promise<void> {
    try {
      for (const role of ['stderr', 'stdout', 'transport'] as const)
        await this.broker.handOver(() => this.#send(role, ends[role]))
    } catch (error) {
      for (const end of Object.values(ends)) end.close()
      this.#failed(error)
      await worker.stop()
    }
  }

  /** A copy of it each time, until one has arrived. */
  async #send(role: Role, end: OwnedFd): Promise<void> {
    const { id } = this.request
    for (let attempt = 0; attempt < HANDOVERS; attempt++) {
      const received = new Promise<true>((resolve) => this.#acknowledged.set(role, () => resolve(true)))
      const copy = new Socket({
        fd: duplicate(end).release(),
        readable: true,
        writable: true,
        manualStart: true,
      } as object)
      process.send?.({ id, role } satisfies Handover, copy, { keepOpen: false })
      const first = await Promise.race([received, passed(HANDOVER_MS)])
      if (first) return end.close()
    }
    throw new StartFailure(
      'sockets',
      "Vitest's process takes no descriptor: has it reached its limit of open files (ulimit -n)?",
    )
  }

  obey(request: Exclude<ControlRequest, { type: 'launch' | 'cancel' }>): void {
    if (request.type === 'received') return this.#acknowledged.get(request.role)?.()
    void this.#launched.then((launched) => (launched === undefined ? undefined : this.#obeyOnce(launched, request)))
  }

  async #obeyOnce(
    { worker, attach }: Launched,
    request: Exclude<ControlRequest, { type: 'launch' | 'cancel' | 'received' }>,
  ): Promise<void> {
    const { id } = this.request
    switch (request.type) {
      case 'attach':
        try {
          await attach(request)
          return this.#say({ type: 'up', id, landlock: worker.landlock })
        } catch (error) {
          return this.#failed(error)
        }
      case 'policy':
        await worker.setPolicy(request.policy)
        return this.#say({ type: 'done', id, sequence: request.sequence })
      case 'settle':
        await worker.settled()
        return this.#say({ type: 'done', id, sequence: request.sequence })
      case 'running': {
        const label = await worker.running()
        return this.#say({ type: 'done', id, sequence: request.sequence, ...(label === undefined ? {} : { label }) })
      }
      case 'tell-ledger':
        await worker.tellLedger()
        return this.#say({ type: 'done', id, sequence: request.sequence })
      case 'stop': {
        const exit = await worker.stop()
        this.#say({ type: 'done', id, sequence: request.sequence, exit })
        return this.broker.forget(id)
      }
      default:
        return request satisfies never
    }
  }
}

function passed(milliseconds: number): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, false))
}

/** A pidfd names this very process for ever; checked against getppid(2) before anything is started for it. */
const runner = runnerPid === undefined || Number.isNaN(runnerPid) ? undefined : openProcess(runnerPid)
if (runner === undefined || process.ppid !== runnerPid) process.exit(0)

withdraw()
process.chdir('/')
// Its thread loads while the rest is made ready.
prepareSpawner()
const broker = new Broker(runner)
broker.ready()
for (const tmp of process.argv.slice(3))
  void PrivateDirectory.removeAbandoned(dirname(`${tmp}/x`), TMP_NAME).catch(() => {})
