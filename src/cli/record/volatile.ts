/** Finds names that will differ in the next run: temporary names, process ids, hashes, times. */
import { rawPath, type BytePath } from '../../policy/request.js'
import { ANY } from '../../policy/spell.js'

/** `2026-11-27T14_19_50_498Z`, `2026-11-27_14-36-26_045`. A date without a time does not count as random. */
const TIME = /\d{4}-\d\d-\d\d[T_-]\d\d[-_.:]?\d\d(?:[-_.:]?\d\d(?:[-_.]?\d{1,6})?)?Z?(?![A-Za-z0-9])/g
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi

/** `deps_temp_a1b2c3d4`, as Vite calls what it makes before it renames it: a hash may lack any digit. */
const TEMPORARY = /((?:^|[-_.])te?mp[-_.])[0-9a-f]{8,}(?![A-Za-z0-9])/gi

/**
 * The name with its random parts replaced by ANY. `gone`: no such name exists after the run, so a test created it, and
 * weaker signs are enough to call it random.
 */
export function withoutChance(name: string, gone: boolean): string {
  return (gone ? name.replace(TEMPORARY, `$1${ANY}`) : name)
    .replace(UUID, ANY)
    .replace(TIME, ANY)
    .replace(/[A-Za-z0-9]+/g, (word) => (isRandom(word, gone) ? ANY : word))
    .replace(new RegExp(`${ANY}(?:[-_.]?${ANY})+`, 'g'), ANY)
}

function isRandom(word: string, gone: boolean): boolean {
  if (!gone) return /^(?:\d{10,}|(?=.*\d)(?=.*[a-f])[0-9a-f]{16,})$/i.test(word)
  if (/^\d{3,}$/.test(word)) return true
  if (word.length < 6) return false
  // A word with a number, such as utf8, sha256 or fixture12.
  if (/^(?:[A-Z]?[a-z]+|[A-Z]+)\d{0,3}$/.test(word)) return false
  const hasDigit = /\d/.test(word)
  const isCamel = /^[A-Za-z]?[a-z]*(?:[A-Z][a-z]+)*$/.test(word)
  return hasDigit || !isCamel
}

interface Judges {
  /** True if the path no longer exists after the run. */
  readonly isGone: (path: BytePath) => boolean
  /** True for a name that must stay as it is: a glob in its place would also match other secrets beside it. */
  readonly isKept: (path: BytePath) => boolean
}

/** The path as it will be in later runs: process ids in `/proc/<pid>/…` and random names become ANY. */
export function stablePath(path: BytePath, { isGone, isKept }: Judges): BytePath {
  const process = /^\/proc\/\d+(\/.*)?$/.exec(path)
  if (process !== null) return rawPath(`/proc/${ANY}${process[1] ?? ''}`)
  const names = path.slice(1).split('/')
  const stable = names.map((name, index) => {
    const at = rawPath(`/${names.slice(0, index + 1).join('/')}`)
    return isKept(at) ? name : withoutChance(name, isGone(at))
  })
  return rawPath(`/${stable.join('/')}`)
}

/** The path as a glob that matches little more: `a/link*.txt`. */
export function asGlob(path: BytePath): BytePath {
  return path.includes(ANY) ? path : rawPath(path.replace(/((?<!\/)\.[^./]+)?$/, (extension) => ANY + extension))
}
