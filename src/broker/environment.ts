/** The environments that processes are born with, and the directory that a broker process is told. */
import { existsSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { systemPath } from './system-path.js'

const LIBRARIES = 'LD_LIBRARY_PATH'

/** The environment of the broker process: variables that Node needs to start, and none that changes what Node loads. */
const PASSED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', LIBRARIES]
export function brokerEnvironment(): Readonly<Record<string, string>> {
  return bornWith(
    Object.fromEntries(
      PASSED.flatMap((name) => {
        const value = process.env[name]
        return value === undefined ? [] : [[name, name === 'PATH' ? systemPath(value) : value]]
      }),
    ),
  )
}

/**
 * The environment that a process is born with, without what would have code of a test's making run before the filter.
 *
 * - An empty element of LD_LIBRARY_PATH means the working directory (ld.so(8)), where a test may put a library.
 *   `LD_LIBRARY_PATH=/opt/lib:$LD_LIBRARY_PATH` leaves one where nothing was set before.
 * - Node runs what it finds in NODE_COMPILE_CACHE in place of the source, and each process adds to it when it ends: where
 *   a worker may write there, the next one would run what it has put there.
 */
export function bornWith(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { NODE_COMPILE_CACHE: _, [LIBRARIES]: libraries, ...rest } = env
  return libraries === undefined ? rest : { ...rest, [LIBRARIES]: libraryDirs(libraries).join(':') }
}

/** The variables that `bornWith` changes, as they were: a worker sets them after its filter. */
export function setLater(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const born = bornWith(env)
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => born[name] !== value))
}

/** The directories that LD_LIBRARY_PATH names: ld.so(8). */
export function libraryDirs(libraries: string): readonly string[] {
  return libraries.split(/[:;]/).filter((dir) => dir !== '')
}

/**
 * The variables by which a process finds its temporary directory: os.tmpdir() and Python's `tempfile` look
 * at TMPDIR first. The others are replaced where they are set, and not added: without TMPDIR, `/tmp` is the answer.
 */
export function tmpVariables(env: Readonly<Record<string, unknown>>, tmp: string): Readonly<Record<string, string>> {
  const others = ['TMP', 'TEMP'].filter((name) => env[name] !== undefined)
  return Object.fromEntries(['TMPDIR', ...others].map((name) => [name, tmp]))
}

/** The directory where killed runs may have left something. */
export function realTmp(): string {
  const dir = tmpdir()
  // If it does not exist, a worker's start says what is wrong.
  return existsSync(dir) ? realpathSync(dir) : dir
}
