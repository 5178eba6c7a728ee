/** The data of the report with derived values, computed once. */
import type { Grant, Hazard, ReportData, ReportFile, Use } from '../data.js'

export type Category = 'read' | 'write' | 'execute' | 'network'

export interface GrantUse {
  readonly grant: Grant
  readonly key: string
  readonly project: string
  /** The number of test files that the grant applies to, and the number of those that used it. */
  files: number
  used: number
}

export interface FileRow {
  readonly index: number
  readonly name: string
  readonly source: ReportFile
  /** The number of distinct resources in each category. */
  readonly counts: Readonly<Record<Category, number>>
  readonly denied: number
  readonly leaks: number
  readonly unused: number
  hazards: number
  /**
   * The strongest use of each grant, by the grant's key; `unused` for a grant that applies to the file but was not
   * used.
   */
  readonly grants: ReadonlyMap<string, Category | 'unused'>
  /** The text that is searched, in lower case. */
  readonly text: string
}

export interface Model {
  readonly rows: readonly FileRow[]
  readonly grants: readonly GrantUse[]
  readonly hazards: readonly Hazard[]
  /** The time at which the first test file began. */
  readonly began: number
  readonly ended: number
}

function categoryOf({ access }: Pick<Use, 'access'>): Category | undefined {
  if (access === 'look') return undefined
  return access === 'connect' || access === 'listen' ? 'network' : access
}

const STRENGTH: Readonly<Record<Category | 'unused', number>> = { unused: 0, read: 1, execute: 2, network: 3, write: 4 }

export function modelOf(data: ReportData): Model {
  const grants = new Map<string, GrantUse>()
  const rows = data.files.map((file, index) => rowOf(file, index, grants))
  const byName = new Map(rows.map((row) => [`${row.source.project}\0${row.source.file}`, row]))
  for (const { parties } of data.hazards) {
    for (const { project, file } of parties) {
      const row = byName.get(`${project}\0${file}`)
      if (row !== undefined) row.hazards++
    }
  }
  const times = rows.flatMap(({ source: { facts } }) => (facts === undefined ? [] : [facts]))
  return {
    rows,
    grants: [...grants.values()],
    hazards: data.hazards,
    began: times.reduce((least, { began }) => Math.min(least, began), Number.POSITIVE_INFINITY),
    ended: times.reduce((most, { ended }) => Math.max(most, ended), 0),
  }
}

function rowOf(source: ReportFile, index: number, grants: Map<string, GrantUse>): FileRow {
  const { project, file, denials, facts } = source
  const key = ({ at }: { at: string }): string => `${project}\0${at}`
  const own = new Map<string, Category | 'unused'>((facts?.grants ?? []).map((grant) => [key(grant), 'unused']))
  const seen: Record<Category, Set<string>> = {
    read: new Set(),
    write: new Set(),
    execute: new Set(),
    network: new Set(),
  }
  const words: string[] = [project, file]
  for (const use of facts?.uses ?? []) {
    words.push(use.what)
    const category = categoryOf(use)
    if (category === undefined || use.outcome !== 'allowed') continue
    seen[category].add(use.what)
    const at = use.by === undefined ? undefined : key({ at: use.by })
    const before = at === undefined ? undefined : own.get(at)
    if (at !== undefined && before !== undefined && STRENGTH[category] > STRENGTH[before]) own.set(at, category)
  }
  for (const grant of facts?.grants ?? []) {
    const known = grants.get(key(grant)) ?? { grant, key: key(grant), project, files: 0, used: 0 }
    known.files++
    if (own.get(known.key) !== 'unused') known.used++
    grants.set(known.key, known)
  }
  for (const { resource, test = '' } of denials) words.push(resource, test)
  return {
    index,
    source,
    name: project === '' ? file : `[${project}] ${file}`,
    hazards: 0,
    grants: own,
    counts: { read: seen.read.size, write: seen.write.size, execute: seen.execute.size, network: seen.network.size },
    denied: denials.length,
    leaks: facts?.leaks.length ?? 0,
    unused: [...own.values()].filter((use) => use === 'unused').length,
    text: words.join('\n').toLowerCase(),
  }
}

/** A path as people write it: relative below the root, with `~` below the home directory. */
export function shorten(what: string, { facts }: ReportFile): string {
  if (facts === undefined) return what
  for (const [dir, prefix] of [
    [facts.root, ''],
    [facts.home, '~/'],
  ] as const) {
    if (dir !== '/' && what.startsWith(`${dir}/`)) return prefix + what.slice(dir.length + 1)
  }
  return what
}
