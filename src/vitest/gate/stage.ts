/** How far a worker and Vitest are with each other: what may be said depends on it. */
import { ProtocolError } from '../../errors.js'
import type { ResponseType } from './message.js'

type Said =
  | { readonly kind: 'answer'; readonly id: string; readonly failed: boolean; readonly result: unknown }
  | { readonly kind: 'other' }

/** The request that each response answers. */
const ANSWERS: { readonly [type: string]: ResponseType } = {
  start: 'started',
  run: 'testfileFinished',
  collect: 'testfileFinished',
  stop: 'stopped',
}

export class Stage {
  /** How many responses of each type are due. */
  readonly #due: { [type in ResponseType]: number } = { started: 0, testfileFinished: 0, stopped: 0 }
  #runs = false
  /** Requests of Vitest's own that wait for the worker's answer. */
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

  /** True if tests run, as opposed to being collected only. */
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
