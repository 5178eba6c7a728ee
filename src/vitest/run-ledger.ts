/** Every access of a run by project and test file, for whoever writes something about it when the run ends. */
import type { TestProject, Vitest } from 'vitest/node'
import type { OpenDescriptor } from '../broker/descriptors.js'
import type { Batch, LedgerLine } from '../broker/ledger.js'
import type { ParsedOptions } from '../policy/manifest.js'

/** The accesses of one test file the last time that it ran. One of two projects has an entry for each. */
export interface FileAccesses {
  readonly project: TestProject
  /** Absolute. */
  readonly file: string
  /** The process that ran it. */
  readonly pid: number
  /** The worker's private temporary directory: `<tmp>` of its manifest. */
  readonly tmp: string
  /** Milliseconds since the epoch. */
  readonly began: number
  readonly accesses: LedgerLine[]
  /** There were more distinct accesses than are kept. */
  overflow: boolean
  /** When it was through; none for one that died before. */
  ended?: number
  /** How many descriptors were opened, by kind, and which were left open. */
  opened: { readonly [kind: string]: number }
  readonly left: OpenDescriptor[]
}

/** True if these options ask for anything that is made from the ledger. */
export function wantsLedger(options: ParsedOptions): boolean {
  return options.mode === 'audit' || options.report !== undefined || options.leaks !== 'off'
}

class RunLedger {
  readonly #files = new Map<string, FileAccesses>()

  /** Forgets an earlier run of the file. */
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

/** One worker's part of it. */
export class WorkerLedger {
  #files = new Map<string, FileAccesses>()
  /** Before the first file is known: the environment is loaded then. */
  #early: Batch[] = []

  constructor(
    readonly project: TestProject,
    readonly tmp: string,
  ) {}

  /** The worker, of this process id, is about to run these files. */
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
      // The file by the worker's own word, where it runs several; only the ledger depends on it.
      const entry = this.#files.get(access.label?.file ?? '') ?? first
      entry.accesses.push(access)
    }
    if (batch.held !== undefined) {
      first.opened = batch.held.opened
      for (const open of batch.held.open) (this.#files.get(open.label?.file ?? '') ?? first).left.push(open)
    }
    if (batch.overflow) for (const entry of this.#files.values()) entry.overflow = true
  }

  /** The files are through: each with what it used and left. */
  ended(): readonly FileAccesses[] {
    const entries = [...this.#files.values()]
    for (const entry of entries) entry.ended = Date.now()
    return entries
  }

  /** As far as is known now. */
  get entries(): readonly FileAccesses[] {
    return [...this.#files.values()]
  }
}
