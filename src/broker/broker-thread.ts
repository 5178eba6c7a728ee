import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Bell } from '../sys/io.js'
import { INCIDENTS, type FromBroker, type ToBroker } from './messages.js'
import { processMutex } from './mutex.js'
import { closeUnwanted } from './sharing.js'
import { startThread } from './threads.js'

/** Whoever is told what the thread says of a worker. */
export interface Served {
  receive(message: FromBroker): void
}

/** A broker thread, as the main thread sees it. Serves one worker at a time, and the next after it. */
export class BrokerThread {
  readonly #port: MessagePort
  readonly #bell = new Bell()
  readonly #counters = new Int32Array(new SharedArrayBuffer(16))
  #worker: Served | undefined
  #dead = false

  constructor() {
    const { port1, port2 } = new MessageChannel()
    const thread = startThread(
      'broker',
      { bell: this.#bell.fd.number, port: port2, counters: this.#counters, mutex: processMutex.shared },
      [port2],
    )
    thread.once('error', (error) =>
      this.#worker?.receive({ type: 'fault', detail: `the broker thread ended: ${error.message}` }),
    )
    thread.once('exit', () => {
      this.#dead = true
      this.#worker?.receive({ type: 'ended' })
    })
    this.#port = port1
    // Only the host writes to the other end.
    port1.on('message', (message: FromBroker) =>
      this.#worker === undefined ? closeUnwanted(message) : this.#worker.receive(message),
    )
    port1.unref()
  }

  /** It ended by itself, and serves nobody any more. */
  get isDead(): boolean {
    return this.#dead
  }

  get incidents(): number {
    return Atomics.load(this.#counters, INCIDENTS)
  }

  command(command: ToBroker): void {
    this.#port.postMessage(command)
    this.#bell.ring()
  }

  attach(worker: Served, command: ToBroker): void {
    this.#worker = worker
    this.#port.ref()
    this.command(command)
  }

  detach(): void {
    this.#worker = undefined
    this.#port.unref()
  }
}
