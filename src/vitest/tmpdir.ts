/** Where workers' temporary directories are made. */
import { mkdtempSync, realpathSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TMP_NAME } from '../broker/tmp.js'
import { codeOf, NoTmpdirError } from '../errors.js'

const usable = new Set<string>()

/** `os.tmpdir()` by its real path. Throws a NoTmpdirError where nothing can be made in it. */
export function realTmpdir(): string {
  const dir = tmpdir()
  try {
    const real = realpathSync(dir)
    if (!usable.has(real)) rmdirSync(mkdtempSync(join(real, TMP_NAME)))
    usable.add(real)
    return real
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    throw new NoTmpdirError(dir, code)
  }
}
