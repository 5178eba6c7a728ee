/** Divides entries into those for all test files and those for some. */
import { writtenKeys, type WrittenKey } from '../../policy/lists.js'
import type { Entry, Manifest } from '../../policy/manifest.js'
import { bytePath } from '../../policy/request.js'
import { asEntry } from '../../policy/spell.js'

/** A future entry and the test files that need it, by their paths relative to the root. */
export interface Draft {
  readonly list: WrittenKey
  readonly entry: string
  readonly users: ReadonlySet<string>
  readonly why?: string
  /** Exclusions that must stand beside the entry, because an exclusion carves out of its own list only. */
  readonly without?: readonly string[]
}

const REPEATED = 5

/** The keys of `files` under which an entry belongs; `all` for the manifest itself. */
function placesFor(users: ReadonlySet<string>, all: readonly string[]): 'all' | readonly string[] {
  const everyone = new Set([...all, ...users])
  if (users.size === everyone.size || (users.size > 1 && users.size * 2 >= everyone.size)) return 'all'
  const dirs = [...new Set([...users].flatMap(dirsOf))].filter((dir) => isMostIn(dir, users, everyone))
  const topmost = dirs.filter((dir) => !dirs.some((other) => other !== dir && dir.startsWith(`${other}/`)))
  const single = [...users].filter((file) => !topmost.some((dir) => file.startsWith(`${dir}/`)))
  // Repeating the line under each of many keys would hide the other lines.
  if (single.length >= REPEATED) return 'all'
  return [...topmost.map((dir) => `${asKey(dir)}/**`), ...single.map(asKey)].sort()
}

function isMostIn(dir: string, users: ReadonlySet<string>, everyone: ReadonlySet<string>): boolean {
  const inside = [...everyone].filter((file) => file.startsWith(`${dir}/`))
  const using = inside.filter((file) => users.has(file)).length
  return using > 1 && using * 2 >= inside.length
}

function dirsOf(file: string): string[] {
  const names = file.split('/').slice(0, -1)
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}

/** The glob that matches only this path. */
function asKey(path: string): string {
  return asEntry(bytePath(path))
}

/** Merges the drafts for the same entry. */
export function merged(drafts: readonly Draft[]): Draft[] {
  const byEntry = new Map<string, Draft>()
  for (const draft of drafts) {
    const key = `${draft.list}\0${draft.entry}`
    const known = byEntry.get(key)
    byEntry.set(key, known === undefined ? draft : { ...known, users: new Set([...known.users, ...draft.users]) })
  }
  return [...byEntry.values()]
}

/** The manifest for all test files, and one for each group of them. */
export function shared(
  drafts: readonly Draft[],
  testFiles: readonly string[],
  reasons: 'with reasons' | 'plain' = 'plain',
): { manifest: Manifest; files: { [glob: string]: Manifest } } {
  const byPlace = new Map<string, Draft[]>()
  for (const draft of drafts) {
    const places = placesFor(draft.users, testFiles)
    for (const place of places === 'all' ? [''] : places) byPlace.set(place, [...(byPlace.get(place) ?? []), draft])
  }
  const files = [...byPlace].filter(([place]) => place !== '').sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    manifest: manifestOf(byPlace.get('') ?? [], reasons),
    files: Object.fromEntries(files.map(([place, own]) => [place, manifestOf(own, reasons)])),
  }
}

function manifestOf(drafts: readonly Draft[], reasons: 'with reasons' | 'plain'): Manifest {
  const lists = writtenKeys.flatMap((list) => {
    const own = drafts.filter((draft) => draft.list === list).sort((a, b) => compareEntries(a.entry, b.entry))
    // An entry that somebody accepted by name is not excluded again.
    const named = new Set(own.map(({ entry }) => `!${entry}`))
    const exclusions = [...new Set(own.flatMap(({ without = [] }) => without))]
      .filter((entry) => !named.has(entry))
      .sort()
    return own.length === 0 ? [] : [[list, [...own.map((draft) => entryOf(draft, reasons)), ...exclusions]] as const]
  })
  return Object.fromEntries(lists)
}

/** The entry, with its reason or with the number of test files that used it, if that is more than one. */
function entryOf({ list, entry, why, users }: Draft, reasons: 'with reasons' | 'plain'): Entry {
  // A preset takes no reason.
  if (list === 'use') return entry
  if (why !== undefined) return { entry, why }
  return reasons === 'plain' || users.size < 2 ? entry : { entry, why: `used by ${users.size} test files` }
}

/** Sorts the project's own files first, then placeholders, the rest of the machine, and exclusions; each by name. */
export function compareEntries(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0)
}

function rank(entry: string): number {
  return entry.startsWith('!') ? 3 : entry.startsWith('/') ? 2 : entry.startsWith('<') ? 1 : 0
}
