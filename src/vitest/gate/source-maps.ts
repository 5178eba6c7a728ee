/**
 * Finds the source maps that comments in a module's text name. Vite reads each of these files in its own process, and
 * puts its text into the map. Pure. Vite: src/node/server/sourcemap.ts; convert-source-map 2: index.js.
 */
import { dirname, join, resolve } from 'node:path'
import { pathOfUrl, splitId } from './module-id.js'
import { decodedText } from './normal-form.js'
import { field, isFields, jsonIn } from './values.js'

export interface Mapped {
  /** Sources whose text is not in the map itself. */
  readonly sources: readonly MapSource[]
  /** True if the path of a source depends on the version of Vite or its plugins. */
  readonly isOdd: boolean
}

interface MapSource {
  readonly name: string
  readonly root: string
}

/** Every map in a text, and the map files that the text names. Vite uses the last of them. */
export interface Comments {
  readonly inline: readonly Mapped[]
  readonly files: readonly string[]
}

export const MARK = 'sourceMappingURL='
// The expressions of Vite, without unused groups.
const TYPE = '(?:(?:application|text)/json(?:;charset=(?:[^;,]+?)?)?)?'
const INLINE = new RegExp(`^\\s*?/[/*][@#]\\s+?sourceMappingURL=data:${TYPE}(?:;(base64))?,.*?$`, 'gm')
const BESIDE_LINE = /\/\/[@#][ \t]+?sourceMappingURL=([^\s'"`]+?)[ \t]*?$/gm
const BESIDE_BLOCK = /\/\*[@#][ \t]+sourceMappingURL=([^*]+?)[ \t]*?\*\/[ \t]*?$/gm
/** PostCSS: lib/previous-map.js. */
const STYLE = /\/\*\s*# sourceMappingURL=([^*]*)\*\//g

export function commentsIn(text: string): Comments {
  if (!text.includes(MARK)) return { inline: [], files: [] }
  const inline = [...text.matchAll(INLINE)].flatMap(([comment, encoding]) => {
    const parsed = jsonIn(decoded(comment.replace(/^\/\*/, '//').replace(/\*\/$/, ''), encoding))
    return parsed === undefined ? [] : [mapped(parsed)]
  })
  const files = [BESIDE_LINE, BESIDE_BLOCK, STYLE].flatMap((pattern) =>
    [...text.matchAll(pattern)].flatMap(([, name = '']) => [name, name.trim()]),
  )
  return { inline, files: [...new Set(files)].filter((name) => name !== '' && !name.includes('\0')) }
}

function decoded(comment: string, encoding: string | undefined): string {
  const data = comment.slice(comment.lastIndexOf(',') + 1)
  if (encoding === 'base64') return Buffer.from(data, 'base64').toString()
  try {
    return decodeURIComponent(data)
  } catch (error) {
    if (error instanceof URIError) return ''
    throw error
  }
}

/** Parses the text of a map file. Vite, too, ignores a map that is not JSON. */
export function mapIn(text: string): Mapped {
  return mapped(jsonIn(text))
}

function mapped(map: unknown): Mapped {
  if (!isFields(map)) return { sources: [], isOdd: false }
  const [names, contents, root] = [field(map, 'sources'), field(map, 'sourcesContent'), field(map, 'sourceRoot')]
  const sections = field(map, 'sections')
  const parts = (Array.isArray(sections) ? sections : []).filter(isFields).map((part) => mapped(field(part, 'map')))
  const own = Array.isArray(contents) ? contents : []
  const all: unknown[] = Array.isArray(names) ? names : []
  const missing = all.filter((name, index) => name !== null && name !== '' && typeof own[index] !== 'string')
  const sources = missing.map((name) => ({ name: String(name), root: typeof root === 'string' ? root : '' }))
  const isOdd =
    !isListed(names) ||
    !isListed(contents) ||
    typeof (root ?? '') !== 'string' ||
    missing.some((name) => typeof name !== 'string') ||
    sources.some((source) => !isPlain(source)) ||
    parts.some((part) => part.isOdd)
  return { sources: [...sources, ...parts.flatMap((part) => part.sources)], isOdd }
}

function isListed(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value)
}

/** A URL elsewhere, which never becomes a file: Vite, src/node/utils.ts, externalRE. */
const ELSEWHERE = /^[a-z]+:\/\//
/**
 * A path that is no URL, has nothing encoded, and does not begin with the prefixes that Vite adds while it combines
 * maps.
 */
const PLAIN = /^(?!\/(?:linux|windows)\b|\/.*\.\.)[^:%?#\\\0]*$/

/** True for a name that path.resolve, URLs and every tool that combines maps understand alike. */
function isPlain({ name, root }: MapSource): boolean {
  return [name, root].every((part) => ELSEWHERE.test(part) || (PLAIN.test(part) && !part.includes('//')))
}

/**
 * Every path at which Vite may look for a source of a module. `realDir`: the real path of a directory; undefined if it
 * does not exist.
 */
export function placesOf(
  { name, root }: MapSource,
  file: string,
  realDir: (path: string) => string | undefined,
): readonly string[] {
  if (/^file:/i.test(name)) return [pathOfUrl(name)].filter((path) => path !== undefined)
  if (ELSEWHERE.test(name)) return []
  const dir = dirname(file)
  const dirs = [dir, realDir(dir) ?? dir]
  const roots = dirs.map((from) => (ELSEWHERE.test(root) ? from : resolve(from, root)))
  // If the directory is missing, Vite resolves relative names against its own working directory.
  const bases = new Set([...dirs, ...roots, ...roots.map((from) => realDir(from) ?? process.cwd())])
  const spelled = [name, decodedText(name, decodeURI)]
  const names = [...spelled, ...spelled.map((path) => splitId(path).path)].filter((path) => !path.includes('\0'))
  const places = [...bases].flatMap((base) => names.flatMap((path) => [resolve(base, path), join(base, path)]))
  return [...new Set(places)]
}
