/** Prints a manifest: as a file, or as text to paste into the config. */
import type { ManifestFile } from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'
import { manifestText } from '../../policy/print.js'
import { visibleJson } from '../../policy/visible.js'

export function asJson(file: ManifestFile): string {
  // An entry and its reason share a line.
  const text = visibleJson(JSON.stringify(file, null, 2)).replace(
    /\{\n\s+("entry": "(?:[^"\\]|\\.)*"),\n\s+("why": "(?:[^"\\]|\\.)*")\n\s+\}/g,
    '{ $1, $2 }',
  )
  return `${text}\n`
}

/** The options of `seccomp({ … })`, with reasons as comments. */
export function asTypeScript({ manifest = {}, files = {} }: ManifestFile): string {
  const globs = Object.entries(files)
  return [
    'seccomp({',
    `  manifest: ${manifestText(manifest, '  ')},`,
    ...(globs.length === 0
      ? []
      : ['  files: {', ...globs.map(([glob, own]) => `    ${quote(glob)}: ${manifestText(own, '    ')},`), '  },']),
    '})',
    '',
  ].join('\n')
}
