import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Tinypool } from 'tinypool'
import { Bell } from '../sys/io.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { INCIDENTS, SLOW_CLOSES, type FromBroker, type OfWorker, type ToBroker } from './messages.js'
import { processLocks } from './process-locks.js'
import { closeUndelivered, closeUnwanted } from './sharing.js'
import { slowCloses } from './slow-closes.js'
import type { BrokerTask } from './thread.js'

/** Told what the thread says of its worker. */
export interface ThreadListener {
  receive(message: OfWorker): void
}

/** One worker's time with a broker thread, as the main thread sees it: a task of the pool. */
export class BrokerThread {
  readonly #port: MessagePort
  #bell: Bell | undefined
  #threadId: number | undefined
  readonly #counters = new Int32Array(new SharedArrayBuffer(16))
  readonly #early: OfWorker[] = []
  #worker: ThreadListener | undefined
  #isOver = false
  #failure: string | undefined
  /** The thread's id, once it serves. Rejects where none will. */
  readonly begun: Promise<number>
  #begin: (id: number) => void = () => {}
  #refuse: (error: Error) => void = () => {}
  /** Resolves once the thread is free for another worker, or gone. */
  readonly over: Promise<void>

  /**
   * `runner`: a pidfd of the process whose tests these are, where that is another one. `signal`: only before a thread serves;
   * Tinypool would end a thread that does.
   */
  constructor(pool: Tinypool, { runner, signal = null }: { runner?: OwnedFd; signal?: AbortSignal | null } = {}) {
    this.begun = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#refuse = reject
    })
    // Whoever waits for it is told.
    this.begun.catch(() => undefined)
    const { port1, port2 } = new MessageChannel()
    const task: BrokerTask = {
      port: port2,
      counters: this.#counters,
      ...(runner === undefined ? {} : { runner: runner.number }),
    }
    this.#port = port1
    // Only the thread writes to the other end.
    port1.on('message', (message: FromBroker) => this.#receive(message))
    this.over = pool.run(task, { transferList: [port2], signal }).then(
      () => this.#ended(),
      (error: unknown) => this.#ended(error instanceof Error ? error.message : String(error)),
    )
  }

  #receive(message: FromBroker): void {
    if (message.type === 'begun') {
      this.#bell = new Bell(message.bell)
      this.#threadId = message.threadId
      // For what was said before there was one.
      this.#bell.ring()
      return this.#begin(message.id)
    }
    if (message.type === 'close')
      return slowCloses.add(message.fd, () => void Atomics.sub(this.#counters, SLOW_CLOSES, 1))
    if (this.#worker !== undefined) this.#worker.receive(message)
    else if (this.#isOver) closeUnwanted(message)
    else this.#early.push(message)
    // The last that it says. Its own end of the port closes when its event loop turns, which it does not between two tasks.
    if (message.type === 'ended') this.#port.close()
  }

  #ended(failure?: string): void {
    this.#failure = failure
    this.#isOver = true
    this.#bell = undefined
    if (failure === undefined) return
    if (this.#threadId !== undefined) processLocks.forget(this.#threadId)
    this.#refuse(new Error(failure))
    this.#port.close()
    this.#worker?.receive({ type: 'fault', detail: `the broker thread ended: ${failure}` })
    this.#worker?.receive({ type: 'ended' })
  }

  /** Nobody is served by it any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The thread broke down, and with it the worker's listener. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  get incidents(): number {
    return Atomics.load(this.#counters, INCIDENTS)
  }

  command(command: ToBroker): void {
    if (this.#isOver) return closeUndelivered(command)
    this.#port.postMessage(command)
    this.#bell?.ring()
  }

  /** From here on `worker` hears what the thread says, and first what it has said. */
  serve(worker: ThreadListener): void {
    this.#worker = worker
    for (const message of this.#early.splice(0)) worker.receive(message)
    if (this.#failure === undefined) return
    worker.receive({ type: 'fault', detail: `the broker thread ended: ${this.#failure}` })
    worker.receive({ type: 'ended' })
  }

  /** Nobody takes what is still under way. */
  detach(): void {
    this.#worker = undefined
  }
}
