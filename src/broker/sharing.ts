/**
 * Resources that several workers have together, as a broker thread sees them: it asks the main thread, which keeps the register
 * (shared-resources.ts), and makes what is not there yet. Descriptors are one number space for all threads of this
 * process, so a number is all that has to be told.
 */
import { threadId } from 'node:worker_threads'
import { OwnedFd } from '../sys/owned-fd.js'
import type { Descriptor } from '../syscalls/ports.js'
import type { FromBroker, ToBroker } from './messages.js'

/** From a broker thread. */
export type SharingRequest =
  /** `ask` names this question among all of all threads. */
  | { readonly type: 'share'; readonly ask: string; readonly key: string; readonly end: string }
  /** In answer to `make`. Without a number it could not be made. For pairs `end` is the one that its maker has. */
  | {
      readonly type: 'made'
      readonly ask: string
      readonly key: string
      readonly end: string
      readonly fd?: number
      readonly path?: string
      readonly file?: string
    }
  /** The asker is gone: an end of a pair is to be closed, and somebody else may make what was to be made. */
  | { readonly type: 'unwanted'; readonly ask: string; readonly key: string; readonly fd: number | 'make' }

export interface SharingAnswer {
  readonly type: 'shared'
  readonly ask: string
  readonly key: string
  readonly fd: number | 'make'
  /** Of a listener with a path: which file it is. */
  readonly file?: string
}

export interface PendingSharing {
  /** Undefined while there is no answer. A pair's end is the caller's to close, a listener is not. */
  result(): Descriptor | 'make' | undefined
  /** Of a listener that there was a result of. */
  file(): string | undefined
  cancel(): void
  /** In answer to `make`. A listener's number stays this thread's to use; an end of a pair goes over to the register. */
  made(fd: Descriptor | undefined, place?: { readonly path?: string; readonly file?: string }): void
}

/** Questions that were asked in this thread, by one worker's broker after the other. */
let asked = 0

export class Sharing {
  readonly #answers = new Map<string, SharingAnswer | undefined>()

  constructor(readonly post: (request: SharingRequest) => void) {}

  ask(key: string, end: string): PendingSharing {
    // No two threads of a process ever have one id.
    const name = `${threadId}:${++asked}`
    this.#answers.set(name, undefined)
    let file: string | undefined
    this.post({ type: 'share', ask: name, key, end })
    return {
      result: () => {
        const answer = this.#answers.get(name)
        if (answer === undefined) return undefined
        this.#answers.delete(name)
        file = answer.file
        return answer.fd === 'make' ? 'make' : new OwnedFd(answer.fd)
      },
      file: () => file,
      cancel: () => {
        const answer = this.#answers.get(name)
        this.#answers.delete(name)
        if (answer !== undefined) this.#return(answer)
      },
      made: (fd, place = {}) => {
        const number = fd instanceof OwnedFd ? fd.number : undefined
        if (isPair(key) && fd instanceof OwnedFd) fd.release()
        this.post({
          type: 'made',
          ask: name,
          key,
          end,
          ...(number === undefined ? {} : { fd: number }),
          ...place,
        })
      },
    }
  }

  receive(answer: SharingAnswer): void {
    if (this.#answers.has(answer.ask)) this.#answers.set(answer.ask, answer)
    else this.#return(answer)
  }

  #return({ ask, key, fd }: SharingAnswer): void {
    // A listener stays the register's own.
    if (fd === 'make' || isPair(key)) this.post({ type: 'unwanted', ask, key, fd })
  }
}

/** Of a message that came when its worker was gone. */
export function closeUnwanted(message: FromBroker): void {
  if (message.type === 'unwanted' && message.fd !== 'make') new OwnedFd(message.fd).close()
}

/** Of a command that came when nobody is served. */
export function closeUndelivered(command: ToBroker): void {
  if (command.type === 'hand-over') new OwnedFd(command.fd).close()
}

export function isPair(key: string): boolean {
  return key.startsWith('pair ')
}
