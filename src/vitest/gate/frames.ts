/**
 * Which files a stack makes Vitest read. Its process reads each file that a frame names, for a source map and for the
 * excerpt beneath an error. The same in Vitest 4.1 and 5.1: packages/utils/src/source-map.ts.
 */
import { resolve } from 'node:path'

const V8_LINE = /^\s*at .*(?:\S:\d+|\(native\))/m

/** The stack with no frame that `permits` refuses: such a line stays for people, in words that are no frame. */
export function withoutFrames(stack: string, permits: (file: string) => boolean): string {
  const isV8 = V8_LINE.test(stack)
  const lines = stack.split('\n').map((line) => {
    const files = isV8 ? filesOfV8(line) : filesOfOthers(line)
    return files.every(permits) ? line : inWords(line)
  })
  const cleaned = lines.join('\n')
  // The last frame of V8's kind gone, the rest would be read as another engine's.
  return isV8 && !V8_LINE.test(cleaned)
    ? lines.map((line) => (filesOfOthers(line).every(permits) ? line : inWords(line))).join('\n')
    : cleaned
}

function inWords(line: string): string {
  return line
    .replace(/:(\d+):(\d+)/g, ' (line $1, column $2)')
    .replace(/:(?=\d)/g, ' line ')
    .replaceAll('@', ' in ')
}

/** parseSingleV8Stack */
function filesOfV8(raw: string): string[] {
  let line = raw.trim()
  if (!V8_LINE.test(line)) return []
  if (line.includes('(eval ')) line = line.replace(/eval code/g, 'eval').replace(/(\(eval at [^()]*)|(,.*$)/g, '')
  const sanitized = line
    .replace(/^\s+/, '')
    .replace(/\(eval code/g, '(')
    .replace(/^.*?\s+/, '')
  const location = / (\(.+\)$)/.exec(sanitized)
  return locationsOf(location?.[1] ?? sanitized).flatMap((file) => {
    const bare = file.startsWith('file://') ? file.slice('file://'.length) : file
    // Vitest 4 takes a URL's path as it is, Vitest 5 decodes it.
    return [bare, decoded(bare)].map((path) => resolve(path))
  })
}

/** parseSingleFFOrSafariStack */
function filesOfOthers(raw: string): string[] {
  let line = raw.trim()
  if (line.includes(' > eval')) line = line.replace(/ line (\d+)(?: > eval line \d+)* > eval:\d+:\d+/g, ':$1')
  for (let at = line.indexOf('@'); at >= 0; at = line.indexOf('@', at + 1)) {
    const location = line.slice(at + 1)
    if (location.includes(':') && location.length >= 3) return locationsOf(location).map((file) => resolve(file))
  }
  return []
}

/** extractLocation: the file, where a line and a column follow it. */
function locationsOf(text: string): string[] {
  const [, url = '', line, column] = /(.+?)(?::(\d+))?(?::(\d+))?$/.exec(text.replace(/^\(|\)$/g, '')) ?? []
  if (line === undefined || column === undefined) return []
  let file = url.startsWith('async ') ? url.slice('async '.length) : url
  if (/^https?:/.test(file)) {
    const parsed = URL.canParse(file) ? new URL(file) : undefined
    // Vitest lets an unreadable URL end the parsing with an exception: not a file that may be named.
    if (parsed === undefined) return ['/proc/unreadable']
    file = parsed.pathname + parsed.hash + parsed.search
  }
  if (file.startsWith('/@fs/')) file = file.slice('/@fs'.length)
  const cut = file.replace(/vitest=\d+/, '').replace(/[?&]$/, '')
  return [...new Set([file, cut, decoded(file)])].filter((name) => name !== '')
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (error) {
    // A stray percent sign stands for itself.
    if (error instanceof URIError) return path
    throw error
  }
}
