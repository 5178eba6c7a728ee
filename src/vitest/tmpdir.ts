/** Where workers' temporary directories are made. */
import { mkdtempSync, realpathSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, NoTmpdirError } from '../errors.js'

const usable = new Set<string>()

/** Apart from how workers' directories are called: the broker process would take it for one that a killed run left, and remove it. */
const PROBE = 'vitest-pool-seccomp.'

/** `os.tmpdir()` by its real path. Throws a NoTmpdirError where nothing can be made in it. */
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
