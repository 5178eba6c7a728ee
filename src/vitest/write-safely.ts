/** Files that Vitest's process writes at the end of a run, in places where tests may have written before. */
import { constants, mkdirSync, realpathSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { codeOf } from '../errors.js'
import { withFile } from './gate/safe-open.js'

/**
 * Where a file of the options goes. Below the root every part is taken by its name: a link there may be a test's, from this
 * run or an earlier one, and would lead this process elsewhere. What is outside is looked up now, before any test runs.
 */
export function placeToWrite(root: string, path: string): string {
  const real = realpathSync(root)
  const full = resolve(root, path)
  const below = relative(root, full)
  if (!below.startsWith('../') && below !== '..') return join(real, below)
  return outside(full)
}

function outside(full: string): string {
  const parent = resolve(full, '..')
  if (parent === full) return full
  try {
    return join(realpathSync(parent), full.slice(parent.length))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return join(outside(parent), full.slice(parent.length))
    throw error
  }
}

/** Throws what open(2) throws: ELOOP or ENOTDIR for a link in the way. */
export function writeSafely(place: string, text: string): void {
  // Elsewhere nothing confines tests, and shards are only merged.
  if (process.platform !== 'linux') {
    mkdirSync(dirname(place), { recursive: true })
    return writeFileSync(place, text)
  }
  withFile(
    place,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
    (fd) => {
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    },
    'make',
  )
}
