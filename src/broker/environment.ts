/** The environment and the directory that a broker process is started with. */
import { existsSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { systemPath } from './system-path.js'

/** The environment of the broker process: variables that Node needs to start, and none that changes what Node loads. */
const PASSED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'LD_LIBRARY_PATH']
export function brokerEnvironment(): Record<string, string> {
  return Object.fromEntries(
    PASSED.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, name === 'PATH' ? systemPath(value) : value]]
    }),
  )
}

/** The directory where killed runs may have left something. */
export function realTmp(): string {
  const dir = tmpdir()
  // If it does not exist, a worker's start says what is wrong.
  return existsSync(dir) ? realpathSync(dir) : dir
}
