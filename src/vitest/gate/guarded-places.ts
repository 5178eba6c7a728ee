/** The places where a test may write, and what a name leads to there. */
import { lstatSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { spelled, walk } from './walk.js'
import type { Writes } from './writes.js'

interface Guard {
  readonly writes: Writes
  readonly refused: (why: string) => void
}

const guards = new Set<Guard>()

export function addGuard(writes: Writes, refused: Guard['refused']): void {
  guards.add({ writes, refused })
}

/** True if a test of this run may have put something at a path. What is older is the user's own. */
export function mayBeOfTest(path: string): boolean {
  return [...guards].some(({ writes }) => writes.mayHold(path) && isNew(path, writes))
}

function isUnguarded(name: string): boolean {
  return guards.size === 0 || name.includes('\0') || IN_OPEN_DIR.test(name)
}

/** A name right in a directory that safe-open.ts has opened, after a check of the way to it. */
const IN_OPEN_DIR = /^\/proc\/self\/fd\/\d+\/[^/]*$/

/** `look`: whoever looks for files passes over a link of a test's. It fails, and need not be told. */
type NameUse = 'look' | 'read' | 'write'

/**
 * The real path of a name, if a test may put something there or in the place of a link on the way; undefined if none
 * may. Throws if the name leads through a link that a test may have made. For reading, a link that is older than the
 * run is the user's own.
 */
export function heldPlace(name: string, use: NameUse): string | undefined {
  if (isUnguarded(name)) return undefined
  const left: string[] = []
  const { real, links, kind } = walk(spelled(name), (dir) => left.push(dir))
  let isAnyHeld = false
  for (const { writes, refused } of guards) {
    const refuse = (why: string): Error => refusal(name, use, why, refused)
    const link = links.find((at) => writes.mayHold(at) && (use === 'write' || isNew(at, writes)))
    if (link !== undefined) throw refuse(`a test may have made the link ${link}`)
    // A `..` leads elsewhere once a link takes the place of the directory that it leaves.
    const isHeld = [real, ...links, ...left].some((at) => writes.mayHold(at))
    if (isHeld && name.includes(NO_UTF_8)) throw refuse('its bytes are no text, and tests may write there')
    isAnyHeld ||= isHeld
  }
  // Reading a directory as a file fails as ever.
  return isAnyHeld && (use === 'write' || kind !== 'dir') ? real : undefined
}

interface HeldEntry {
  /** The real path of its directory. */
  readonly dir: string
  readonly end: string
}

/**
 * The entry that a name means itself, even if it is a link; undefined if no test may write on the way to it, nor, if
 * that matters, `below` it.
 */
export function heldEntry(name: string, where: 'there' | 'below' = 'there'): HeldEntry | undefined {
  if (isUnguarded(name)) return undefined
  const { dir, end, isHeld } = entryAt(name)
  return isHeld || (where === 'below' && holdsBelow(join(dir, end))) ? { dir, end } : undefined
}

function entryAt(name: string): HeldEntry & { readonly isHeld: boolean } {
  const [, way = '', end = ''] = /^(.*\/)?([^/]*)$/s.exec(name) ?? []
  // The other ends are followed if they are links, as is all before them.
  const isItself = end !== '' && end !== '.' && end !== '..' && !end.includes(NO_UTF_8)
  const followed = isItself ? way || '.' : name
  const place = heldPlace(followed, 'write')
  const real = place ?? walk(spelled(followed)).real
  return {
    isHeld: place !== undefined,
    ...(isItself ? { dir: real, end } : { dir: dirname(real), end: basename(real) }),
  }
}

function holdsBelow(real: string): boolean {
  return [...guards].some(({ writes }) => writes.reaches(real) !== undefined)
}

/** In place of bytes that are no UTF-8: Buffer.toString(). */
const NO_UTF_8 = '\u{fffd}'

/**
 * Throws if a link that a test may have made, or a tree with one, would be moved to where no test may write: there it
 * would count as the user's.
 */
export function checkCarried(from: string, to: string): void {
  if (isUnguarded(from) && isUnguarded(to)) return
  const [source, target] = [entryAt(from), entryAt(to)].map(({ dir, end }) => join(dir, end))
  if (source === undefined || target === undefined) return
  for (const { writes, refused } of guards) {
    if (writes.mayHold(target) || writes.reaches(source) === undefined) continue
    const link = linksIn(source).find((at) => writes.mayHold(at) && isNew(at, writes))
    if (link !== undefined) throw refusal(from, 'write', `a test may have made the link ${link}`, refused)
  }
}

function linksIn(path: string): readonly string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isSymbolicLink() === true) return [path]
  if (stats?.isDirectory() !== true) return []
  const paths = readdirSync(path).map((name) => join(path, name))
  // Nobody can look at what has no name in UTF-8: it may be a link.
  return paths.flatMap((at) => (at.includes(NO_UTF_8) ? [at] : linksIn(at)))
}

function isNew(path: string, writes: Writes): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined || writes.isChanged({ real: path, changedAt: stats.ctimeMs })
}

/** An error in the form that Node gives those of open(2). */
function refusal(path: string, use: NameUse, why: string, refused: Guard['refused']): Error {
  const text = `permission denied, open '${path}': ${why}`
  if (use !== 'look') refused(`${use}: ${text}`)
  return Object.assign(new Error(`EACCES: ${text}`), { code: 'EACCES', errno: -13, syscall: 'open', path })
}
