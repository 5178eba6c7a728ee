/** Opens exactly the file that a real path names. It follows no link and waits for nothing: open(2), proc_pid_fd(5). */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { openFlags } from '../../abi/open-flags.js'
import { codeOf } from '../../errors.js'
import { hostArch } from '../../sys/host.js'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Opens a file while `use` runs. Throws the error of open(2): ELOOP or ENOTDIR if a part of the path has become a link
 * since the path was resolved. `missingDirs: 'make'` creates directories as `mkdir -p` does.
 */
export function withFile<T>(
  real: string,
  flags: number,
  use: (fd: number) => T,
  missingDirs: 'make' | 'leave' = 'leave',
): T {
  return withOpen(openSafely(real, flags, 0o666, missingDirs), use)
}

/** Closes a descriptor after its use. */
export function withOpen<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** Opens a file as `withFile` does, and leaves closing it to the caller. */
export function openSafely(real: string, flags: number, mode: number, missingDirs: 'make' | 'leave' = 'leave'): number {
  const dir = openDir(dirname(real), missingDirs)
  try {
    const fd = openSync(`/proc/self/fd/${dir}/${basename(real)}`, flags | O_NOFOLLOW | O_NONBLOCK, mode)
    if (fstatSync(fd).isFile()) return fd
    closeSync(fd)
    throw new Error(`${real} is not a regular file`)
  } finally {
    closeSync(dir)
  }
}

/** Runs `use` with a name for a directory, as `inDirectory` does. */
export function withDirectory<T>(real: string, missingDirs: 'make' | 'leave', use: (dir: string) => T): T {
  const dir = openDir(real, missingDirs)
  try {
    return use(`/proc/self/fd/${dir}`)
  } finally {
    closeSync(dir)
  }
}

/** Runs `use` with a name for the directory of a file. The name means the same directory as long as `use` runs. */
export async function inDirectory<T>(real: string, use: (dir: string) => T): Promise<Awaited<T>> {
  const dir = openDir(dirname(real), 'leave')
  try {
    return await use(`/proc/self/fd/${dir}`)
  } finally {
    closeSync(dir)
  }
}

export function readSafely(real: string, limit: number): Buffer {
  return withFile(real, O_RDONLY, (fd) => {
    const { size } = fstatSync(fd)
    if (size > limit) throw new Error(`${real} has ${size} bytes, where at most ${limit} are read`)
    return readFileSync(fd)
  })
}

/** Removes an entry of an open directory, and all that is in it. Names are removed only from directories that are open. */
export function removeTree(path: Buffer): void {
  if (lstatSync(path).isDirectory()) removeDir(path)
  else unlinkSync(path)
}

/** Removes a directory as `removeTree` does, and nothing else. */
export function removeDir(path: Buffer): void {
  withOpen(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), (fd) => {
    const dir = `/proc/self/fd/${fd}/`
    for (const name of readdirSync(dir, 'buffer')) {
      try {
        removeTree(Buffer.concat([Buffer.from(dir), name]))
      } catch (error) {
        // Somebody else has removed or moved it.
        if (codeOf(error) !== 'ENOENT') throw error
      }
    }
  })
  rmdirSync(path)
}

function openDir(real: string, missingDirs: 'make' | 'leave'): number {
  const { O_PATH } = openFlags(hostArch())
  let dir = openSync('/', O_PATH | O_DIRECTORY)
  for (const name of real.split('/').filter((part) => part !== '')) {
    const above = dir
    const path = `/proc/self/fd/${above}/${name}`
    try {
      if (missingDirs === 'make') makeDir(path)
      dir = openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW)
    } finally {
      closeSync(above)
    }
  }
  return dir
}

function makeDir(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const code = codeOf(error)
    // The directory may exist although its parent cannot be written. If it does not, opening it fails.
    if (code !== 'EEXIST' && code !== 'EACCES' && code !== 'EROFS') throw error
  }
}
