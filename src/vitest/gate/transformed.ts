/**
 * Replaces a file of Vitest's cache by its text. Vitest answers `fetch` with the name of a cached file
 * (node_modules/.vitest-cache, or the configured place). No worker may read there, because modules of other workers are
 * there as well, so it gets the text, as without a cache.
 */
import { provenanceOf } from './provenance.js'
import { readSafely } from './safe-open.js'
import { field, isFields } from './values.js'
import { walk } from './walk.js'

const LARGEST = 512 * 1024 * 1024
/**
 * The mark before the source map in Vitest 5: packages/vitest/src/utils/moduleSourceMap.ts. Vitest 4 leaves the map in
 * the text.
 */
const MAP = '\n//# vitestSourceMap='

export interface Transformed {
  /** The answer with the module's text, if it has one. */
  readonly result: unknown
  /** The files in the module that needed a grant. */
  readonly paths: readonly string[]
}

/** `hide`: removes from a module what the worker does not get. */
export function transformed(given: unknown, hide: (code: string) => string): Transformed {
  const result = withText(given)
  if (!isFields(result) || typeof field(result, 'code') !== 'string') return { result, paths: [] }
  const { code, paths } = provenanceOf(String(result.code))
  return { result: { ...result, code: hide(code) }, paths }
}

function withText(result: unknown): unknown {
  if (!isFields(result) || typeof field(result, 'tmp') !== 'string') return result
  const { cached: _, tmp, ...rest } = result
  const text = readSafely(walk(String(tmp)).real, LARGEST).toString('utf8')
  const at = text.lastIndexOf(MAP)
  if (at < 0) return { ...rest, code: text }
  const sourceMap = text.slice(at + MAP.length)
  return { ...rest, code: text.slice(0, at), ...(sourceMap === '' ? {} : { sourceMap }) }
}
