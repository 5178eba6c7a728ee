/** Writes files at the end of a run from Vitest's own process, in places that tests may have written to before. */
import { constants, mkdirSync, realpathSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { codeOf } from '../errors.js'
import { withFile } from './gate/safe-open.js'

/**
 * The path at which a file of the options is written. Below the root, links are not followed: a test of this run or an
 * earlier one may have made one, which would lead this process elsewhere. A path outside the root is resolved now,
 * before any test runs.
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

/** Writes a file. Throws the error of open(2): ELOOP or ENOTDIR for a link in the way. */
export function writeSafely(place: string, text: string): void {
  // On other systems no tests are confined, and shards are only merged.
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
