/**
 * The events of accesses, from the system call to the page of the report. A violation (`task.meta.seccomp`), a line of
 * the ledger and a row of the report are views of one event. Plain data: it crosses threads and processes.
 */
import type { EntryKind } from './access.js'
import type { Basis } from './decide.js'
import type { NamedCall, Operation } from './operations.js'
import type { AccessRequest, BytePath, DenialReason } from './request.js'

/** The running test, as the worker states it. */
export interface Mark {
  readonly file: string
  readonly id: string
  readonly test: string
  /** True if other tests may run at the same time. */
  readonly concurrent: boolean
}

/** An entry of a manifest as written, and its place. For a resource, `source` is its name. */
interface EntryPlace {
  readonly source: string
  readonly at: string
}

/** The host that a connection is about, as the worker states it. */
export interface HostUse {
  readonly name: string
  /** `*`: the port is not known yet. */
  readonly port: number | '*'
  /** `asked`: the connection goes to a name server, to find the host's address. `found`: it goes to the host. */
  readonly stage: 'asked' | 'found'
}

/** The outcome of an access, as the rows of system calls and the checks of Vitest's methods record it. */
export type AccessOutcome =
  | {
      readonly outcome: 'allowed'
      readonly request: AccessRequest
      /** `base`: every test may do this. For the others see `Basis`. */
      readonly basis: Basis | 'base'
      /** None where only audit mode lets the access through, and none for what is the worker's own. */
      readonly by?: EntryPlace
      readonly host?: HostUse
    }
  /** No entry covers the request. In audit mode it passed all the same. */
  | {
      readonly outcome: 'denied'
      readonly request: AccessRequest
      readonly reason: DenialReason
      /** The path as the test spelled it, where it differs from the canonical one. */
      readonly asked?: BytePath
      /** The kind of the entry at the path, where that was looked up. */
      readonly there?: EntryKind
      /** For an interpreter: the script or program that names it. */
      readonly starts?: BytePath
      readonly host?: HostUse
    }
  /**
   * A refusal that is normal for programs, and no violation: a look outside the grants, a feature probe. `there`: the
   * kind of the entry that was hidden.
   */
  | {
      readonly outcome: 'hidden'
      readonly request: AccessRequest
      readonly there?: EntryKind
      /** True if the disk was not asked, so that it is not known if anything exists there. */
      readonly unseen?: true
      /** The entry of `deny` that refuses it. */
      readonly by?: EntryPlace
    }
  /** A call that is never allowed, whatever the manifest says. */
  | { readonly outcome: 'forbidden'; readonly why: string; readonly violation: boolean }
  /** A resource name that is not declared for the test file. `near`: a declared name with a similar spelling. */
  | { readonly outcome: 'undeclared'; readonly name: string; readonly near?: string }

export type AccessEvent = AccessCause & (AccessOutcome | { readonly outcome: 'overflow' })

export interface AccessCause {
  /** The system call or RPC method; `acquire` for a resource. */
  readonly call: string
  readonly operation: Operation
  readonly label: Mark | undefined
  /**
   * The place of the call in the test's code. It is known only afterwards: the event is then sent once more, with it.
   */
  readonly site?: CallSite
}

/** The place of a call, as the worker states it. */
export interface CallSite {
  /** The stack as V8 writes it. */
  readonly stack: string
  /** The test that made the call, where that is more precise than the test that was running at the time. */
  readonly label: Mark | undefined
}

/** The outcome of a given name. */
export type OutcomeOf<N extends AccessOutcome['outcome']> = Extract<AccessOutcome, { readonly outcome: N }>

/** A refusal that the test's author sees. */
export type Refusal = OutcomeOf<'denied' | 'forbidden'>
export type RefusedEvent = AccessCause & Refusal

interface Permission {
  readonly rule: (EntryPlace & { readonly reason?: string }) | undefined
  readonly how: Basis
}

/** The outcome of a request that an entry covers, or that audit mode lets through. */
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

/** A key that differs for each use of a host. */
export function hostKey(host: HostUse | undefined): string {
  return host === undefined ? '' : `${host.stage}:${host.name}:${host.port}`
}
