/**
 * The content of a report as plain data: it is sent in a test file's `meta`, through blobs, and in the JSON files that
 * are merged.
 */

import type { Operation } from '../policy/operations.js'

export const REPORT_VERSION = 2

export type UseAccess = 'look' | 'read' | 'write' | 'execute' | 'connect' | 'listen'

/** One distinct use by a test file: a resource, an access, and the outcome. */
export interface Use {
  readonly access: UseAccess
  /**
   * An absolute path, with `<tmp>` for the worker's own temporary directory; an address as a manifest writes it; or
   * `pair:wire`.
   */
  readonly what: string
  readonly outcome: 'allowed' | 'denied' | 'hidden'
  /** The first system call or Vitest method with this use; `acquire` for a named resource. */
  readonly call: string
  readonly operation: Operation
  /** The place of the entry that covers it: `manifest.read[0]`, `base`. */
  readonly by?: string
  /** The full name of the first test with this use, if one was running. */
  readonly test?: string
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  readonly count: number
}

/** An entry of the manifest that applies to a test file. */
export interface Grant {
  readonly list: string
  /** The entry as written. In the list `resources`, the name. */
  readonly source: string
  readonly at: string
}

/** A descriptor that was opened while a test file ran and was still open at its end. */
export interface Leak {
  readonly kind: 'file' | 'directory' | 'socket' | 'pipe' | 'other'
  /** As in `Use`. For a pipe or an unconnected socket, the text of its link in /proc. */
  readonly what: string
  readonly descriptor: number
  readonly test?: string
  /** Milliseconds since the epoch. */
  readonly opened: number
}

export interface TestFileFacts {
  /** An identifier of the run, and so of the machine: only files of the same run can have met. */
  readonly run: string
  readonly pid: number
  /** Milliseconds since the epoch. */
  readonly began: number
  readonly ended: number
  readonly root: string
  readonly home: string
  readonly uses: readonly Use[]
  /** True if there were more distinct uses than are kept. */
  readonly overflow: boolean
  readonly grants: readonly Grant[]
  /** The number of descriptors that were opened, by kind. */
  readonly opened: { readonly [kind: string]: number }
  readonly leaks: readonly Leak[]
}

interface ReportedDenial {
  readonly call: string
  readonly resource: string
  readonly message: string
  readonly test?: string
  /** The line to write: `read: ['x']`. */
  readonly line?: string
  /** The reason why that line is dangerous. */
  readonly danger?: string
}

export interface ReportFile {
  readonly project: string
  /** Relative to the root of its project. */
  readonly file: string
  readonly state: string
  readonly denials: readonly ReportedDenial[]
  /** None for a file whose worker died before its end. */
  readonly facts?: TestFileFacts
}

/** A test file with the use by which it met others. */
export interface Party {
  readonly project: string
  readonly file: string
  readonly test?: string
  readonly access: UseAccess
  readonly first: number
  readonly last: number
}

/** A place that test files used at the same time, and that at least one of them changed. */
export interface Hazard {
  readonly what: string
  readonly kind: 'write-write' | 'write-read' | 'listen-listen' | 'listen-connect'
  /** In order of time. At most `MOST_PARTIES`. */
  readonly parties: readonly Party[]
  /** The number of further parties. */
  readonly more: number
}

export interface ReportData {
  readonly version: typeof REPORT_VERSION
  readonly files: readonly ReportFile[]
  readonly hazards: readonly Hazard[]
}
