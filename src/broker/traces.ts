/**
 * Finds the refusal that a stack of the worker's belongs to. The worker can only tell it afterwards: while the broker decides, the
 * calling thread stands still.
 */
import type { Refusal, RefusedEvent } from '../policy/event.js'
import type { Operation } from '../policy/operations.js'
import { showPath } from '../policy/request.js'
import type { Trace } from '../protocol.js'

type TraceKind = Trace['kind']

/** Of threads that are not asked: how many refusals wait for their stacks. */
const MOST_LATER = 64

/** `host:port`, as a `connect` entry has it. */
const HOST = /^\w[\w.-]{0,252}:(?:\d{1,5}|\*)$/
/** Look-ups under way that are kept apart. */
const MOST_LOOKUPS = 50

export class Traces {
  /** By their paths as they were spelled. */
  readonly #later = new Map<string, RefusedEvent>()
  readonly #last = new Map<TraceKind, RefusedEvent>()
  #lookups: string[] = []
  #asked: { readonly hosts: readonly string[]; readonly test: string | undefined } = { hosts: [], test: undefined }

  /** The worker is about to look this up. */
  lookup(host: string): void {
    if (HOST.test(host) && this.#lookups.length < MOST_LOOKUPS) this.#lookups.push(host)
  }

  /** The hosts that a name server is being asked for by this test. libc asks more than once. */
  hosts(test: string | undefined): readonly string[] {
    if (this.#lookups.length > 0) this.#asked = { hosts: [...new Set(this.#lookups)], test }
    this.#lookups = []
    return this.#asked.test === test ? this.#asked.hosts : []
  }

  /** `told`: undefined where the same was told before; a stack that comes then is no news. */
  refused(operation: Operation, byMainThread: boolean, refusal: Refusal, told: RefusedEvent | undefined): void {
    // The thread that runs a program is a child's by then; its parent waits for it.
    const kind = operation === 'run' ? 'program' : byMainThread ? 'call' : undefined
    if (kind === undefined) return this.#keepForLater(told)
    if (told !== undefined) this.#last.set(kind, told)
    // A search along PATH, or a second try, within the one call of JavaScript.
    else if (!isSame(this.#last.get(kind), refusal)) this.#last.delete(kind)
  }

  #keepForLater(told: RefusedEvent | undefined): void {
    if (told?.outcome !== 'denied' || told.request.kind !== 'path') return
    const [oldest] = this.#later.keys()
    if (oldest !== undefined && this.#later.size >= MOST_LATER) this.#later.delete(oldest)
    this.#later.set(showPath(told.asked ?? told.request.path), told)
  }

  /** A refusal gets one stack. */
  take(kind: TraceKind, path = ''): RefusedEvent | undefined {
    if (kind === 'later') {
      const later = this.#later.get(path)
      this.#later.delete(path)
      return later
    }
    const last = this.#last.get(kind)
    this.#last.delete(kind)
    return last
  }
}

function isSame(last: RefusedEvent | undefined, refusal: Refusal): boolean {
  if (last?.outcome !== 'denied' || refusal.outcome !== 'denied') return false
  const [a, b] = [last.request, refusal.request]
  return a.kind === 'path' && b.kind === 'path' && a.path === b.path
}
