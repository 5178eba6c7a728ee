/** Reports events, each once, in a bounded amount of memory. */
import {
  eventOf,
  hostKey,
  type HostUse,
  type AccessCause,
  type AccessEvent,
  type AccessOutcome,
  type Mark,
  type OutcomeOf,
  type RefusedEvent,
} from '../policy/event.js'
import type { NamedCall } from '../policy/operations.js'
import type { AccessRequest } from '../policy/request.js'

/** Distinct events that are reported per test file. Beyond, one `overflow` says that there were more. */
const LIMIT = 1000
/** Hidden files that are reported per test file. */
const HINTS = 200

const ACQUIRE: NamedCall = { name: 'acquire', operation: 'acquire' }

export class Incidents {
  readonly #seen = new Set<string>()
  readonly #hints = new Set<string>()
  /**
   * Paths that were not looked at, and may be hidden files. They have a bound of their own, so that they leave room for
   * files that exist.
   */
  readonly #guesses = new Set<string>()

  constructor(
    readonly tell: (event: AccessEvent) => void,
    readonly label: () => Mark | undefined,
  ) {}

  /** Starts over for a new test file: events reported for the one before do not count. */
  reset(): void {
    this.#seen.clear()
    this.#hints.clear()
    this.#guesses.clear()
  }

  /**
   * Reports an outcome. Returns the refusal if it was reported now; undefined if it was reported before, or is no
   * refusal.
   */
  add(call: NamedCall, outcome: AccessOutcome): RefusedEvent | undefined {
    switch (outcome.outcome) {
      case 'allowed':
        return undefined
      case 'hidden':
        this.#hidden(call, outcome)
        return undefined
      case 'denied': {
        const { request, host } = outcome
        const before = firstTry(request)
        if (before !== undefined && this.#seen.has(keyOf(this.label()) + keyOfRequest(before, undefined)))
          return undefined
        return this.#once(keyOfRequest(request, host), call, outcome)
      }
      case 'forbidden':
        return this.#once(`${call.name}:${outcome.why}`, call, outcome)
      case 'undeclared':
        this.#once(`${call.name}:${outcome.name}`, call, outcome)
        return undefined
      default:
        return outcome satisfies never
    }
  }

  /**
   * Reports a hidden file. These have a bound of their own, so that no number of look-ups keeps a violation from being
   * reported.
   */
  #hidden(call: NamedCall, outcome: OutcomeOf<'hidden'>): void {
    const { request, there, unseen, by } = outcome
    // Programs look at directories in passing all the time; a change into one is meant.
    const isMeant =
      there === 'regular' || unseen === true || (there === 'directory' && call.operation === 'change-directory')
    if (!isMeant || request.kind !== 'path' || by !== undefined) return
    const label = this.label()
    const key = `${keyOf(label)}${request.path}`
    const known = unseen === true ? this.#guesses : this.#hints
    if (known.has(key) || known.size >= HINTS) return
    known.add(key)
    this.tell(eventOf(call, outcome, label))
  }

  /** Reports that the test file acquired a name that it has no resource for. */
  undeclared(name: string, near: string | undefined): void {
    this.add(ACQUIRE, { outcome: 'undeclared', name, ...(near === undefined ? {} : { near }) })
  }

  #once<O extends AccessOutcome>(key: string, call: NamedCall, outcome: O): (AccessCause & O) | undefined {
    const label = this.label()
    const full = keyOf(label) + key
    if (this.#seen.has(full) || this.#seen.size > LIMIT) return undefined
    this.#seen.add(full)
    if (this.#seen.size > LIMIT) {
      this.tell({ call: call.name, operation: call.operation, label, outcome: 'overflow' })
      return undefined
    }
    const event = eventOf(call, outcome, label)
    this.tell(event)
    return event
  }
}

function keyOfRequest(request: AccessRequest, host: HostUse | undefined): string {
  const what = request.kind === 'path' ? request.path : JSON.stringify(request.address)
  return `${request.access === 'move' ? 'write' : request.access}:${what}:${hostKey(host)}`
}

/** Where no address is named, Node listens on [::], and on 0.0.0.0 if that fails: lib/net.js, setupListenHandle. */
function firstTry(request: AccessRequest): AccessRequest | undefined {
  if (request.kind !== 'socket' || request.access !== 'listen' || request.address.family !== 'inet') return undefined
  return request.address.host === '0.0.0.0' ? { ...request, address: { ...request.address, host: '::' } } : undefined
}

function keyOf(label: Mark | undefined): string {
  return `${label?.file ?? ''}\0${label?.id ?? ''}\0`
}
