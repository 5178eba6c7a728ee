/** A manifest as text: the file, or what to paste into the config. */
import { listKeys, type Entry, type Manifest, type ManifestFile } from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'

export function asJson(file: ManifestFile): string {
  return `${JSON.stringify(file, null, 2)}\n`
}

/** The options of `seccomp({ … })`, with reasons as comments. */
export function asTypeScript({ manifest = {}, files = {} }: ManifestFile): string {
  const globs = Object.entries(files)
  return [
    'seccomp({',
    `  manifest: ${manifestText(manifest, '  ')},`,
    ...(globs.length === 0 ? [] : ['  files: {', ...globs.map(([glob, own]) => `    ${quote(glob)}: ${manifestText(own, '    ')},`), '  },']),
    '})', '',
  ].join('\n')
}

function manifestText(manifest: Manifest, indent: string): string {
  const lists = listKeys.flatMap((key) => {
    const entries = manifest[key] ?? []
    return entries.length === 0 ? [] : [`${indent}  ${key}: ${listText(entries, `${indent}  `)},`]
  })
  const resources = manifest.resources === undefined ? [] : [`${indent}  resources: ${JSON.stringify(manifest.resources)},`]
  const lines = [...lists, ...resources]
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`
}

const LONGEST = 100

function listText(entries: readonly Entry[], indent: string): string {
  const line = `[${entries.map((entry) => (typeof entry === 'string' ? quote(entry) : '')).join(', ')}]`
  if (entries.every((entry) => typeof entry === 'string') && line.length <= LONGEST) return line
  const lines = entries.map((entry) => (typeof entry === 'string' ? `${indent}  ${quote(entry)},` : `${indent}  ${quote(entry.entry)}, // ${entry.why}`))
  return `[\n${lines.join('\n')}\n${indent}]`
}
