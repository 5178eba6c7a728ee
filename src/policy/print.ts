/** A manifest as one writes it in a config. */
import { listKeys, type Entry, type Manifest, type ManifestFile } from './manifest.js'
import { quote } from './nearest.js'

const LONGEST = 100

/** The options `manifest` and `files`, ready to paste between the braces of `seccomp({ … })`; reasons are comments. */
export function optionsText({ manifest = {}, files = {} }: ManifestFile, indent = ''): string {
  const globs = Object.entries(files)
  const lists = listKeys.some((key) => (manifest[key] ?? []).length > 0)
  return [
    ...(lists ? [`${indent}manifest: ${manifestText(manifest, indent)},`] : []),
    ...(globs.length === 0 ? [] : [
      `${indent}files: {`, ...globs.map(([glob, own]) => `${indent}  ${quote(glob)}: ${manifestText(own, `${indent}  `)},`), `${indent}},`,
    ]),
  ].join('\n')
}

function manifestText(manifest: Manifest, indent: string): string {
  const lists = listKeys.flatMap((key) => {
    const entries = manifest[key] ?? []
    return entries.length === 0 ? [] : [`${key}: ${listText(entries, `${indent}  `)}`]
  })
  const [only = '', ...more] = lists
  if (more.length === 0 && only.length <= LONGEST && !only.includes('\n')) return only === '' ? '{}' : `{ ${only} }`
  return `{\n${lists.map((list) => `${indent}  ${list},`).join('\n')}\n${indent}}`
}

function listText(entries: readonly Entry[], indent: string): string {
  const line = `[${entries.map((entry) => (typeof entry === 'string' ? quote(entry) : '')).join(', ')}]`
  if (entries.every((entry) => typeof entry === 'string') && line.length <= LONGEST) return line
  const lines = entries.map((entry) => (typeof entry === 'string' ? `${indent}  ${quote(entry)},` : `${indent}  ${quote(entry.entry)}, // ${entry.why}`))
  return `[\n${lines.join('\n')}\n${indent}]`
}
