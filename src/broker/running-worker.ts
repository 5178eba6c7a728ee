/** A worker's process, its broker thread, and everything that must end with them. */
import { availableParallelism, loadavg } from 'node:os'
import { standstill } from '../errors.js'
import { CLEAR_AWAY_MS, HANG_UP_MS, ROUND_MS, TERMINATE_MS } from '../limits.js'
import type { PolicyData } from '../policy/policy.js'
import type { Mark } from '../protocol.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { killIf } from '../sys/pidfd.js'
import type { PrivateDirectory } from '../sys/private-directory.js'
import { ProcessHandle } from '../sys/worker-process.js'
import type { BrokerThread, ThreadListener } from './broker-thread.js'
import { hasOrphans, killDescendants, killOrphans, reapOrphans } from './leftovers.js'
import type { AttachCommand, FromBroker, ToBroker } from './messages.js'
import { moduleTables } from './module-tables.js'
import { StartFailure } from './outputs.js'
import { updateOf } from './policy-update.js'
import type { SharedResources } from './shared-resources.js'
import type { SharingAnswer } from './sharing.js'
import type { SpawnedProcess, Spawner } from './spawner.js'
import { COOKIE, killStrays } from './strays.js'
import type { Exit, Launch, WorkerControl, WorkerListener } from './worker.js'

/** The live workers of all hosts in this process. */
const workers = new Set<number>()

export function areAnyAlive(): boolean {
  return workers.size > 0
}

interface RunningParts {
  readonly thread: BrokerThread
  readonly spawner: Spawner
  readonly child: SpawnedProcess
  readonly launch: Launch
  readonly shared: SharedResources
  readonly tmp: PrivateDirectory | undefined
  readonly listener: WorkerListener
  /** The process that runs the tests has ended. */
  readonly onRunnerEnded: () => void
  /** Nothing is left of this worker. */
  readonly onStopped: () => void
}

export class RunningWorker implements WorkerControl, ThreadListener {
  readonly pid: number
  readonly #process: ProcessHandle
  readonly exited: Promise<Exit>
  landlock = 0
  #received = 0
  /** True once the worker has a listener. Before, nothing hangs up when its processes are gone. */
  #hasListener = false
  #awaitsTrace = false
  #label: Mark | undefined
  #exit: Exit | undefined
  #stopping: Promise<Exit> | undefined
  #sequence = 0
  /** Commands that the broker thread has not answered yet. */
  readonly #commands = new Map<number, () => void>()
  readonly #waiting = new Set<() => void>()
  readonly #answerShared = (answer: SharingAnswer): void => this.#parts.thread.command(answer)
  readonly #parts: RunningParts
  #onStage: (stage: string) => void = () => {}
  #onHello: () => void = () => {}
  #onFailure: (detail: string) => void = () => {}
  #isOver = false
  /** The policy that the thread was told last. */
  #policy: PolicyData | undefined
  readonly #ended: Promise<void>
  #end: () => void = () => {}

  constructor(parts: RunningParts) {
    this.#parts = parts
    this.pid = parts.child.pid
    this.#process = new ProcessHandle(this.pid)
    workers.add(this.pid)
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.exited = parts.child.exited.then((exit) => {
      this.#exit = exit
      return exit
    })
    void parts.child.lost.then((detail) => {
      this.#process.kill()
      this.receive({ type: 'fault', detail })
    })
  }

  /** Resolves once the worker is up. Throws a StartFailure. */
  async up(): Promise<void> {
    const { stageTimeout } = this.#parts.launch
    let stage = 'boot'
    let isStarting = true
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (detail: string): void => reject(new StartFailure(stage, detail))
        const patience = (): void => {
          clearTimeout(timer)
          timer = setTimeout(
            () => fail(standstill(stageTimeout, loadavg()[0] ?? 0, availableParallelism())),
            stageTimeout,
          )
        }
        patience()
        this.#onStage = (next) => {
          stage = next
          patience()
        }
        this.#onHello = resolve
        this.#onFailure = fail
        void this.exited.then(async ({ code, signal: by }) => {
          if (!isStarting) return
          // The broker thread tells by another port how far the worker came: it may have been up.
          await this.running()
          fail(`the process ended with ${by ?? `exit code ${code}`}`)
        })
      })
    } finally {
      isStarting = false
      clearTimeout(timer)
      this.#onFailure = () => {}
    }
  }

  receive(message: FromBroker): void {
    const { listener, shared } = this.#parts
    switch (message.type) {
      case 'begun':
        return
      case 'stage':
        return this.#onStage(message.stage)
      case 'hello':
        this.landlock = message.landlock
        this.#hasListener = true
        return this.#onHello()
      case 'policy-set':
      case 'ledger-told':
        return this.#answered(message.sequence)
      case 'heard':
        this.#label = message.label
        return this.#answered(message.sequence)
      case 'ledger':
        return listener.onLedger?.(message.batch)
      case 'base-reads':
        return moduleTables.learn(message.paths, Date.now())
      case 'share':
      case 'made':
      case 'unwanted':
        return shared.receive(message, this.#answerShared)
      case 'incident':
        this.#received++
        if (message.incident.outcome === 'denied' || message.incident.outcome === 'forbidden') this.#awaitsTrace = true
        listener.onIncident(message.incident)
        for (const look of this.#waiting) look()
        return
      case 'fault':
        this.#onFailure(message.detail)
        return listener.onFault(message.detail)
      case 'runner-ended':
        return this.#parts.onRunnerEnded()
      case 'ended':
        this.#isOver = true
        this.#label = message.label ?? this.#label
        shared.left(this.#answerShared)
        for (const sequence of this.#commands.keys()) this.#answered(sequence)
        // Without its broker thread a worker waits for answers that never come.
        if (this.#parts.thread.hasFailed) this.kill()
        return this.#end()
      default:
        message satisfies never
    }
  }

  #answered(sequence: number): void {
    this.#commands.get(sequence)?.()
    this.#commands.delete(sequence)
  }

  /** Gives the thread what it needs to confine the process. */
  attach(attach: Omit<AttachCommand, 'pid'>): void {
    this.#policy = attach.policy
    this.#parts.thread.command({ type: 'attach', pid: this.pid, ...attach })
  }

  setPolicy(policy: PolicyData): Promise<void> {
    moduleTables.begin(Date.now())
    const update = updateOf(policy, this.#policy)
    this.#policy = policy
    return this.#commanded((sequence) => ({ type: 'policy', sequence, policy: update }))
  }

  tellLedger(): Promise<void> {
    return this.#parts.listener.onLedger === undefined
      ? Promise.resolve()
      : this.#commanded((sequence) => ({ type: 'tell-ledger', sequence }))
  }

  #commanded(command: (sequence: number) => ToBroker): Promise<void> {
    if (this.#stopping !== undefined || this.#isOver) return Promise.resolve()
    const sequence = ++this.#sequence
    return new Promise((resolve) => {
      this.#commands.set(sequence, resolve)
      this.#parts.thread.command(command(sequence))
    })
  }

  async settled(): Promise<void> {
    await this.#posted()
    if (!this.#awaitsTrace) return
    // The stack of a refused call is in the channel by now, if the worker sends one at all.
    this.#awaitsTrace = false
    await this.running()
  }

  async running(): Promise<Mark | undefined> {
    await this.#commanded((sequence) => ({ type: 'hear', sequence }))
    return this.#label
  }

  #posted(): Promise<void> {
    const posted = this.#parts.thread.incidents
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

  /** Leaves a descriptor that the worker can acquire by this name, once. */
  handOver(name: string, end: OwnedFd): void {
    this.#parts.thread.command({ type: 'hand-over', name, fd: end.release() })
  }

  /** Lets go of the worker before it ends, to test what it can still do then. */
  detach(): void {
    this.#parts.thread.command({ type: 'detach' })
  }

  /**
   * Signals the process alone. Its parent thread sends the signal, as long as it knows the child: until then nobody
   * else can have its number.
   */
  signal(name: NodeJS.Signals): void {
    this.#parts.spawner.kill(this.#parts.child, name)
  }

  /** Kills the worker and its descendants at once, without waiting. */
  kill(): void {
    if (this.#exit !== undefined) return
    killDescendants(this.pid, () => this.#process.ownsNumber())
    this.#process.kill()
    // Where there was no descriptor left to hold it by.
    this.signal('SIGKILL')
  }

  stop(): Promise<Exit> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<Exit> {
    const { spawner, child, thread, tmp, listener } = this.#parts
    if (this.#exit === undefined) spawner.kill(child, 'SIGTERM')
    // A worker that ignores SIGTERM gets what the stock pool gives it: half a second, then SIGKILL.
    const hard = setTimeout(() => spawner.kill(child, 'SIGKILL'), TERMINATE_MS)
    const exit = await this.exited
    clearTimeout(hard)
    await this.settled()
    // The listener hangs up when the last process behind the filter is gone; if it does not, some process is left.
    workers.delete(this.pid)
    // What it left behind has come to this process, whose children keep their numbers and their groups' until they are reaped here. The
    // worker itself is reaped: its number may be a stranger's.
    killOrphans(workers)
    if (!this.#hasListener || !(await soon(this.#ended))) await this.#clearAway()
    thread.detach()
    this.#process.close()
    // Vitest is told, and nobody else's worker ends with the broker process.
    await tmp?.remove().catch((error: unknown) => listener.onFault(`its temporary directory is left: ${String(error)}`))
    reapOrphans(workers)
    this.#parts.onStopped()
    // The last ones may still be dying.
    setTimeout(() => reapOrphans(workers), HANG_UP_MS).unref()
    return exit
  }

  async #clearAway(): Promise<void> {
    // Without a listener no process can leave its group any more, so each group can be killed as a whole.
    this.detach()
    await this.#ended
    const until = performance.now() + CLEAR_AWAY_MS
    while (this.#hasListener && performance.now() < until) {
      killOrphans(workers)
      // An orphan may also have gone to a reaper that the worker made.
      killStrays(this.#parts.launch.env[COOKIE], killIf)
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
      if (!hasOrphans(workers)) break
    }
  }
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
