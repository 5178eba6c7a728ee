/** The outcomes of a call, and a check's view of the worker. */
import type { AccessOutcome, Refusal } from '../../policy/event.js'
import type { Exclusions, Policy } from '../../policy/policy.js'
import type { GateEnvironment, GateProject } from './project.js'
import type { ModuleReads } from './reads.js'
import type { Writes } from './writes.js'

export type GateOutcome =
  /**
   * Vitest gets the call, with arguments that the check made or accepted. `after` makes the worker's answer from
   * Vitest's, `failed` its error from Vitest's.
   */
  | { readonly to: 'vitest'; readonly args: readonly unknown[]; readonly after?: After; readonly failed?: Failed }
  /** The gate answers, and Vitest does not get the call. */
  | { readonly to: 'worker'; readonly reply: Replied }

/** Applied to a result, not to an error that Vitest answers with. */
export type After = (result: unknown) => Replied | Promise<Replied>
export type Failed = (error: unknown) => unknown

export type Replied =
  | { readonly result: unknown }
  /** `as`: the name of what was refused, if it is not the call itself. */
  | { readonly refused: Refusal; readonly as?: string }
  /** A failure that is no violation, such as a missing file. */
  | { readonly failed: unknown }

export interface GateWorker {
  readonly project: GateProject
  /** The policy in force now. */
  readonly policy: Policy
  /** The same policy without the base grants. */
  readonly manifest: Policy
  /** The files that this policy excludes from reading. */
  readonly excluded: Exclusions
  readonly writes: Writes
  /** A Vite environment in which tests of this worker run. */
  readonly environment: (name: string) => GateEnvironment | undefined
  /** The test files of the current run message. */
  readonly files: ReadonlySet<string>
  /** Those of earlier run messages as well. Late reports about them are silently dropped. */
  readonly everRan: ReadonlySet<string>
  /**
   * Records a refusal besides the call itself: an access that audit mode let through, or a read that Vite was refused.
   */
  readonly note: (refused: Refusal) => void
  /** Notes that the worker requests a module, so that reads for it are judged for this worker. */
  readonly asks: (reads: ModuleReads, id: string) => void
  /** Notes an access that an entry covers, for the ledger. */
  readonly used: (used: AccessOutcome) => void
}

export type Check = (args: readonly unknown[], worker: GateWorker) => GateOutcome | Promise<GateOutcome>

export function pass(args: readonly unknown[], after?: After): GateOutcome {
  return { to: 'vitest', args, ...(after === undefined ? {} : { after }) }
}

export function answer(result: unknown): GateOutcome {
  return { to: 'worker', reply: { result } }
}

export function refuse(refused: Refusal, as?: string): GateOutcome {
  return { to: 'worker', reply: { refused, ...(as === undefined ? {} : { as }) } }
}

export function fail(failed: unknown): GateOutcome {
  return { to: 'worker', reply: { failed } }
}

/** A refusal that no entry of a manifest can lift. */
export function forbidden(why: string): Refusal {
  return { outcome: 'forbidden', why, violation: true }
}
