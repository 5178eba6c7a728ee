/**
 * A directory that a process makes for itself and removes again. It is held by descriptors, and a lock on it says that
 * its owner lives: flock(2) releases it with the last descriptor, however the owner ends.
 */
import { constants, fstatSync, mkdirSync, openSync, promises, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { codeOf } from '../errors.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, sys3 } from './raw.js'

const LOCK_EX = 2
const LOCK_NB = 4
const { chmod, readdir, rmdir, unlink } = promises
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW

export class PrivateDirectory {
  readonly #parent: OwnedFd
  readonly #own: OwnedFd
  readonly #name: string
  #removal: Promise<void> | undefined

  private constructor(parent: OwnedFd, own: OwnedFd, name: string) {
    this.#parent = parent
    this.#own = own
    this.#name = name
  }

  /**
   * Makes the directory, mode 700. `path`: absolute, without symbolic links. Throws Node's errors: EEXIST, EACCES,
   * ENOENT, ENOSPC, EROFS.
   */
  static make(path: string): PrivateDirectory {
    const parent = new OwnedFd(openSync(dirname(path), O_RDONLY | O_DIRECTORY))
    try {
      const name = basename(path)
      mkdirSync(at(parent, name), { mode: 0o700 })
      return new PrivateDirectory(parent, locked(parent, name), name)
    } catch (error) {
      parent.close()
      throw error
    }
  }

  /**
   * Removes the directories in `parent` whose names begin with `prefix`, that belong to this user, and whose owner is
   * gone. `before` is called with the name of each.
   */
  static async removeAbandoned(parent: string, prefix: string, before = (_name: string): void => {}): Promise<void> {
    using dir = new OwnedFd(openSync(parent, O_RDONLY | O_DIRECTORY))
    for (const name of readdirSync(parent)) {
      if (!name.startsWith(prefix)) continue
      const own = tryOpen(dir, name)
      if (own === undefined) continue
      if (fstatSync(own.number).uid !== process.getuid?.() || flock(own, LOCK_EX | LOCK_NB) !== 0) {
        own.close()
        continue
      }
      before(name)
      await new PrivateDirectory(new OwnedFd(openSync(parent, O_RDONLY | O_DIRECTORY)), own, name).remove()
    }
  }

  /**
   * Removes the directory with its content, through descriptors alone, so that no name that is exchanged meanwhile
   * leads outside.
   */
  remove(): Promise<void> {
    this.#removal ??= this.#remove()
    return this.#removal
  }

  async #remove(): Promise<void> {
    try {
      await empty(this.#own)
      // The name may be another directory's by now, which must not be removed, empty or not.
      if (isSame(this.#parent, this.#name, this.#own)) rmdirSync(at(this.#parent, this.#name))
    } finally {
      this.#own.close()
      this.#parent.close()
    }
  }
}

/** The path of a name in an open directory. It leads to that very directory, even if it was moved: proc_pid_fd(5). */
function at(dir: OwnedFd, name: string): string {
  return `/proc/self/fd/${dir.number}/${name}`
}

/**
 * The path of an entry, as bytes: a name need not be text, and such a name must not protect a test's files from
 * removal.
 */
function entryOf(dir: OwnedFd, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(at(dir, '')), name])
}

/** Locks a new directory. One that lost its name before it was locked was taken for an abandoned one. */
function locked(parent: OwnedFd, name: string): OwnedFd {
  const own = new OwnedFd(openSync(at(parent, name), DIRECTORY))
  if (flock(own, LOCK_EX | LOCK_NB) === 0 && isSame(parent, name, own)) return own
  own.close()
  throw new Error(`another process removes or locks the new directory ${name}`)
}

function flock(fd: OwnedFd, operation: number): number {
  return sys3(numberOf('flock'), fd.number, operation)
}

function isSame(parent: OwnedFd, name: string, own: OwnedFd): boolean {
  const there = tryOpen(parent, name)
  if (there === undefined) return false
  const [one, other] = [fstatSync(there.number, { bigint: true }), fstatSync(own.number, { bigint: true })]
  there.close()
  return one.ino === other.ino && one.dev === other.dev
}

function tryOpen(dir: OwnedFd, name: string): OwnedFd | undefined {
  return tryDirectory(at(dir, name))
}

function tryDirectory(path: string | Buffer): OwnedFd | undefined {
  try {
    return new OwnedFd(openSync(path, DIRECTORY))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** The depth at which directories are moved up to the top one, so that no depth uses up the descriptors. */
const DEEPEST = 32

async function empty(top: OwnedFd): Promise<void> {
  let moved = 0
  const emptyBelow = async (dir: OwnedFd, depth: number): Promise<void> => {
    for (const entry of await readdir(at(dir, '.'), { withFileTypes: true, encoding: 'buffer' })) {
      const path = entryOf(dir, entry.name)
      if (!entry.isDirectory()) {
        await orGone(unlink(path))
      } else if (depth >= DEEPEST) {
        renameSync(path, at(top, `.removed-${process.pid}-${++moved}`))
      } else {
        const below = await opened(path)
        if (below === undefined) continue
        try {
          await emptyBelow(below, depth + 1)
        } finally {
          below.close()
        }
        await orGone(rmdir(path))
      }
    }
  }
  let before = -1
  while (before !== moved) {
    before = moved
    await emptyBelow(top, 0)
  }
}

/**
 * Opens a directory. If tests made it unreadable, it is first made readable through its own descriptor: chmod(2) on the
 * name would follow a link.
 */
async function opened(path: Buffer): Promise<OwnedFd | undefined> {
  const readable = tryDirectory(path)
  if (readable !== undefined) return readable
  try {
    using held = new OwnedFd(openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW))
    await chmod(`/proc/self/fd/${held.number}`, 0o700)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
  return tryDirectory(path)
}

const O_PATH = 0o10000000

async function orGone(removal: Promise<void>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
