/** Compares two manifests, and describes in sentences what one grants more or less than the other. Pure. */
import { dangerOfEntry } from '../../policy/dangers.js'
import { writtenKeys, type WrittenKey } from '../../policy/lists.js'
import type { DenyEntry, Entry, Manifest, ManifestFile } from '../../policy/manifest.js'
import { showName } from '../../policy/message.js'
import { quote } from '../../policy/nearest.js'
import type { Places } from '../../policy/spell.js'
import { visibleJson } from '../../policy/visible.js'
import { textOf } from '../record/merge.js'

export interface Change {
  readonly text: string
  /** The danger of the grant, if there is one. */
  readonly danger?: string
}

export interface Changes {
  readonly more: readonly Change[]
  readonly less: readonly Change[]
}

interface ManifestLine {
  /** A glob of `files`; empty for all test files; RUNNER. */
  readonly who: string
  readonly list: WrittenKey | 'resources'
  readonly entry: string
  readonly why?: string
  /** Of a resource: what it opens, as an entry of a list would have it. */
  readonly opens?: readonly (readonly [list: WrittenKey, entry: string])[]
}

/** Vitest's own process. No glob of `files` contains a NUL. */
const RUNNER = '\0'

/** The symbolic links by which entries lead elsewhere, as they are on disk. */
export interface Links {
  /** False for an entry that leads through a link, which may leave the tree that it is written below, or that cannot be looked up. */
  readonly isStraight: (entry: string) => boolean
  /**
   * The place that an entry means, where it leads through links; undefined for any other. `isNew`: one of the links was
   * none, or another one, before.
   */
  readonly meant: (entry: string) => { readonly path: string; readonly isNew: boolean } | undefined
}

/**
 * Compares entry by entry. An entry is no change if a tree or a `files` glob of the other manifest already covers it, unless
 * a link on its way is new.
 */
export function compare(before: ManifestFile, after: ManifestFile, places: Places, links: Links): Changes {
  const { isStraight } = links
  const [old, now] = [linesOf(before), linesOf(after)]
  const added = now.filter((line) => !isSaid(line, now, old, isStraight))
  const gone = old.filter((line) => !isSaid(line, old, now, isStraight))
  const [opening, closing] = [added.filter(isGrant), added.filter((line) => !isGrant(line))]
  const [closed, opened] = [gone.filter(isGrant), gone.filter((line) => !isGrant(line))]
  const turned = now.filter((line) => !added.includes(line) && meantBy(line, links).some(({ isNew }) => isNew))
  return {
    more: [
      ...[...opening, ...turned.filter(isGrant)].map((line) => withDanger(line, links, places)),
      ...turned.filter((line) => !isGrant(line)).map((line) => ({ text: lifted(line) + meaning(line, links) })),
      ...opened.map((line) => ({ text: lifted(line) })),
    ],
    less: [
      ...closed.map((line) => ({ text: sentence(line, 'no longer') })),
      ...closing.map((line) => ({ text: held(line) })),
    ],
  }
}

function linesOf({ manifest = {}, files = {}, runner = {} }: ManifestFile): readonly ManifestLine[] {
  return [
    ...ofManifest(manifest, ''),
    ...Object.entries(files).flatMap(([glob, own]) => ofManifest(own, glob)),
    ...ofManifest(runner, RUNNER),
  ]
}

function ofManifest(manifest: Manifest, who: string): ManifestLine[] {
  const lists = writtenKeys.flatMap((list) =>
    (manifest[list] ?? []).map((entry: Entry | DenyEntry): ManifestLine => {
      const why = typeof entry === 'string' ? undefined : entry.why
      return { who, list, entry: textOf(entry), ...(why === undefined ? {} : { why }) }
    }),
  )
  const resources = Object.entries(manifest.resources ?? {}).map(([name, resource]): ManifestLine => ({
    who,
    list: 'resources',
    entry: `${name}: ${visibleJson(JSON.stringify(resource))}`,
    opens: (['read', 'write', 'connect', 'listen'] as const).flatMap((key) => {
      const entry = resource[key]
      return entry === undefined ? [] : [[key, entry] as const]
    }),
  }))
  return [...lists, ...resources]
}

const isGrant = ({ list, entry }: ManifestLine): boolean => list !== 'deny' && !entry.startsWith('!')

/** True if one of the lines of the other manifest says the same or, for a grant, more. `own`: those beside the line. */
function isSaid(
  line: ManifestLine,
  own: readonly ManifestLine[],
  by: readonly ManifestLine[],
  isStraight: (entry: string) => boolean,
): boolean {
  return by.some((other) => {
    const isForAll = other.who === '' && line.who !== RUNNER
    if (other.who === line.who && other.list === line.list && other.entry === line.entry) return true
    if (other.who !== line.who && !isForAll) return false
    if (!isGrant(line)) return isHeld(line, by, other)
    if (other.list !== line.list && !(other.list === 'write' && line.list === 'read')) return false
    const isSame =
      other.entry === line.entry && exclusionsBeside(other, by).every((entry) => isBeside(line, own, entry))
    return isSame || (isInTree(line, other, by) && isStraight(line.entry))
  })
}

/** True if an exclusion for all test files stands for one beside which nothing is granted; so does any entry of `deny`. */
function isHeld(line: ManifestLine, by: readonly ManifestLine[], other: ManifestLine): boolean {
  if (other.list !== line.list || other.entry !== line.entry) return false
  return line.list === 'deny' || !by.some((one) => one.who === line.who && isGrant(one))
}

/** The exclusions that carve out of a grant: those of its list, or of any list for the lists of a preset. */
function exclusionsBeside({ who, list }: ManifestLine, all: readonly ManifestLine[]): readonly ManifestLine[] {
  return all.filter(
    (one) => one.who === who && one.list !== 'deny' && !isGrant(one) && (one.list === list || list === 'use'),
  )
}

/** True if an exclusion also carves out of this grant. */
function isBeside(line: ManifestLine, all: readonly ManifestLine[], { list, entry }: ManifestLine): boolean {
  return exclusionsBeside(line, all).some((one) => one.entry === entry && (one.list === list || line.list !== 'use'))
}

/** True if a tree covers the line, and the list of the tree excludes nothing. */
function isInTree(line: ManifestLine, other: ManifestLine, all: readonly ManifestLine[]): boolean {
  const isPath = line.list === 'read' || line.list === 'write'
  const climbs = line.entry.split('/').includes('..')
  const below = other.entry === './' ? !/^[/<]/.test(line.entry) : line.entry.startsWith(other.entry)
  const isTree = isGrant(other) && other.entry.endsWith('/')
  return isPath && isTree && !climbs && below && exclusionsBeside(other, all).length === 0
}

const verbs: { readonly [list in WrittenKey]: string } = {
  list: 'see the names in',
  read: 'read',
  write: 'write',
  exec: 'run',
  connect: 'connect to',
  listen: 'listen on',
  deny: '',
  use: 'use what the preset names:',
}

function sentence({ who, list, entry, why }: ManifestLine, when: 'now' | 'no longer'): string {
  const may = when === 'now' ? 'may' : 'may no longer'
  const what =
    list === 'resources'
      ? `acquire ${entry}`
      : `${verbs[list]} ${quote(entry)}${isTree(list, entry) ? ' with everything below it' : ''}`
  return `${subject(who)} ${may} ${what}${why === undefined ? '' : ` (${showName(why)})`}`
}

const isTree = (list: ManifestLine['list'], entry: string): boolean =>
  (list === 'read' || list === 'write' || list === 'exec') && entry.endsWith('/')

function subject(who: string): string {
  if (who === RUNNER) return 'Vitest itself'
  return who === '' ? 'all test files' : `test files that match ${quote(who)}`
}

/** The sentence for an exclusion or a quiet refusal that was removed. */
function lifted({ who, list, entry }: ManifestLine): string {
  return list === 'deny'
    ? `for ${subject(who)}, ${quote(entry)} is no longer refused whatever else is granted`
    : `for ${subject(who)}, ${quote(entry.slice(1))} is no longer excluded from ${list}`
}

function held({ who, list, entry }: ManifestLine): string {
  return list === 'deny'
    ? `for ${subject(who)}, ${quote(entry)} is refused without a violation`
    : `for ${subject(who)}, ${quote(entry.slice(1))} is excluded from ${list}`
}

/** The entries of lists that a line comes to. */
function namedBy({ list, entry, opens = [] }: ManifestLine): readonly (readonly [list: WrittenKey, entry: string])[] {
  return list === 'resources' ? opens : [[list, entry]]
}

interface Meant {
  readonly list: WrittenKey
  /** The entry that says without a link what is meant. */
  readonly entry: string
  readonly isNew: boolean
}

function meantBy(line: ManifestLine, { meant }: Links): readonly Meant[] {
  return namedBy(line).flatMap(([list, entry]) => {
    const [, kind = '', path = ''] = /^!?(unix:)?(.*)$/s.exec(entry) ?? []
    const isPath = kind !== '' ? !path.startsWith('@') : list !== 'connect' && list !== 'listen' && list !== 'use'
    const found = isPath && (list !== 'exec' || path.includes('/')) ? meant(path) : undefined
    return found === undefined
      ? []
      : [{ list, entry: `${kind}${found.path}${path.endsWith('/') ? '/' : ''}`, isNew: found.isNew }]
  })
}

function meaning(line: ManifestLine, links: Links): string {
  const [found] = meantBy(line, links)
  return found === undefined ? '' : `, which by a link means ${quote(found.entry)}`
}

function withDanger(line: ManifestLine, links: Links, places: Places): Change {
  const text = sentence(line, 'now') + meaning(line, links)
  const meant = meantBy(line, links).map(({ list, entry }) => [list, entry] as const)
  const danger = [...namedBy(line), ...meant]
    .map((one) => dangerOfEntry(...one, places))
    .find((one) => one !== undefined)
  return danger === undefined ? { text } : { text, danger }
}

/** The text for a terminal; empty if nothing changed. */
export function asText({ more, less }: Changes, ref: string): string {
  const dangers = more.filter(({ danger }) => danger !== undefined)
  const plain = more.filter(({ danger }) => danger === undefined)
  return [
    ...section(`More is granted than at ${ref}:`, plain),
    ...section(`DANGEROUS, and granted, other than at ${ref}:`, dangers),
    ...section(`Less is granted than at ${ref}:`, less),
  ].join('')
}

function section(head: string, changes: readonly Change[]): string[] {
  if (changes.length === 0) return []
  const lines = changes.map(({ text, danger }) => `  ${text}${danger === undefined ? '' : `: ${danger}`}\n`)
  return [`${head}\n${lines.join('')}`]
}

export function asMarkdown(changes: Changes, ref: string): string {
  const text = asText(changes, ref)
  return text === ''
    ? ''
    : `### What the manifest grants\n\n${text.replace(/^ {2}(.*)$/gm, (_, line: string) => `- ${escaped(line)}`).replace(/^([^-\n].*:)$/gm, '\n**$1**\n')}`
}

/** Escapes Markdown's special characters, which entries may contain, and those of GitHub's formulas. */
function escaped(line: string): string {
  return line.replace(/[\\`*_<>[\]|~$&]/g, (char) => `\\${char}`)
}
