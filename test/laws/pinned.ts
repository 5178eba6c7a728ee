/** Counterexamples that were found once: test/pinned/*.json, one a file. Each is tried before anything new. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromJson, toJson } from './values.js'

export const PINNED = join(import.meta.dirname, '../pinned')

export interface Pinned {
  /** The title of the law that it broke. */
  readonly law: string
  /** Where it came from: fast-check's seed and path. */
  readonly seed: number
  readonly path: string
  readonly values: unknown
  /** What fast-check said of it. For people. */
  readonly report: string
}

export function allPinned(): readonly (Pinned & { readonly file: string })[] {
  return readdirSync(PINNED)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((file) => {
      // Written by `pin`, or by hand in its form; a test reads them all.
      const found = JSON.parse(readFileSync(join(PINNED, file), 'utf8')) as Pinned
      return { ...found, file, values: fromJson(found.values) }
    })
}

export function pinnedFor(law: string): readonly Pinned[] {
  return allPinned().filter((one) => one.law === law)
}

/** Returns the name of the file. */
export function pin(found: Pinned): string {
  const name = `${found.law
    .replace(/[^a-z0-9]+/gi, '-')
    .slice(0, 60)
    .toLowerCase()}-${found.seed}.json`
  const lines = found.report
    .split('\n')
    .map((line) => line.slice(0, 200))
    .slice(0, 12)
  writeFileSync(
    join(PINNED, name),
    `${JSON.stringify({ ...found, values: toJson(found.values), report: lines.join('\n') }, null, 2)}\n`,
  )
  return name
}
