/**
 * Which refusal a stack belongs to that the worker tells. It can only tell it afterwards: while the broker decides, the
 * calling thread stands still.
 */
import type { Operation } from '../policy/operations.js'
import type { Refusal } from '../syscalls/call.js'
import type { RefusedIncident } from './messages.js'

export type TraceKind = 'call' | 'program'

export class Traces {
  readonly #last = new Map<TraceKind, RefusedIncident>()

  /** `told`: undefined where the same was told before; a stack that comes then is no news. */
  refused(operation: Operation, byMainThread: boolean, finding: Refusal, told: RefusedIncident | undefined): void {
    // The thread that runs a program is a child's by then; its parent waits for it.
    const kind = operation === 'run' ? 'program' : byMainThread ? 'call' : undefined
    if (kind === undefined) return
    if (told !== undefined) this.#last.set(kind, told)
    // A search along PATH, or a second try, within the one call of JavaScript.
    else if (!isSame(this.#last.get(kind), finding)) this.#last.delete(kind)
  }

  /** A refusal gets one stack. */
  take(kind: TraceKind): RefusedIncident | undefined {
    const last = this.#last.get(kind)
    this.#last.delete(kind)
    return last
  }
}

function isSame(last: RefusedIncident | undefined, finding: Refusal): boolean {
  if (last?.kind !== 'violation' || finding.kind !== 'violation') return false
  const [a, b] = [last.request, finding.request]
  return a.kind === 'path' && b.kind === 'path' && a.path === b.path
}
