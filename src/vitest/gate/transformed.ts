/**
 * Vitest names a file of its cache as the answer to `fetch`: node_modules/.vitest-cache, or what the config says. No
 * worker may read there, because others' modules lie there as well: it gets the text, as it does without a cache.
 */
import { provenanceOf } from './provenance.js'
import { readSafely } from './safe-open.js'
import { field, isFields } from './values.js'
import { walk } from './walk.js'

const LARGEST = 512 * 1024 * 1024
/** Vitest 5: packages/vitest/src/utils/moduleSourceMap.ts. Vitest 4 leaves the map in the text. */
const MAP = '\n//# vitestSourceMap='

export interface Transformed {
  /** With the module's text, where it has one. */
  readonly result: unknown
  /** The files that came into it by somebody's grant. */
  readonly paths: readonly string[]
}

export function transformed(given: unknown): Transformed {
  const result = withText(given)
  if (!isFields(result) || typeof field(result, 'code') !== 'string') return { result, paths: [] }
  const { code, paths } = provenanceOf(String(result.code))
  return { result: { ...result, code }, paths }
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
