/**
 * What a worker used, tried and looked at, kept per test while somebody wants to know, and handed over in batches: a
 * message for each access would cost more than the access.
 */
import type { NamedCall, Operation } from '../policy/operations.js'
import type { Basis, Granted, Resource } from '../policy/policy.js'
import type { AccessRequest, BytePath, DenialReason } from '../policy/request.js'
import type { Mark } from '../protocol.js'
import type { Finding } from '../syscalls/call.js'
import type { EntryKind } from '../syscalls/ports.js'
import type { DescriptorSummary } from './descriptors.js'

/** An end of a pair was acquired, which no other road leads to. */
export interface PairRequest {
  readonly kind: 'pair'
  readonly access: 'pair'
  readonly name: string
}

/** One distinct access of one test. Plain data: it crosses threads. */
export interface Access {
  /** The system call or RPC method that came first; `acquire` for a resource. */
  readonly call: string
  readonly operation: Operation
  readonly request: AccessRequest | PairRequest
  /**
   * `allowed`: an entry covers it. `denied`: none does, and it is a violation; in audit mode it passed all the same. `hidden`:
   * none does, something is there, and it was looked at, which is ENOENT and no violation; in audit mode it was shown.
   */
  readonly outcome: 'allowed' | 'denied' | 'hidden'
  /**
   * The entry that covers it, as written and where, or the resource by its name; none for what is not covered, or is
   * the worker's own.
   */
  readonly by?: { readonly source: string; readonly at: string }
  readonly reason?: DenialReason
  /** The path as the test spelled it, where it differs from the canonical one. */
  readonly asked?: BytePath
  /** What is there, where that was looked up. */
  readonly there?: EntryKind
  /** Which file and test, by the worker's own word. */
  readonly label: Mark | undefined
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  readonly count: number
}

/** What one batch holds. Beyond `LIMIT` distinct accesses it only says so. */
export interface Batch {
  /** Where it is told at the end of test files. */
  readonly held?: DescriptorSummary
  readonly accesses: readonly Access[]
  readonly overflow: boolean
}

/** Distinct accesses kept per batch, which is a test file's. */
const LIMIT = 50_000

/** Base grants are the same for every test; only what is changed through them says something about this one. */
const SILENT: ReadonlySet<string> = new Set(['look', 'list', 'read', 'execute'])

type Counted = { -readonly [K in 'last' | 'count']: Access[K] } & Omit<Access, 'last' | 'count'>

export class Ledger {
  #accesses = new Map<string, Counted>()
  #overflow = false

  constructor(readonly label: () => Mark | undefined) {}

  add(call: NamedCall, finding: Finding): void {
    switch (finding.kind) {
      case 'used': {
        const { request, granted } = finding
        if (isSilent(granted, request)) return
        const { rule } = granted
        return this.#count(
          call,
          request,
          'allowed',
          rule === undefined ? {} : { by: { source: rule.source, at: rule.at } },
        )
      }
      case 'quiet': {
        const { request, there, by } = finding
        return there === undefined
          ? undefined
          : this.#count(call, request, 'hidden', { there, ...(by === undefined ? {} : { by }) })
      }
      case 'violation': {
        const { request, reason, asked, there } = finding
        return this.#count(call, request, 'denied', {
          reason,
          ...(asked === undefined ? {} : { asked }),
          ...(there === undefined ? {} : { there }),
        })
      }
      // Nothing in a manifest is about these.
      case 'forbidden':
        return
      default:
        finding satisfies never
    }
  }

  acquired({ name, at }: Resource, request: AccessRequest | PairRequest): void {
    this.#count({ name: 'acquire', operation: 'acquire' }, request, 'allowed', { by: { source: name, at } })
  }

  #count(
    { name: call, operation }: NamedCall,
    request: Access['request'],
    outcome: Access['outcome'],
    rest: Pick<Access, 'by' | 'reason' | 'asked' | 'there'>,
  ): void {
    const label = this.label()
    const what =
      request.kind === 'path' ? request.path : request.kind === 'pair' ? request.name : JSON.stringify(request.address)
    const key = `${label?.file ?? ''}\0${label?.id ?? ''}\0${outcome}\0${request.access}\0${rest.by?.at ?? ''}\0${what}`
    const known = this.#accesses.get(key)
    const now = Date.now()
    if (known !== undefined) {
      known.last = now
      known.count++
    } else if (this.#accesses.size >= LIMIT) {
      this.#overflow = true
    } else {
      this.#accesses.set(key, { call, operation, request, outcome, ...rest, label, first: now, last: now, count: 1 })
    }
  }

  /** What came since this was last asked; undefined where nothing did. */
  take(): Batch | undefined {
    if (this.#accesses.size === 0) return undefined
    const batch = { accesses: [...this.#accesses.values()], overflow: this.#overflow }
    this.#accesses = new Map()
    this.#overflow = false
    return batch
  }
}

function isSilent(
  { rule, how }: { readonly rule: Granted['rule'] | Granted<AccessRequest>['rule']; readonly how: Basis },
  request: AccessRequest,
): boolean {
  return how === 'ancestor' || (rule?.reason !== undefined && SILENT.has(request.access))
}
