/**
 * Resources that several workers share, as a broker thread sees them: it asks the main thread, which keeps the register
 * (shared-resources.ts), and makes what is not there yet. The threads of a process share one descriptor table, so
 * passing on a number is enough.
 */
import { threadId } from 'node:worker_threads'
import type { BytePath } from '../policy/request.js'
import { OwnedFd } from '../sys/owned-fd.js'
import type { Descriptor } from '../syscalls/ports.js'
import type { FromBroker, ToBroker } from './messages.js'

/** Requests from a broker thread. */
export type SharingRequest =
  /** `ask` names this question, unique among all threads. */
  | { readonly type: 'share'; readonly ask: string; readonly key: string; readonly end: string }
  /** Answers `make`. Without `fd`, it could not be made. For pairs, `end` is the end that its maker has. */
  | {
      readonly type: 'made'
      readonly ask: string
      readonly key: string
      readonly end: string
      readonly fd?: number
      readonly path?: BytePath
      readonly file?: string
    }
  /** The asker is gone: an end of a pair must be closed, and another worker may make what was to be made. */
  | { readonly type: 'unwanted'; readonly ask: string; readonly key: string; readonly fd: number | 'make' }

export interface SharingAnswer {
  readonly type: 'shared'
  readonly ask: string
  readonly key: string
  readonly fd: number | 'make'
  /** The file's identity, for a listener with a path. */
  readonly file?: string
}

export interface PendingSharing {
  /** The answer; undefined while there is none. The caller must close an end of a pair, but not a listener. */
  result(): Descriptor | 'make' | undefined
  /** The identity of a listener's file, once `result` has given the listener. */
  file(): string | undefined
  cancel(): void
  /**
   * Reports what was made, in answer to `make`. This thread may go on using a listener's number; an end of a pair
   * passes to the register.
   */
  made(fd: Descriptor | undefined, place?: { readonly path?: BytePath; readonly file?: string }): void
}

/** The number of questions asked in this thread, for all workers that it has served. */
let asked = 0

export class Sharing {
  readonly #answers = new Map<string, SharingAnswer | undefined>()

  constructor(readonly post: (request: SharingRequest) => void) {}

  ask(key: string, end: string): PendingSharing {
    // No two threads of a process ever have the same id.
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

/** Closes the descriptor of a message that came when its worker was gone. */
export function closeUnwanted(message: FromBroker): void {
  if (message.type === 'unwanted' && message.fd !== 'make') new OwnedFd(message.fd).close()
}

/** Closes the descriptor of a command that came when no worker is served. */
export function closeUndelivered(command: ToBroker): void {
  if (command.type === 'hand-over') new OwnedFd(command.fd).close()
}

export function isPair(key: string): boolean {
  return key.startsWith('pair ')
}
