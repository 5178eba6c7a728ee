/** Every access of a run by project and test file, for all parts that report on it when the run ends. */
import type { TestProject, Vitest } from 'vitest/node'
import type { OpenDescriptor } from '../broker/descriptors.js'
import type { Batch, LedgerLine } from '../broker/ledger.js'
import type { ParsedOptions } from '../policy/manifest.js'

/** The accesses of one test file in its last run. A file of two projects has an entry for each. */
export interface FileAccesses {
  readonly project: TestProject
  /** The absolute path. */
  readonly file: string
  /** The process that ran the file. */
  readonly pid: number
  /** The worker's private temporary directory: `<tmp>` of its manifest. */
  readonly tmp: string
  /** Milliseconds since the epoch. */
  readonly began: number
  readonly accesses: LedgerLine[]
  /** True if there were more distinct accesses than are kept. */
  overflow: boolean
  /** The time at which the file ended; none if its worker died before. */
  ended?: number
  /** The number of descriptors that were opened, by kind, and those that were left open. */
  opened: { readonly [kind: string]: number }
  readonly left: OpenDescriptor[]
}

/** True if the options ask for anything that is made from the ledger. */
export function wantsLedger(options: ParsedOptions): boolean {
  return options.mode === 'audit' || options.report !== undefined || options.leaks !== 'off'
}

class RunLedger {
  readonly #files = new Map<string, FileAccesses>()

  /** Begins a file's entry, and drops the one of an earlier run. */
  begin(entry: FileAccesses): void {
    this.#files.set(`${entry.project.name}\0${entry.file}`, entry)
  }

  get files(): readonly FileAccesses[] {
    return [...this.#files.values()]
  }
}

const ledgers = new WeakMap<Vitest, RunLedger>()

export function ledgerOf(vitest: Vitest): RunLedger {
  const known = ledgers.get(vitest)
  if (known !== undefined) return known
  const made = new RunLedger()
  ledgers.set(vitest, made)
  return made
}

/** One worker's part of the ledger. */
export class WorkerLedger {
  #files = new Map<string, FileAccesses>()
  /** Accesses from before the first file is known, when the environment is loaded. */
  #early: Batch[] = []

  constructor(
    readonly project: TestProject,
    readonly tmp: string,
  ) {}

  /** Notes that the worker with this process id is about to run these files. */
  begin(files: readonly string[], pid: number): void {
    const { project, tmp } = this
    const run = ledgerOf(project.vitest)
    this.#files = new Map(
      files.map((file) => [
        file,
        { project, file, pid, tmp, began: Date.now(), accesses: [], overflow: false, opened: {}, left: [] },
      ]),
    )
    for (const entry of this.#files.values()) run.begin(entry)
    for (const batch of this.#early.splice(0)) this.add(batch)
  }

  add(batch: Batch | undefined): void {
    if (batch === undefined) return
    const [first] = this.#files.values()
    if (first === undefined) return void this.#early.push(batch)
    for (const access of batch.accesses) {
      // Where the worker runs several files, it names the file itself. Only the ledger depends on that.
      const entry = this.#files.get(access.label?.file ?? '') ?? first
      entry.accesses.push(access)
    }
    if (batch.held !== undefined) {
      first.opened = batch.held.opened
      for (const open of batch.held.open) (this.#files.get(open.label?.file ?? '') ?? first).left.push(open)
    }
    if (batch.overflow) for (const entry of this.#files.values()) entry.overflow = true
  }

  /** Ends the entries of the files. */
  ended(): readonly FileAccesses[] {
    const entries = [...this.#files.values()]
    for (const entry of entries) entry.ended = Date.now()
    return entries
  }

  /** The entries so far. */
  get entries(): readonly FileAccesses[] {
    return [...this.#files.values()]
  }
}
