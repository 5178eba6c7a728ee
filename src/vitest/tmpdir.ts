/** The directory in which the workers' temporary directories are made. */
import { mkdtempSync, realpathSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, NoTmpdirError } from '../errors.js'

const usable = new Set<string>()

/**
 * A prefix that differs from that of workers' directories: the broker process removes those that a killed run left
 * behind.
 */
const PROBE = 'vitest-pool-seccomp.'

/** The real path of `os.tmpdir()`. Throws a NoTmpdirError if no directory can be made in it. */
export function realTmpdir(): string {
  const dir = tmpdir()
  try {
    const real = realpathSync(dir)
    if (!usable.has(real)) rmdirSync(mkdtempSync(join(real, PROBE)))
    usable.add(real)
    return real
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    throw new NoTmpdirError(dir, code)
  }
}
