/** The stage of the conversation between a worker and Vitest, which decides the messages that the worker may send. */
import { ProtocolError } from '../../errors.js'
import type { ResponseType } from './message.js'

type Said =
  | { readonly kind: 'answer'; readonly id: string; readonly failed: boolean; readonly result: unknown }
  | { readonly kind: 'other' }

/** The response to each request. */
const ANSWERS: { readonly [type: string]: ResponseType } = {
  start: 'started',
  run: 'testfileFinished',
  collect: 'testfileFinished',
  stop: 'stopped',
}

export class Stage {
  /** The number of due responses of each type. */
  readonly #due: { [type in ResponseType]: number } = { started: 0, testfileFinished: 0, stopped: 0 }
  #runs = false
  /** Requests of Vitest that wait for the worker's answer. */
  readonly #asked = new Set<string>()

  outgoing(message: unknown): Said {
    if (!(message instanceof Object)) return { kind: 'other' }
    if ('__vitest_worker_request__' in message && 'type' in message) {
      const due = Object.hasOwn(ANSWERS, String(message.type)) ? ANSWERS[String(message.type)] : undefined
      if (due !== undefined) this.#due[due]++
      if (due === 'testfileFinished') this.#runs = message.type === 'run'
      return { kind: 'other' }
    }
    if (!('t' in message) || !('i' in message) || typeof message.i !== 'string') return { kind: 'other' }
    if (message.t === 'q') this.#asked.add(message.i)
    if (message.t !== 's') return { kind: 'other' }
    return {
      kind: 'answer',
      id: message.i,
      failed: 'e' in message && message.e !== undefined,
      result: 'r' in message ? message.r : undefined,
    }
  }

  /** True if Vitest waits for this response. */
  isDue(type: ResponseType): boolean {
    return this.#due[type] > 0
  }

  /** True if tests run; false if they are only collected. */
  get runs(): boolean {
    return this.#runs
  }

  response(type: ResponseType): void {
    if (this.#due[type] === 0) throw new ProtocolError(`'${type}', which nothing asked for`)
    this.#due[type]--
  }

  answered(id: string): void {
    if (!this.#asked.delete(id)) throw new ProtocolError('an answer to a request that nobody made')
  }
}
