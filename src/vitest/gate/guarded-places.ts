/** The places where a test may write, and what a name leads to there. */
import { lstatSync } from 'node:fs'
import { resolve } from 'node:path'
import { walk } from './walk.js'
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
  const { real, links, kind } = walk(resolve(name))
  for (const { writes, refused } of guards) {
    const link = links.find((at) => writes.mayHold(at) && (use === 'write' || isNew(at, writes)))
    if (link !== undefined) {
      const text = `permission denied, open '${name}': a test may have made the link ${link}`
      refused(`${use}: ${text}`)
      throw asOpen('EACCES', -13, text, name)
    }
    // Reading a directory as a file fails as ever.
    if (use === 'read' && kind === 'dir') continue
    if (writes.mayHold(real) || links.some((at) => writes.mayHold(at))) return real
  }
  return undefined
}

function isNew(path: string, writes: Writes): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined || writes.isChanged({ real: path, changedAt: stats.ctimeMs })
}

/** An error in the form that Node gives those of open(2). */
function asOpen(code: string, errno: number, text: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code, errno, syscall: 'open', path })
}
