import type { Socket } from 'node:net'
import { WorkerStartError } from '../errors.js'
import type { PolicyData } from '../policy/policy.js'
import type { Setup } from '../protocol.js'
import type { BrokerThread, Served } from './broker-thread.js'
import type { Batch } from './ledger.js'
import { COOKIE, hasOrphans, killDescendants, killOrphans, killStrays, reapOrphans, signal } from './leftovers.js'
import type { Denied, FromBroker, Incident, Label, ToBroker } from './messages.js'
import { SharedResources } from './shared-resources.js'
import type { SharingAnswer } from './sharing.js'
import type { Child, Exit, Spawner } from './spawner.js'

export interface StartOptions {
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** This and `setup` are read when the process is on its way, and may be made then. */
  readonly policy: PolicyData
  readonly denied: Denied
  /** Paths that the worker and its children may execute at all; `any` where nothing is enforced. */
  readonly executable?: readonly string[] | 'any'
  /** Whether programs run on a kernel without Landlock, where nothing holds them to their grants. Default: no. */
  readonly execWithoutLandlock?: boolean
  /** `runtime`: what the worker runs; Vitest's worker by default. */
  readonly setup: Omit<Setup, 'filter' | 'runtime'> & Partial<Pick<Setup, 'runtime'>>
  /** Milliseconds that one stage of the start may last. */
  readonly stageTimeout: number
  /** What this worker has together with others. */
  readonly shared?: SharedResources
  readonly onIncident: (incident: Incident) => void
  /** Gets every access, in batches: with it, and only with it, the broker keeps them. */
  readonly onLedger?: (batch: Batch) => void
  /** The broker failed or the worker broke the protocol. The worker is not to be trusted with more work. */
  readonly onFault: (detail: string) => void
}

export interface ConfinedWorker {
  readonly pid: number
  /** Messages to and from the worker's runtime: bytes, framed by the caller. */
  readonly transport: Socket
  readonly stdout: Socket
  readonly stderr: Socket
  readonly landlock: number
  readonly exited: Promise<Exit>
  /** Resolves once the broker decides by it. */
  setPolicy(policy: PolicyData): Promise<void>
  /** Resolves once every incident recorded so far has reached `onIncident`, with all that the worker itself has to say of it. */
  settled(): Promise<void>
  /** Which test runs now, by the worker's own word. */
  running(): Promise<Label | undefined>
  /** Resolves once every access so far has reached `onLedger`. What comes later is told when the policy changes, and at the end. */
  tellLedger(): Promise<void>
  /** At once and without waiting, for the end of the whole process. */
  kill(): void
  /** Ends the worker and all it started, and returns once nothing of them is left. Right in every state. */
  stop(): Promise<Exit>
}

/** The workers that live, of all hosts of this process. */
const workers = new Set<number>()

/** A worker's process, its broker thread, and everything that has to end with them. */
export class Running implements ConfinedWorker, Served {
  readonly pid: number
  readonly exited: Promise<Exit>
  readonly stdout: Socket
  readonly stderr: Socket
  readonly transport: Socket
  landlock = 0
  #received = 0
  /** Until it has one, nothing hangs up when its processes are gone. */
  #hasListener = false
  #awaitsTrace = false
  #label: Label | undefined
  #exit: Exit | undefined
  #stopping: Promise<Exit> | undefined
  #sequence = 0
  /** Commands that the broker has not answered yet. */
  readonly #commands = new Map<number, () => void>()
  readonly #waiting = new Set<() => void>()
  readonly #baseline: number
  readonly #shared: SharedResources
  readonly #answerShared = (answer: SharingAnswer): void => this.thread.command(answer)
  #onStage: (stage: string) => void = () => {}
  #onHello: () => void = () => {}
  #onFailure: (detail: string) => void = () => {}
  readonly #ended: Promise<void>
  #end: () => void = () => {}

  constructor(
    readonly thread: BrokerThread,
    readonly spawner: Spawner,
    readonly child: Child,
    sockets: { stdout: Socket; stderr: Socket; transport: Socket },
    readonly options: StartOptions,
    readonly release: () => void,
  ) {
    this.pid = child.pid
    workers.add(child.pid)
    this.stdout = sockets.stdout
    this.stderr = sockets.stderr
    this.transport = sockets.transport
    this.#baseline = thread.incidents
    this.#shared = options.shared ?? new SharedResources()
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.exited = child.exited.then((exit) => {
      this.#exit = exit
      return exit
    })
    for (const socket of Object.values(sockets)) {
      // A worker that dies resets its sockets; that it died is told by `exited`.
      socket.on('error', () => socket.destroy())
    }
  }

  async up(stageTimeout: number): Promise<void> {
    let stage = 'boot'
    let printed = ''
    const collect = (chunk: Buffer): void => {
      printed = (printed + chunk.toString()).slice(-4000)
    }
    this.stderr.on('data', collect)
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (detail: string): void => {
          // What a dying worker printed arrives just after its exit.
          setTimeout(() => reject(new WorkerStartError(stage, detail, printed)), 20)
        }
        const patience = (): void => {
          clearTimeout(timer)
          timer = setTimeout(() => fail(`no progress for ${stageTimeout} ms`), stageTimeout)
        }
        patience()
        this.#onStage = (next) => {
          stage = next
          patience()
        }
        this.#onHello = resolve
        this.#onFailure = fail
        void this.exited.then(({ code, signal }) => fail(`the process ended with ${signal ?? `exit code ${code}`}`))
      })
    } finally {
      clearTimeout(timer)
      this.stderr.off('data', collect)
      this.stderr.pause()
      // Warnings of a start that went well are for the one who reads the worker's output from here on.
      if (printed !== '' && !this.stderr.readableEnded) this.stderr.unshift(Buffer.from(printed))
      this.#onFailure = () => {}
    }
  }

  receive(message: FromBroker): void {
    switch (message.type) {
      case 'stage':
        return this.#onStage(message.stage)
      case 'hello':
        this.landlock = message.landlock
        this.#hasListener = true
        return this.#onHello()
      case 'policy-set':
      case 'ledger-told':
        this.#commands.get(message.sequence)?.()
        this.#commands.delete(message.sequence)
        return
      case 'heard':
        this.#label = message.label
        this.#commands.get(message.sequence)?.()
        this.#commands.delete(message.sequence)
        return
      case 'ledger':
        return this.options.onLedger?.(message.batch)
      case 'share':
      case 'made':
      case 'unwanted':
        return this.#shared.receive(message, this.#answerShared)
      case 'incident':
        this.#received++
        if (message.incident.kind === 'violation' || message.incident.kind === 'forbidden') this.#awaitsTrace = true
        this.options.onIncident(message.incident)
        for (const look of this.#waiting) look()
        return
      case 'fault':
        this.#onFailure(message.detail)
        return this.options.onFault(message.detail)
      case 'ended':
        this.#shared.left(this.#answerShared)
        for (const resolve of this.#commands.values()) resolve()
        // Without its broker a worker waits for answers that nobody gives.
        if (this.thread.isDead) this.kill()
        return this.#end()
      default:
        message satisfies never
    }
  }

  setPolicy(policy: PolicyData): Promise<void> {
    return this.#commanded((sequence) => ({ type: 'policy', sequence, policy }))
  }

  tellLedger(): Promise<void> {
    return this.options.onLedger === undefined
      ? Promise.resolve()
      : this.#commanded((sequence) => ({ type: 'tell-ledger', sequence }))
  }

  #commanded(command: (sequence: number) => ToBroker): Promise<void> {
    if (this.#stopping !== undefined) return Promise.resolve()
    const sequence = ++this.#sequence
    return new Promise((resolve) => {
      this.#commands.set(sequence, resolve)
      this.thread.command(command(sequence))
    })
  }

  async settled(): Promise<void> {
    await this.#posted()
    if (!this.#awaitsTrace) return
    // Where a refused call stood is in the channel by now, if the worker says it at all.
    this.#awaitsTrace = false
    await this.running()
  }

  async running(): Promise<Label | undefined> {
    await this.#commanded((sequence) => ({ type: 'hear', sequence }))
    return this.#label
  }

  #posted(): Promise<void> {
    const posted = this.thread.incidents - this.#baseline
    if (this.#received >= posted) return Promise.resolve()
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#received < posted) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
    })
  }

  kill(): void {
    if (this.#exit !== undefined) return
    killDescendants(this.pid)
    signal(this.pid, 'SIGKILL')
  }

  stop(): Promise<Exit> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<Exit> {
    if (this.#exit === undefined) this.spawner.kill(this.child, 'SIGTERM')
    // A worker that holds on to SIGTERM gets what the stock pool gives it: half a second, then SIGKILL.
    const hard = setTimeout(() => this.spawner.kill(this.child, 'SIGKILL'), GRACE_MS)
    const exit = await this.exited
    clearTimeout(hard)
    await this.settled()
    // The listener hangs up when the last process behind the filter is gone; if it does not, somebody is left.
    workers.delete(this.pid)
    // Its group, and what has come to this process from outside it.
    signal(-this.pid, 'SIGKILL')
    killOrphans(workers)
    if (!this.#hasListener || !(await soon(this.#ended))) await this.#clearAway()
    this.thread.detach()
    await Promise.all([drainOutput(this.stdout), drainOutput(this.stderr)])
    for (const socket of [this.transport, this.stdout, this.stderr]) socket.destroySoon()
    this.release()
    reapOrphans(workers)
    // The last ones are still on their way to being dead.
    setTimeout(() => reapOrphans(workers), HANG_UP_MS).unref()
    return exit
  }

  async #clearAway(): Promise<void> {
    // Without a listener no process can leave its group any more, so each group ends at one stroke.
    this.thread.command({ type: 'detach' })
    await this.#ended
    for (let round = 0; this.#hasListener && round < ROUNDS; round++) {
      killOrphans(workers)
      // An orphan may also have gone to a reaper of its own making.
      killStrays(this.options.env[COOKIE])
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
      if (!hasOrphans(workers)) break
    }
  }
}

/** How often orphans are looked for, and how long one round's have to be dead. */
const ROUNDS = 20
const ROUND_MS = 10

const GRACE_MS = 500
const HANG_UP_MS = 200

/** How long what a dead worker printed may take to be read; nothing holds it up but whoever reads it. */
const OUTPUT_MS = 100

/** What was printed before the end is there to be read, and destroying the socket would lose it. */
async function drainOutput(output: Socket): Promise<void> {
  if (output.listenerCount('data') === 0 || output.readableEnded || output.destroyed) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, OUTPUT_MS)
    for (const end of ['end', 'close']) {
      output.once(end, () => {
        clearTimeout(timer)
        resolve()
      })
    }
  })
}

async function soon(event: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), HANG_UP_MS)
  })
  const first = await Promise.race([event.then(() => true as const), late])
  clearTimeout(timer)
  return first
}
