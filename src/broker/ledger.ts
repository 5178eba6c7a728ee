/**
 * The accesses of a worker, kept per test if the launch asks for it, and handed over in batches: a message for each
 * access would cost more than the access.
 */
import { hostKey, type AccessCause, type AccessOutcome, type Mark, type OutcomeOf } from '../policy/event.js'
import type { NamedCall } from '../policy/operations.js'
import type { Resource } from '../policy/policy.js'
import type { AccessRequest } from '../policy/request.js'
import type { DescriptorSummary } from './descriptors.js'

/** The acquisition of an end of a pair, which can be reached in no other way. */
export interface PairRequest {
  readonly kind: 'pair'
  readonly access: 'pair'
  readonly name: string
}

/**
 * One distinct access of one test, and how often it came: a view of its event, limited to outcomes that a manifest
 * decides.
 */
export interface LedgerLine
  extends
    AccessCause,
    Partial<Pick<OutcomeOf<'denied'>, 'reason' | 'asked' | 'host'>>,
    Partial<Pick<OutcomeOf<'hidden'>, 'there' | 'by'>> {
  readonly outcome: 'allowed' | 'denied' | 'hidden'
  readonly request: AccessRequest | PairRequest
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  readonly count: number
}

/** The content of one batch. Beyond `LIMIT` distinct accesses it only says that there were more. */
export interface Batch {
  /** The descriptors, in the batch at the end of test files. */
  readonly held?: DescriptorSummary
  readonly accesses: readonly LedgerLine[]
  readonly overflow: boolean
}

/** Distinct accesses kept per batch, which is a test file's. */
const LIMIT = 50_000

/** Base grants are the same for every test: only a change through them says something about this one. */
const SILENT: ReadonlySet<string> = new Set(['look', 'list', 'read', 'execute'])

type Counted = { -readonly [K in 'last' | 'count']: LedgerLine[K] } & Omit<LedgerLine, 'last' | 'count'>

export class Ledger {
  #accesses = new Map<string, Counted>()
  #overflow = false

  constructor(readonly label: () => Mark | undefined) {}

  add(call: NamedCall, outcome: AccessOutcome): void {
    switch (outcome.outcome) {
      case 'allowed': {
        if (isSilent(outcome)) return
        const { basis: _, ...line } = outcome
        return this.#count(call, line)
      }
      case 'hidden':
        return outcome.there === undefined ? undefined : this.#count(call, outcome)
      case 'denied':
        return this.#count(call, outcome)
      // No entry of a manifest decides these.
      case 'forbidden':
      case 'undeclared':
        return
      default:
        outcome satisfies never
    }
  }

  acquired({ name, at }: Resource, request: LedgerLine['request']): void {
    const by = { source: name, at }
    this.#count({ name: 'acquire', operation: 'acquire' }, { outcome: 'allowed', request, by })
  }

  #count(
    { name: call, operation }: NamedCall,
    line: Omit<LedgerLine, 'call' | 'operation' | 'label' | 'first' | 'last' | 'count'>,
  ): void {
    const label = this.label()
    const { request, outcome, by, host } = line
    const what =
      request.kind === 'path' ? request.path : request.kind === 'pair' ? request.name : JSON.stringify(request.address)
    const key = `${label?.file ?? ''}\0${label?.id ?? ''}\0${outcome}\0${request.access}\0${by?.at ?? ''}\0${what}\0${hostKey(host)}`
    const known = this.#accesses.get(key)
    const now = Date.now()
    if (known !== undefined) {
      known.last = now
      known.count++
    } else if (this.#accesses.size >= LIMIT) {
      this.#overflow = true
    } else {
      this.#accesses.set(key, { call, operation, ...line, label, first: now, last: now, count: 1 })
    }
  }

  /** Returns the accesses since the last call; undefined if there were none. */
  take(): Batch | undefined {
    if (this.#accesses.size === 0) return undefined
    const batch = { accesses: [...this.#accesses.values()], overflow: this.#overflow }
    this.#accesses = new Map()
    this.#overflow = false
    return batch
  }
}

function isSilent({ basis, request }: OutcomeOf<'allowed'>): boolean {
  return basis === 'ancestor' || (basis === 'base' && SILENT.has(request.access))
}
