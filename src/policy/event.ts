/**
 * The events of accesses, from the call that asked to the page of the report. A violation (`task.meta.seccomp`), a line of the
 * ledger and a row of the report are views of it. Plain data: it crosses threads and processes.
 */
import type { EntryKind } from './access.js'
import type { Basis } from './decide.js'
import type { NamedCall, Operation } from './operations.js'
import type { AccessRequest, BytePath, DenialReason } from './request.js'

/** The running test, by the word of the worker. */
export interface Mark {
  readonly file: string
  readonly id: string
  readonly test: string
  /** Other tests may run at the same time. */
  readonly concurrent: boolean
}

/** An entry of a manifest as written, and where; of a resource its name. */
interface EntryPlace {
  readonly source: string
  readonly at: string
}

/** The host that a connection is about, by the word of the worker. */
export interface HostUse {
  readonly name: string
  /** `*`: not known yet. */
  readonly port: number | '*'
  /** `asked`: the connection is one to a name server, where the host's address was to be found. */
  readonly stage: 'asked' | 'found'
}

/** As the rows of system calls and the checks of Vitest's methods record it. */
export type AccessOutcome =
  | {
      readonly outcome: 'allowed'
      readonly request: AccessRequest
      /** `base`: every test may. The others: see `Basis`. */
      readonly basis: Basis | 'base'
      /** None for what only audit mode lets through, and for what is the worker's own. */
      readonly by?: EntryPlace
      readonly host?: HostUse
    }
  /** No entry covers it. In audit mode it passed all the same. */
  | {
      readonly outcome: 'denied'
      readonly request: AccessRequest
      readonly reason: DenialReason
      /** The path as the test spelled it, where it differs from the canonical one. */
      readonly asked?: BytePath
      /** The kind of what is there, where that was looked up. */
      readonly there?: EntryKind
      readonly host?: HostUse
    }
  /** A refusal that is part of ordinary life, and no violation: a look outside, a feature probe. `there`: what seemed not to be. */
  | {
      readonly outcome: 'hidden'
      readonly request: AccessRequest
      readonly there?: EntryKind
      /** The entry of `deny` that says so. */
      readonly by?: EntryPlace
    }
  /** Never allowed, whatever the manifest says. */
  | { readonly outcome: 'forbidden'; readonly why: string; readonly violation: boolean }
  /** A resource by a name that is not declared for the test file. `near`: a declared one that is spelled alike. */
  | { readonly outcome: 'undeclared'; readonly name: string; readonly near?: string }

export type AccessEvent = AccessCause & (AccessOutcome | { readonly outcome: 'overflow' })

export interface AccessCause {
  /** The system call or RPC method; `acquire` for a resource. */
  readonly call: string
  readonly operation: Operation
  readonly label: Mark | undefined
  /** Where the call stood. Known only afterwards: the event is told once more, with it. */
  readonly site?: CallSite
}

/** By the word of the worker. */
export interface CallSite {
  /** As V8 writes it. */
  readonly stack: string
  /** The test that the call belongs to, where that says more than what ran at the time. */
  readonly label: Mark | undefined
}

/** An outcome by its name. */
export type OutcomeOf<N extends AccessOutcome['outcome']> = Extract<AccessOutcome, { readonly outcome: N }>

/** A refusal that the test's author sees. */
export type Refusal = OutcomeOf<'denied' | 'forbidden'>
export type RefusedEvent = AccessCause & Refusal

interface Permission {
  readonly rule: (EntryPlace & { readonly reason?: string }) | undefined
  readonly how: Basis
}

/** An entry covers it, or audit mode does. */
export function allowed(request: AccessRequest, { rule, how }: Permission): OutcomeOf<'allowed'> {
  if (rule === undefined) return { outcome: 'allowed', request, basis: how }
  const { source, at, reason } = rule
  return { outcome: 'allowed', request, basis: reason === undefined ? how : 'base', by: { source, at } }
}

export function eventOf<O extends AccessOutcome>(
  { name: call, operation }: NamedCall,
  outcome: O,
  label: Mark | undefined,
): AccessCause & O {
  return { ...outcome, call, operation, label }
}

/** Different for each use of a host. */
export function hostKey(host: HostUse | undefined): string {
  return host === undefined ? '' : `${host.stage}:${host.name}:${host.port}`
}
