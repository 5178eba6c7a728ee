/** Outcomes of a call, and the worker as a check sees it. */
import type { AccessOutcome, Refusal } from '../../policy/event.js'
import type { Policy } from '../../policy/policy.js'
import type { GateEnvironment, GateProject } from './project.js'
import type { ModuleReads } from './reads.js'
import type { Writes } from './writes.js'

export type GateOutcome =
  /**
   * Vitest gets the call, with arguments that the check made or let through. `after`: what the worker gets of its
   * answer.
   */
  | { readonly to: 'vitest'; readonly args: readonly unknown[]; readonly after?: After }
  /** The gate answers; Vitest never hears of it. */
  | { readonly to: 'worker'; readonly reply: Replied }

/** For an answer, not for an error that Vitest answers with. */
export type After = (result: unknown) => Replied | Promise<Replied>

export type Replied =
  | { readonly result: unknown }
  /** `as`: what was refused, where it is not the call itself. */
  | { readonly refused: Refusal; readonly as?: string }
  /** A failure that is nobody's violation, such as a file that does not exist. */
  | { readonly failed: unknown }

export interface GateWorker {
  readonly project: GateProject
  /** In force now. */
  readonly policy: Policy
  /** The same without what every worker may use. */
  readonly manifest: Policy
  readonly writes: Writes
  /** One of Vite's in which tests of this worker run. */
  readonly environment: (name: string) => GateEnvironment | undefined
  /** The test files of the current run message. */
  readonly files: ReadonlySet<string>
  /** Those of earlier ones, too: what they still say late is dropped without a word. */
  readonly everRan: ReadonlySet<string>
  /** Recorded beside the call itself: what is let through in audit mode, and what Vite was kept from reading. */
  readonly note: (refused: Refusal) => void
  /** It gets a module for which this and that may be read. */
  readonly asks: (reads: ModuleReads, id: string) => void
  /** Notes an access that an entry covers: for the ledger. */
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

/** The refusal of what no entry of a manifest can allow. */
export function forbidden(why: string): Refusal {
  return { outcome: 'forbidden', why, violation: true }
}
