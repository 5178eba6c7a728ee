/**
 * The only accepted spelling of a module's name. Vite, its plugins and Vitest parse names with regular expressions of
 * their own, each for another part. Only names that all of them understand alike are accepted; no name is repaired.
 * Pure.
 */
import { isAbsolute, normalize } from 'node:path'
import { pathToFileURL } from 'node:url'
import { COMPONENT, endingOf } from './classify.js'
import { pathOfUrl, splitId } from './module-id.js'

/**
 * `.` in a regular expression stops at some of these characters, so one rule may see the rest of a name and another may
 * not.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]/
const LONE = /\p{Surrogate}/u
/**
 * Unneeded encodings, which must not occur (RFC 3986, 6.2.2.2). Outside of a URL, a path needs no encoded ASCII at all.
 */
const ENCODED = /%[0-7][\da-f]/i
const ENCODED_UNRESERVED = /%(?:2d|2e|5f|7e|3\d|[46][1-9a-f]|[57][\da])/i
const QUERY = /^(?:\?[^?#]*)?$/
/** Vue, Svelte and others name a part of a component so that the id ends with the language. */
const PART = /&lang\.[a-z]+$/
const ENDING = /\.[^.&=/\d][^.&=/]*$/

/**
 * True if the name that a worker sends for a module is in normal form: a specifier, a URL, a path, or the id of a
 * module.
 */
export function isNormalName(name: string): boolean {
  // Not a module of Vite: the worker imports it by itself.
  if (name.startsWith('data:')) return true
  const bare = name.replace(/^(?:\/@id\/)?(?:\0|__x00__)/, '')
  if (CONTROL.test(bare) || bare.includes('\\') || LONE.test(bare)) return false
  const isImports = bare.startsWith('#')
  const { path, query } = isImports ? { path: bare, query: '' } : splitId(bare)
  if (!QUERY.test(query) || !isNormalQuery(path, query)) return false
  if (/^file:/i.test(path)) return isFileUrl(path)
  return !path.includes('#', 1) && !ENCODED.test(path)
}

/** True if Vite's id of a module is in normal form: a path must be absolute, without `.`, `..` or doubled slashes. */
export function isNormalId(id: string): boolean {
  if (!isNormalName(id)) return false
  const { path } = splitId(id)
  if (/^file:/i.test(path)) return false
  return !isAbsolute(path) || normalize(path) === path
}

function isNormalQuery(path: string, query: string): boolean {
  if (ENCODED_UNRESERVED.test(query)) return false
  if (!ENDING.test(query)) return true
  return PART.test(query) && COMPONENT.has(endingOf(path))
}

function isFileUrl(url: string): boolean {
  const path = pathOfUrl(url)
  return path !== undefined && pathToFileURL(path).href === url && normalize(path) === path
}

/** The decoded text; unchanged if it is malformed, because a stray percent sign stands for itself. */
export function decodedText(text: string, decode: typeof decodeURI): string {
  try {
    return decode(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}
