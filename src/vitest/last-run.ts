/**
 * The refusals of the last run, kept for `vitest-seccomp accept`. They are kept in `node_modules`, where no test may
 * write.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileViolations } from './allowance.js'
import type { Violation } from './violations.js'
import { writeSafely } from './write-safely.js'

const LAST_RUN_VERSION = 1

interface LastRun {
  readonly version: typeof LAST_RUN_VERSION
  readonly projects: readonly RefusedProject[]
}

export interface RefusedProject {
  readonly name: string
  readonly root: string
  /** The path as written in the config. */
  readonly manifestFile?: string
  readonly filesInRun: number
  readonly files: readonly RefusedFile[]
}

export interface RefusedFile {
  /** Relative to the root. */
  readonly file: string
  readonly suggestions: readonly NonNullable<Violation['suggestion']>[]
}

function placeOf(root: string): string | undefined {
  const modules = join(root, 'node_modules')
  return existsSync(modules) ? join(modules, '.vitest-seccomp', 'last-run.json') : undefined
}

/** The refusals of the last run; undefined if there were none, or if none were kept. */
export function readLastRun(root: string): LastRun | undefined {
  const path = placeOf(root)
  if (path === undefined || !existsSync(path)) return undefined
  const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const isOurs = found instanceof Object && 'version' in found && found.version === LAST_RUN_VERSION
  // keepLastRun of this version wrote it.
  return isOurs ? (found as LastRun) : undefined
}

/** Keeps the refusals of a run. A run without refusals writes no file, but clears that of an earlier run. */
export function keepLastRun(root: string, projects: readonly RefusedProject[]): void {
  const path = placeOf(root)
  if (path === undefined || (projects.length === 0 && !existsSync(path))) return
  const kept: LastRun = { version: LAST_RUN_VERSION, projects }
  writeSafely(path, JSON.stringify(kept))
}

export function refusedFiles(refused: readonly FileViolations[]): readonly RefusedFile[] {
  return refused
    .map(({ file, violations }) => ({
      file,
      suggestions: violations.flatMap(({ suggestion }) => (suggestion === undefined ? [] : [suggestion])),
    }))
    .filter(({ suggestions }) => suggestions.length > 0)
}
