/** Merges a recording with what is already granted. */
import type { LedgerLine } from '../../broker/ledger.js'
import type { WrittenEntry } from '../../policy/bind.js'
import { writtenKeys } from '../../policy/lists.js'
import type { DenyEntry, Entry, Manifest, ManifestFile } from '../../policy/manifest.js'
import { compareEntries } from './share.js'

/** Merges two manifest files. Each entry occurs once; reasons that somebody wrote are kept. */
export function mergeFiles(before: ManifestFile, recorded: ManifestFile): ManifestFile {
  const manifest = mergeManifests(before.manifest ?? {}, recorded.manifest ?? {})
  const globs = [...new Set([...Object.keys(before.files ?? {}), ...Object.keys(recorded.files ?? {})])].sort()
  const files = globs.map(
    (glob) =>
      [
        glob,
        without(mergeManifests(before.files?.[glob] ?? {}, recorded.files?.[glob] ?? {}), recorded.manifest ?? {}),
      ] as const,
  )
  const kept = files.filter(([glob, own]) => Object.keys(own).length > 0 || Object.hasOwn(before.files ?? {}, glob))
  const runner = mergeManifests(before.runner ?? {}, recorded.runner ?? {})
  return {
    ...before,
    manifest,
    ...(kept.length === 0 ? {} : { files: Object.fromEntries(kept) }),
    ...(Object.keys(runner).length === 0 ? {} : { runner }),
  }
}

function mergeManifests(a: Manifest, b: Manifest): Manifest {
  const lists = writtenKeys.flatMap((key) => {
    const own = new Map([...(b[key] ?? []), ...(a[key] ?? [])].map((entry) => [textOf(entry), entry]))
    return own.size === 0
      ? []
      : [[key, [...own.values()].sort((one, other) => compareEntries(textOf(one), textOf(other)))] as const]
  })
  return { ...a, ...Object.fromEntries(lists) }
}

/** A manifest without the entries that now apply to all test files. */
function without(own: Manifest, common: Manifest): Manifest {
  const lists = writtenKeys.flatMap((key) => {
    const gone = new Set((common[key] ?? []).map(textOf))
    const left = (own[key] ?? []).filter((entry) => !gone.has(textOf(entry)))
    return left.length === 0 ? [] : [[key, left] as const]
  })
  return { ...onlyNamed(own), ...Object.fromEntries(lists) }
}

/** Removes the lists, but keeps what a recording cannot know: the resources that tests acquire by name. */
export function withoutLists({ manifest = {}, files = {}, ...rest }: ManifestFile): ManifestFile {
  const kept = Object.entries(files)
    .map(([glob, own]) => [glob, onlyNamed(own)] as const)
    .filter(([, own]) => Object.keys(own).length > 0)
  return { ...rest, manifest: onlyNamed(manifest), ...(kept.length === 0 ? {} : { files: Object.fromEntries(kept) }) }
}

function onlyNamed({ resources }: Manifest): Manifest {
  return resources === undefined ? {} : { resources }
}

export function textOf(entry: Entry | DenyEntry): string {
  return typeof entry === 'string' ? entry : entry.entry
}

/** The entries that no test used. Exclusions and entries of `deny` do not count: they exist not to be used. */
export function unusedEntries(
  entries: readonly WrittenEntry[],
  accesses: readonly LedgerLine[],
): readonly WrittenEntry[] {
  const used = new Set(accesses.flatMap(({ by }) => (by === undefined ? [] : [by.at])))
  // A name was looked up only because of its entry.
  const lookedUp = new Set(accesses.flatMap(({ host }) => (host === undefined ? [] : [host.name.toLowerCase()])))
  const isLookedUp = ({ list, source }: WrittenEntry): boolean =>
    list === 'connect' && lookedUp.has(/^\w+:([^:]+):/.exec(source)?.[1]?.toLowerCase() ?? '')
  return entries.filter(
    (entry) => !used.has(entry.at) && !isLookedUp(entry) && entry.list !== 'deny' && !entry.source.startsWith('!'),
  )
}
