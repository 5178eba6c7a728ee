/** The entries for all test files, and those for some. */
import { writtenKeys, type WrittenKey } from '../../policy/lists.js'
import type { Entry, Manifest } from '../../policy/manifest.js'
import { bytePath } from '../../policy/request.js'
import { asEntry } from '../../policy/spell.js'

/** An entry to be, and the test files that need it: paths relative to the root. */
export interface Draft {
  readonly list: WrittenKey
  readonly entry: string
  readonly users: ReadonlySet<string>
  readonly why?: string
  /** Exclusions that belong with it, wherever it comes to stand: they carve out of their own list only. */
  readonly without?: readonly string[]
}

const REPEATED = 5

/** The keys of `files` that an entry belongs under; `all` for the manifest itself. */
function placesFor(users: ReadonlySet<string>, all: readonly string[]): 'all' | readonly string[] {
  const everyone = new Set([...all, ...users])
  if (users.size === everyone.size || (users.size > 1 && users.size * 2 >= everyone.size)) return 'all'
  const dirs = [...new Set([...users].flatMap(dirsOf))].filter((dir) => isMostIn(dir, users, everyone))
  const topmost = dirs.filter((dir) => !dirs.some((other) => other !== dir && dir.startsWith(`${other}/`)))
  const single = [...users].filter((file) => !topmost.some((dir) => file.startsWith(`${dir}/`)))
  // The same line under each of them would hide the others.
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

/** A path as a glob that matches just that. */
function asKey(path: string): string {
  return asEntry(bytePath(path))
}

/** One draft for each entry of a list. */
export function merged(drafts: readonly Draft[]): Draft[] {
  const byEntry = new Map<string, Draft>()
  for (const draft of drafts) {
    const key = `${draft.list}\0${draft.entry}`
    const known = byEntry.get(key)
    byEntry.set(key, known === undefined ? draft : { ...known, users: new Set([...known.users, ...draft.users]) })
  }
  return [...byEntry.values()]
}

/** The drafts as a manifest for all, and one for each group of test files. */
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
    // What is granted by its own name, because somebody accepted it, is not excluded in the same breath.
    const named = new Set(own.map(({ entry }) => `!${entry}`))
    const exclusions = [...new Set(own.flatMap(({ without = [] }) => without))]
      .filter((entry) => !named.has(entry))
      .sort()
    return own.length === 0 ? [] : [[list, [...own.map((draft) => entryOf(draft, reasons)), ...exclusions]] as const]
  })
  return Object.fromEntries(lists)
}

/** With the reason for it, or by how many test files it was used, where that is more than the one that it stands under. */
function entryOf({ list, entry, why, users }: Draft, reasons: 'with reasons' | 'plain'): Entry {
  // A preset is a name.
  if (list === 'use') return entry
  if (why !== undefined) return { entry, why }
  return reasons === 'plain' || users.size < 2 ? entry : { entry, why: `used by ${users.size} test files` }
}

/** Own files first, then placeholders, then the rest of the machine, then exclusions; each by name. */
export function compareEntries(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0)
}

function rank(entry: string): number {
  return entry.startsWith('!') ? 3 : entry.startsWith('/') ? 2 : entry.startsWith('<') ? 1 : 0
}
