/** What would have allowed everything that a run refused: one block for the config. */
import { listKeys } from '../policy/lists.js'
import type { Manifest, ManifestFile } from '../policy/manifest.js'
import { optionsText } from '../policy/print.js'
import type { Violation } from './violations.js'

export interface FileViolations {
  /** Relative to the root, as the keys of `files` are. */
  readonly file: string
  readonly violations: readonly Violation[]
}

export interface Allowance extends ManifestFile {
  /** What has to go instead: `remove '!x/' from read`. */
  readonly removals: readonly string[]
}

/**
 * All suggestions, merged and sorted. What every one of several files needs goes into `manifest`, and so does everything where
 * one file was all that ran; what only some need goes into `files`, so that no test is granted what another asked for.
 */
export function allowanceOf(refused: readonly FileViolations[], filesInRun: number): Allowance {
  const needs = refused
    .map(({ file, violations }) => ({ file, entries: entriesOf(violations) }))
    .filter(({ entries }) => entries.size > 0)
  const isShared = (entry: string): boolean =>
    (needs.length > 1 || filesInRun === 1) && needs.every(({ entries }) => entries.has(entry))
  const all = new Map(needs.flatMap(({ entries }) => [...entries]))
  const shared = [...all].filter(([key]) => isShared(key)).map(([, entry]) => entry)
  const own = needs.map(
    ({ file, entries }) =>
      [globFor(file), manifestOf([...entries].filter(([key]) => !isShared(key)).map(([, entry]) => entry))] as const,
  )
  const removals = refused
    .flatMap(({ violations }) => violations)
    .flatMap(({ suggestion }) => (suggestion !== undefined && isRemoval(suggestion) ? [suggestion.line] : []))
  return {
    manifest: manifestOf(shared),
    files: Object.fromEntries(
      own.filter(([, manifest]) => Object.keys(manifest).length > 0).sort(([a], [b]) => compare(a, b)),
    ),
    removals: [...new Set(removals)].sort(compare),
  }
}

type Suggestion = NonNullable<Violation['suggestion']>

function entriesOf(violations: readonly Violation[]): ReadonlyMap<string, Suggestion> {
  const toAdd = violations.flatMap(({ suggestion }) =>
    suggestion === undefined || isRemoval(suggestion) ? [] : [suggestion],
  )
  return new Map(toAdd.map((suggestion) => [`${suggestion.key} ${suggestion.entry}`, suggestion]))
}

function isRemoval({ line }: Suggestion): boolean {
  return line.startsWith('remove ')
}

function manifestOf(suggestions: readonly Suggestion[]): Manifest {
  const lists = listKeys.map(
    (key) =>
      [key, outermost(suggestions.filter((one) => one.key === key).map(({ entry }) => entry)).sort(compare)] as const,
  )
  return Object.fromEntries(lists.filter(([, entries]) => entries.length > 0))
}

/** Without what lies in a tree that is among them. */
function outermost(entries: readonly string[]): string[] {
  const trees = entries.filter((entry) => entry.endsWith('/'))
  return entries.filter((entry) => !trees.some((tree) => tree !== entry && entry.startsWith(tree)))
}

/** A test file's own name, where it has characters that a glob would take for its own. */
function globFor(file: string): string {
  return file.replace(/[*?{}\\]|(?<=[@!+])\(/g, '?').replace(/\[/g, '[[]')
}

/** By code unit: the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The text at the end of a run; undefined where nothing was refused. */
export function allowanceText(
  refused: readonly FileViolations[],
  filesInRun: number,
  project: string,
): string | undefined {
  const count = refused.reduce((sum, { violations }) => sum + violations.length, 0)
  if (count === 0) return undefined
  const { removals, ...options } = allowanceOf(refused, filesInRun)
  const block = optionsText(options, '    ')
  const where = `${counted(count, 'violation')} in ${counted(refused.filter(({ violations }) => violations.length > 0).length, 'test file')}`
  return [
    ` seccomp  ${where}${project === '' ? '' : ` of project ${project}`}`,
    ...(block === ''
      ? []
      : [
          '  To allow all of it (read it first: each line opens something), merge into the options of seccomp():',
          '',
          block,
        ]),
    ...(removals.length === 0 ? [] : ['', '  and', ...removals.map((line) => `    ${line}`)]),
    ...(block === '' && removals.length === 0 ? ['  Nothing in a manifest allows it.'] : []),
    '',
  ].join('\n')
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
