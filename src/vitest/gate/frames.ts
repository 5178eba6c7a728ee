/**
 * Finds the files that a stack makes Vitest read. Vitest's process reads each file that a frame names, for its source
 * map and for the excerpt beneath an error. Vitest 4.1 and 5.1 do so alike: packages/utils/src/source-map.ts.
 */
import { resolve } from 'node:path'
import { decodedText } from './normal-form.js'

const V8_LINE = /^\s*at .*(?:\S:\d+|\(native\))/m

/** True if Vitest may read a file. `missing`: the file does not exist, and no test can create it. */
export type Permits = (file: string) => boolean | 'missing'

/**
 * The stack without frames that `permits` refuses. Such a line stays readable, but in words that no parser takes for a
 * frame.
 */
export function withoutFrames(stack: string, permits: Permits): string {
  const isV8 = V8_LINE.test(stack)
  const lines = stack
    .split('\n')
    .map((line) => (isFine(isV8 ? locationOfV8(line) : locationOfOthers(line), permits) ? line : inWords(line)))
  const cleaned = lines.join('\n')
  // If the last frame of V8's kind is removed, Vitest would parse the rest as frames of another engine.
  return isV8 && !V8_LINE.test(cleaned)
    ? lines.map((line) => (isFine(locationOfOthers(line), permits) ? line : inWords(line))).join('\n')
    : cleaned
}

function inWords(line: string): string {
  return line
    .replace(/:(\d+):(\d+)/g, ' (line $1, column $2)')
    .replace(/:(?=\d)/g, ' line ')
    .replaceAll('@', ' in ')
}

/** A module of Node's own. No file has that name. */
export const OF_NODE = /^node:[\w/.-]+$/
/** Characters at which one reader or the other cuts a location off, decodes it, or takes it for another engine's. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const ODD = /[?#\\()\x00-\x1f\x7f-\x9f\u2028\u2029]|^\/@|\/\/|\/\.{0,2}(?:\/|$)/

/**
 * True for a line that names no place, and for one with a place if every reading of it is permitted and one is an
 * existing file.
 */
function isFine(location: string | undefined, permits: Permits): boolean {
  if (location === undefined) return true
  const bare = location.replace(/^async /, '')
  if (OF_NODE.test(bare)) return permits(resolve(bare)) !== false
  if (!bare.startsWith('/') || ODD.test(bare)) return false
  // Vitest 4 uses a URL's path unchanged, Vitest 5 decodes it.
  const readings = [...new Set([bare, decodedText(bare, decodeURIComponent)])]
  if (readings.some((reading) => ODD.test(reading))) return false
  const permitted = readings.map(permits)
  return permitted.every((one) => one !== false) && permitted.includes(true)
}

/**
 * parseSingleV8Stack: the text in place of the file, if a line and a column follow. Code of `eval` belongs to no file.
 */
function locationOfV8(raw: string): string | undefined {
  const line = raw.trim()
  if (!V8_LINE.test(line)) return undefined
  if (line.includes('eval ')) return 'eval'
  const sanitized = line.replace(/^.*?\s+/, '')
  const location = / (\(.+\)$)/.exec(sanitized)
  // For other engines, Vitest takes the whole URL for a relative path.
  return locationIn(location?.[1] ?? sanitized)?.replace(/^(async )?file:\/\/(?=\/)/, '$1')
}

/** parseSingleFFOrSafariStack */
function locationOfOthers(raw: string): string | undefined {
  const line = raw.trim()
  if (line.includes(' > eval')) return 'eval'
  for (let at = line.indexOf('@'); at >= 0; at = line.indexOf('@', at + 1)) {
    const location = line.slice(at + 1)
    if (location.includes(':') && location.length >= 3) return locationIn(location)
  }
  return undefined
}

/** extractLocation */
function locationIn(text: string): string | undefined {
  const [, url = '', line, column] = /(.+?)(?::(\d+))?(?::(\d+))?$/s.exec(text.replace(/^\(|\)$/g, '')) ?? []
  return line === undefined || column === undefined ? undefined : url
}
