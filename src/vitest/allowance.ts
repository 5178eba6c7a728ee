/** The entries that would have allowed everything that a run refused, as one block for the config. */
import { listKeys } from '../policy/lists.js'
import type { Manifest, ManifestFile } from '../policy/manifest.js'
import { optionsText } from '../policy/print.js'
import type { Violation } from './violations.js'

export interface FileViolations {
  /** Relative to the root, like the keys of `files`. */
  readonly file: string
  readonly violations: readonly Violation[]
}

interface Allowance extends ManifestFile {
  /** Lines that remove an entry instead of adding one: `remove '!x/' from read`. */
  readonly removals: readonly string[]
  /** The entries that are left out of the rest because they are dangerous. */
  readonly dangers: readonly Dangerous[]
}

export interface Dangerous {
  readonly line: string
  readonly why: string
  readonly files: readonly string[]
}

/**
 * All suggestions, merged and sorted. Entries that each of several files needs go into `manifest`, and so do all
 * entries where only one file ran. Entries that only some files need go into `files`, so that no test is granted what
 * another asked for. An entry that five or more need goes to the directory that they share.
 */
export function allowanceOf(refused: readonly FileViolations[], filesInRun: number): Allowance {
  const needs = refused
    .map(({ file, violations }) => ({ file, entries: entriesOf(violations) }))
    .filter(({ entries }) => entries.size > 0)
  const byPlace = new Map<string, ViolationSuggestion[]>()
  for (const [key, entry] of new Map(needs.flatMap(({ entries }) => [...entries]))) {
    const users = needs.filter(({ entries }) => entries.has(key)).map(({ file }) => file)
    const isShared = users.length === needs.length && (needs.length > 1 || filesInRun === 1)
    for (const place of isShared ? [''] : placesOf(users)) byPlace.set(place, [...(byPlace.get(place) ?? []), entry])
  }
  const shared = byPlace.get('') ?? []
  byPlace.delete('')
  const own = [...byPlace].map(([glob, entries]) => [glob, manifestOf(entries)] as const)
  const removals = refused
    .flatMap(({ violations }) => violations)
    .flatMap(({ suggestion }) =>
      suggestion !== undefined && isRemoval(suggestion) && suggestion.danger === undefined ? [suggestion.line] : [],
    )
  return {
    manifest: manifestOf(shared),
    files: Object.fromEntries(
      own.filter(([, manifest]) => Object.keys(manifest).length > 0).sort(([a], [b]) => compare(a, b)),
    ),
    removals: [...new Set(removals)].sort(compare),
    dangers: dangersIn(refused),
  }
}

/** From this number of test files on, the same line under each of them would hide the other lines. */
const REPEATED = 5

/** The keys of `files` for an entry; '' for all test files. */
function placesOf(users: readonly string[]): readonly string[] {
  if (users.length < REPEATED) return users.map(globFor)
  const [first = [], ...others] = users.map((file) => file.split('/').slice(0, -1))
  const end = first.findIndex((name, index) => others.some((dirs) => dirs[index] !== name))
  const common = end < 0 ? first : first.slice(0, end)
  return common.length === 0 ? [''] : [`${globFor(common.join('/'))}/**`]
}

function dangersIn(refused: readonly FileViolations[]): readonly Dangerous[] {
  const found = new Map<string, { readonly why: string; readonly files: Set<string> }>()
  for (const { file, violations } of refused)
    for (const { suggestion } of violations) {
      if (suggestion?.danger === undefined) continue
      const known = found.get(suggestion.line) ?? { why: suggestion.danger, files: new Set<string>() }
      known.files.add(file)
      found.set(suggestion.line, known)
    }
  return [...found]
    .map(([line, { why, files }]) => ({ line, why, files: [...files].sort(compare) }))
    .sort((a, b) => compare(a.line, b.line))
}

type ViolationSuggestion = NonNullable<Violation['suggestion']>

function entriesOf(violations: readonly Violation[]): ReadonlyMap<string, ViolationSuggestion> {
  const toAdd = violations.flatMap(({ suggestion }) =>
    suggestion === undefined || isRemoval(suggestion) || suggestion.danger !== undefined ? [] : [suggestion],
  )
  return new Map(toAdd.map((suggestion) => [`${suggestion.key} ${suggestion.entry}`, suggestion]))
}

function isRemoval({ line }: ViolationSuggestion): boolean {
  return line.startsWith('remove ')
}

function manifestOf(suggestions: readonly ViolationSuggestion[]): Manifest {
  const lists = listKeys.map(
    (key) =>
      [key, outermost(suggestions.filter((one) => one.key === key).map(({ entry }) => entry)).sort(compare)] as const,
  )
  const written = lists.flatMap(([key, entries]) => (key === 'write' ? entries : []))
  const isWritten = (entry: string): boolean =>
    written.some((one) => one === entry || (one.endsWith('/') && entry.startsWith(one)))
  // `write` includes reading.
  const needed = lists.map(
    ([key, entries]) => [key, key === 'read' ? entries.filter((entry) => !isWritten(entry)) : entries] as const,
  )
  return Object.fromEntries(needed.filter(([, entries]) => entries.length > 0))
}

/** The entries without those that lie in a tree among them. */
function outermost(entries: readonly string[]): string[] {
  const trees = entries.filter((entry) => entry.endsWith('/'))
  return entries.filter((entry) => !trees.some((tree) => tree !== entry && entry.startsWith(tree)))
}

/** A glob that matches one test file: glob characters in its name become `?` or `[[]`. */
function globFor(file: string): string {
  return file.replace(/[*?{}\\]|(?<=[@!+])\(/g, '?').replace(/\[/g, '[[]')
}

/** Compares by code unit, so the order is the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The place where the entries are to be written. */
interface AllowancePlace {
  readonly manifestFile?: string | undefined
  readonly options?: string
}

/** The text at the end of a run; undefined where nothing was refused. */
export function allowanceText(
  refused: readonly FileViolations[],
  filesInRun: number,
  project: string,
  { manifestFile, options: place = 'the options of seccomp()' }: AllowancePlace = {},
): string | undefined {
  const count = refused.reduce((sum, { violations }) => sum + violations.length, 0)
  if (count === 0) return undefined
  const { removals, dangers, ...options } = allowanceOf(refused, filesInRun)
  const block = optionsText(options, '    ')
  const where = `${counted(count, 'violation')} in ${counted(refused.filter(({ violations }) => violations.length > 0).length, 'test file')}`
  return [
    ` seccomp  ${where}${project === '' ? '' : ` of project ${project}`}`,
    ...(block === ''
      ? []
      : [
          `  To allow ${dangers.length === 0 ? 'all of it' : 'what is not dangerous'} (read it first: each line opens something), ${
            manifestFile === undefined
              ? `merge into ${place}:`
              : `npx vitest-seccomp accept --all adds to ${manifestFile}:`
          }`,
          '',
          block,
        ]),
    ...(removals.length === 0 ? [] : ['', '  and', ...removals.map((line) => `    ${line}`)]),
    ...dangersText(dangers, block === '' ? 'all there is' : 'more'),
    ...resourcesText(refused),
    ...(block === '' && removals.length === 0 && dangers.length === 0 && !hasResources(refused)
      ? ['  Nothing in a manifest allows it.']
      : []),
    '',
  ].join('\n')
}

function hasResources(refused: readonly FileViolations[]): boolean {
  return refused.some(({ violations }) => violations.some(({ access }) => access === 'acquire'))
}

/** The resources that tests asked for but no manifest declares. Only the author of the tests knows what they mean. */
function resourcesText(refused: readonly FileViolations[]): readonly string[] {
  const asked = refused.flatMap(({ violations }) => violations.filter(({ access }) => access === 'acquire'))
  const names = [...new Set(asked.map(({ resource }) => resource))].sort(compare)
  return names.length === 0 ? [] : ['', `  To be declared under \`resources\`, or misspelt: ${names.join(', ')}`]
}

/** Dangerous entries are listed apart, with the reason, so that nobody pastes them with the rest. */
function dangersText(dangers: readonly Dangerous[], beside: 'all there is' | 'more'): readonly string[] {
  if (dangers.length === 0) return []
  const isDeniable = dangers.some(({ line }) => line.startsWith('read:'))
  return [
    '',
    `  DANGEROUS${beside === 'more' ? ', and therefore not among it' : ': think twice before you allow it'}${isDeniable ? ' (an entry of `deny` refuses it without a violation)' : ''}:`,
    ...dangers.map(({ line, why, files }) => `    ${line}  (${why}; ${namesOf(files)})`),
  ]
}

const MOST_FILES = 3

function namesOf(files: readonly string[]): string {
  const more = files.length - MOST_FILES
  return `${files.slice(0, MOST_FILES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
