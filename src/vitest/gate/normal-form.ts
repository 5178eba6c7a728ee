/**
 * The one spelling in which a module may be named. Vite, its plugins and Vitest read names by regular expressions of their own,
 * each on another part of it: where all of them come to the same is all that is let through, and nothing is repaired. Pure.
 */
import { isAbsolute, normalize } from 'node:path'
import { pathToFileURL } from 'node:url'
import { COMPONENT, endingOf } from './classify.js'
import { pathOfUrl, splitId } from './module-id.js'

/** `.` in a regular expression stops at some of these: a rule reads the rest of a name, or does not. */
// oxlint-disable-next-line no-control-regex -- that is what it looks for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]/
const LONE = /\p{Surrogate}/u
/** RFC 3986, 6.2.2.2: what need not be encoded is not; and no path needs ASCII to be, other than in a URL. */
const ENCODED = /%[0-7][\da-f]/i
const ENCODED_UNRESERVED = /%(?:2d|2e|5f|7e|3\d|[46][1-9a-f]|[57][\da])/i
const QUERY = /^(?:\?[^?#]*)?$/
/** Vue, Svelte and others name a part of a component so that the language is the ending of the whole id. */
const PART = /&lang\.[a-z]+$/
const ENDING = /\.[^.&=/\d][^.&=/]*$/

/** True for a worker's name of a module in normal form: a specifier, a URL, a path, or the id of a module. */
export function isNormalName(name: string): boolean {
  // No module of Vite's: the worker imports it by itself.
  if (name.startsWith('data:')) return true
  const bare = name.replace(/^(?:\/@id\/)?(?:\0|__x00__)/, '')
  if (CONTROL.test(bare) || bare.includes('\\') || LONE.test(bare)) return false
  const isImports = bare.startsWith('#')
  const { path, query } = isImports ? { path: bare, query: '' } : splitId(bare)
  if (!QUERY.test(query) || !isNormalQuery(path, query)) return false
  if (/^file:/i.test(path)) return isFileUrl(path)
  return !path.includes('#', 1) && !ENCODED.test(path)
}

/** True for Vite's id of a module in normal form: a path is absolute, and without anything that a file system resolves. */
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

/** Without percent signs, where it is well-formed: a stray one stands for itself. */
export function decodedText(text: string, decode: typeof decodeURI): string {
  try {
    return decode(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}
