/** The places where a test may write, and what a name leads to there. */
import { lstatSync } from 'node:fs'
import { basename, dirname } from 'node:path'
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

type NameUse = 'read' | 'write'

/**
 * The real path of a name, if a test may put something there or in the place of a link on the way; undefined if none
 * may. Throws if the name leads through a link that a test may have made. For reading, a link that is older than the
 * run is the user's own.
 */
export function heldPlace(name: string, use: NameUse): string | undefined {
  if (guards.size === 0) return undefined
  // safe-open.ts opened the directory, and has checked the way to it.
  if (name.includes('\0') || name.startsWith('/proc/self/fd/')) return undefined
  const left: string[] = []
  const { real, links, kind } = walk(spelled(name), (dir) => left.push(dir))
  for (const { writes, refused } of guards) {
    const refuse = (why: string): Error => {
      const text = `permission denied, open '${name}': ${why}`
      refused(`${use}: ${text}`)
      return asOpen('EACCES', -13, text, name)
    }
    const link = links.find((at) => writes.mayHold(at) && (use === 'write' || isNew(at, writes)))
    if (link !== undefined) throw refuse(`a test may have made the link ${link}`)
    // A `..` leads elsewhere once a link takes the place of the directory that it leaves.
    const isHeld = [real, ...links, ...left].some((at) => writes.mayHold(at))
    if (isHeld && name.includes(NO_UTF_8)) throw refuse('its bytes are no text, and tests may write there')
    // Reading a directory as a file fails as ever.
    if (isHeld && !(use === 'read' && kind === 'dir')) return real
  }
  return undefined
}

/**
 * The entry that a name means itself, even if it is a link: its directory as `heldPlace` has it, and its name there.
 * Undefined if no test may write on the way to it.
 */
export function heldEntry(name: string): { readonly dir: string; readonly end: string } | undefined {
  const [, way = '', end = ''] = /^(.*\/)?([^/]*)$/s.exec(name) ?? []
  if (end !== '' && end !== '.' && end !== '..' && !end.includes(NO_UTF_8)) {
    const dir = heldPlace(way === '' ? '.' : way, 'write')
    return dir === undefined ? undefined : { dir, end }
  }
  // Such an end is followed if it is a link, as is all before it.
  const place = heldPlace(name, 'write')
  return place === undefined ? undefined : { dir: dirname(place), end: basename(place) }
}

/** In place of bytes that are no UTF-8: Buffer.toString(). */
const NO_UTF_8 = '\u{fffd}'

function isNew(path: string, writes: Writes): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined || writes.isChanged({ real: path, changedAt: stats.ctimeMs })
}

/** An error in the form that Node gives those of open(2). */
function asOpen(code: string, errno: number, text: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code, errno, syscall: 'open', path })
}
