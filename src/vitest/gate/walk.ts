/**
 * Finds the real path of a name. It only looks at names and opens nothing, so nothing can block: path_resolution(7).
 */
import fs, { lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { PathWalk } from '../../abi/path-walk.js'
import { codeOf } from '../../errors.js'

/** Node's own, which guarded-lookups.ts replaces. */
const { readlinkSync } = fs

export interface Walked {
  /** The path without symbolic links. For a missing path: as far as it exists, and the rest unchanged. */
  readonly real: string
  readonly kind: 'file' | 'dir' | 'other' | 'missing'
  /**
   * The symbolic links that were followed, each by its own real path. Whoever can replace one decides where it leads.
   */
  readonly links: readonly string[]
  /** For a file: the time at which its content or its place last changed. */
  readonly changedAt: number
}

/**
 * The absolute form of a name, as it is spelled: a `..` leaves the directory that a link before it leads to, where
 * resolve() takes both away.
 */
export function spelled(name: string): string {
  return name.startsWith('/') ? name : `${process.cwd()}/${name}`
}

/** `up` is called with each directory that a `..` leaves, and with each missing one. */
export function walk(path: string, up?: (from: string) => void): Walked {
  const links: string[] = []
  const way = new PathWalk(path)
  for (let at = way.next(up); at !== undefined; at = way.next(up)) {
    const stats = look(at)
    if (stats === undefined) return missing(at, way.rest, links, up)
    if (stats.isSymbolicLink()) {
      if (!way.follow(readlinkSync(at))) return missing(at, way.rest, links, up)
      links.push(at)
      continue
    }
    way.at = at
    if (stats.isDirectory()) continue
    if (way.rest.length > 0) return missing(at, way.rest, links, up)
    const changedAt = Math.max(stats.ctimeMs, stats.mtimeMs)
    return { real: at, kind: stats.isFile() ? 'file' : 'other', links, changedAt }
  }
  return { real: way.at === '' ? '/' : way.at, kind: 'dir', links, changedAt: 0 }
}

function missing(
  at: string,
  rest: readonly string[],
  links: readonly string[],
  up: ((from: string) => void) | undefined,
): Walked {
  let real = at
  for (const name of rest) {
    if (name === '..') up?.(real)
    real = join(real, name)
  }
  return { real, kind: 'missing', links, changedAt: 0 }
}

/** The entry at a path; undefined if this process cannot see it, because then it cannot open it either. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    const code = codeOf(error)
    // Node's own error for a NUL. No file name contains one, but the names of plugins' modules begin with it.
    if (code === 'ERR_INVALID_ARG_VALUE') return undefined
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES' || code === 'ENAMETOOLONG' || code === 'ELOOP')
      return undefined
    throw error
  }
}
