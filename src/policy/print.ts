/** Prints a manifest as one writes it in a config. */
import { writtenKeys } from './lists.js'
import type { DenyEntry, Entry, Manifest, ManifestFile } from './manifest.js'
import { quote } from './nearest.js'
import { visible, visibleJson } from './visible.js'

const LONGEST = 100

/**
 * The options `manifest` and `files` as text, ready to paste between the braces of `seccomp({ … })`. Reasons become
 * comments.
 */
export function optionsText({ manifest = {}, files = {} }: ManifestFile, indent = ''): string {
  const globs = Object.entries(files)
  const isNothing = Object.keys(manifest).length === 0
  return [
    ...(isNothing ? [] : [`${indent}manifest: ${shortText(manifest, indent)},`]),
    ...(globs.length === 0
      ? []
      : [
          `${indent}files: {`,
          ...globs.map(([glob, own]) => `${indent}  ${quote(glob)}: ${shortText(own, `${indent}  `)},`),
          `${indent}},`,
        ]),
  ].join('\n')
}

/** The text of a manifest, on one line if it is a single short list. */
function shortText(manifest: Manifest, indent: string): string {
  const [only = '', ...more] = listsOf(manifest, indent)
  return more.length === 0 && only !== '' && only.length <= LONGEST && !only.includes('\n')
    ? `{ ${only} }`
    : manifestText(manifest, indent)
}

/** The text of a manifest, with one list per line. */
export function manifestText(manifest: Manifest, indent: string): string {
  const lists = listsOf(manifest, indent)
  return lists.length === 0 ? '{}' : `{\n${lists.map((list) => `${indent}  ${list},\n`).join('')}${indent}}`
}

function listsOf(manifest: Manifest, indent: string): string[] {
  const lists = writtenKeys.flatMap((key) => {
    const entries = manifest[key] ?? []
    return entries.length === 0 ? [] : [`${key}: ${listText(entries, `${indent}  `)}`]
  })
  return [
    ...lists,
    ...(manifest.resources === undefined ? [] : [`resources: ${visibleJson(JSON.stringify(manifest.resources))}`]),
  ]
}

function objectText({ entry, why, ...more }: Exclude<Entry | DenyEntry, string>): string {
  const as = 'as' in more ? more.as : undefined
  const text = as === undefined ? quote(entry) : `{ entry: ${quote(entry)}, as: ${quote(as)} }`
  return why === undefined ? `${text},` : `${text}, // ${visible(why)}`
}

function listText(entries: readonly (Entry | DenyEntry)[], indent: string): string {
  const line = `[${entries.map((entry) => (typeof entry === 'string' ? quote(entry) : '')).join(', ')}]`
  if (entries.every((entry) => typeof entry === 'string') && line.length <= LONGEST) return line
  const lines = entries.map((entry) =>
    typeof entry === 'string' ? `${indent}  ${quote(entry)},` : `${indent}  ${objectText(entry)}`,
  )
  return `[\n${lines.join('\n')}\n${indent}]`
}
