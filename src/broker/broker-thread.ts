import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Tinypool } from 'tinypool'
import { Bell } from '../sys/io.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { INCIDENTS, type FromBroker, type ToBroker } from './messages.js'
import { processLocks } from './process-locks.js'
import { closeUndelivered, closeUnwanted } from './sharing.js'
import type { BrokerTask } from './thread.js'

/** Receives the thread's messages about its worker. */
export interface ThreadListener {
  receive(message: FromBroker): void
}

/** One worker's time with a broker thread, as the main thread sees it: a task of the pool. */
export class BrokerThread {
  readonly #port: MessagePort
  /**
   * Made and closed here: a bell that the thread closed could be rung by a number that means another descriptor by then.
   */
  readonly #bell = new Bell()
  #threadId: number | undefined
  readonly #counters = new Int32Array(new SharedArrayBuffer(16))
  readonly #early: FromBroker[] = []
  #worker: ThreadListener | undefined
  #isOver = false
  #failure: string | undefined
  /** The thread's id, once it serves. Rejects if no thread will serve. */
  readonly begun: Promise<number>
  #begin: (id: number) => void = () => {}
  #refuse: (error: Error) => void = () => {}
  /** Resolves once the thread is free for another worker, or gone. */
  readonly over: Promise<void>

  /**
   * `runner` is a pidfd of the process that runs the tests, if that is another process. Abort `signal` only before a
   * thread serves: later, Tinypool would end the thread.
   */
  constructor(pool: Tinypool, { runner, signal = null }: { runner?: OwnedFd; signal?: AbortSignal | null } = {}) {
    this.begun = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#refuse = reject
    })
    // Callers that await `begun` get the error; without a caller it must not be an unhandled rejection.
    this.begun.catch(() => undefined)
    const { port1, port2 } = new MessageChannel()
    const task: BrokerTask = {
      port: port2,
      bell: this.#bell.fd.number,
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
      this.#threadId = message.threadId
      return this.#begin(message.id)
    }
    if (this.#worker !== undefined) this.#worker.receive(message)
    else if (this.#isOver) closeUnwanted(message)
    else this.#early.push(message)
    // `ended` is the last message. The thread's own end of the port closes only when its event loop turns, which does
    // not happen between two tasks.
    if (message.type === 'ended') this.#port.close()
  }

  #ended(failure?: string): void {
    this.#failure = failure
    this.#isOver = true
    this.#bell.fd.close()
    if (failure === undefined) return
    if (this.#threadId !== undefined) processLocks.forget(this.#threadId)
    this.#refuse(new Error(failure))
    this.#port.close()
    this.#worker?.receive({ type: 'fault', detail: `the broker thread ended: ${failure}` })
    this.#worker?.receive({ type: 'ended' })
  }

  /** True if the thread serves nobody any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** True if the thread broke down, and the worker's listener with it. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  get incidents(): number {
    return Atomics.load(this.#counters, INCIDENTS)
  }

  command(command: ToBroker): void {
    if (this.#isOver) return closeUndelivered(command)
    this.#port.postMessage(command)
    this.#bell.ring()
  }

  /** Passes the thread's messages to `worker` from now on, those that came before first. */
  serve(worker: ThreadListener): void {
    this.#worker = worker
    for (const message of this.#early.splice(0)) worker.receive(message)
    if (this.#failure === undefined) return
    worker.receive({ type: 'fault', detail: `the broker thread ended: ${this.#failure}` })
    worker.receive({ type: 'ended' })
  }

  /** Drops the worker: messages that are still under way go to nobody. */
  detach(): void {
    this.#worker = undefined
  }
}
