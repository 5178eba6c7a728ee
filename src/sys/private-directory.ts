/**
 * A directory that a process makes for itself and removes again. It is held by descriptors, and a lock on it says that
 * its owner lives: flock(2) releases it with the last descriptor, however the owner ends.
 */
import {
  chmodSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  promises,
  readdirSync,
  rmdirSync,
  type OpenDirOptions,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { openFlags } from '../abi/open-flags.js'
import { codeOf } from '../errors.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, sys3 } from './raw.js'

const LOCK_EX = 2
const LOCK_NB = 4
const { opendir, rename, rmdir, unlink } = promises
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
const { O_PATH } = openFlags(hostArch())
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
/** How often a removal begins again while something else comes to stand in its way. */
const ROUNDS = 20

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
   * gone. `before` is called with the name of each that belongs to this user: what the owner left behind may hold the
   * lock, which is then free.
   */
  static async removeAbandoned(parent: string, prefix: string, before = (_name: string): void => {}): Promise<void> {
    using dir = new OwnedFd(openSync(parent, O_RDONLY | O_DIRECTORY))
    for (const name of readdirSync(parent)) {
      if (!name.startsWith(prefix) || !isOwnDirectory(at(dir, name))) continue
      before(name)
      const own = opened(Buffer.from(at(dir, name)))
      if (own === undefined) continue
      if (fstatSync(own.number).uid !== process.getuid?.() || flock(own, LOCK_EX | LOCK_NB) !== 0) {
        own.close()
        continue
      }
      const abandoned = new PrivateDirectory(new OwnedFd(openSync(parent, O_RDONLY | O_DIRECTORY)), own, name)
      // One that resists does not protect the others.
      await abandoned.remove().catch(ifRefused)
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
      for (let round = 1; ; round++) {
        try {
          return await this.#removeOnce()
        } catch (error) {
          // Somebody puts something else there meanwhile.
          if (round === ROUNDS || !['ENOTEMPTY', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')) throw error
        }
      }
    } finally {
      this.#own.close()
      this.#parent.close()
    }
  }

  async #removeOnce(): Promise<void> {
    await empty(this.#own)
    // The name may be another directory's by now, which must not be removed, empty or not.
    if (isSame(this.#parent, this.#name, this.#own)) rmdirSync(at(this.#parent, this.#name))
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

/** True for a directory of this user's, whatever its mode. */
function isOwnDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === process.getuid?.()
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
/** Entries that are held in memory at once: a test may make millions. */
const AT_ONCE = 1024

async function empty(top: OwnedFd): Promise<void> {
  // With the clock in it, no test can foresee the name and be in its way.
  const prefix = `.removed-${process.pid}-${process.hrtime.bigint()}-`
  let moved = 0
  const emptyBelow = async (dir: OwnedFd, depth: number): Promise<void> => {
    // The casts: Node's types know names as text alone.
    const options = { encoding: 'buffer', bufferSize: AT_ONCE } as unknown as OpenDirOptions
    for await (const entry of await opendir(at(dir, '.'), options)) {
      const path = entryOf(dir, entry.name as unknown as Buffer)
      if (!entry.isDirectory()) {
        await orGone(unlink(path))
        continue
      }
      const below = opened(path)
      if (below === undefined) continue
      try {
        if (depth < DEEPEST) await emptyBelow(below, depth + 1)
      } finally {
        below.close()
      }
      await orGone(depth < DEEPEST ? rmdir(path) : rename(path, at(top, `${prefix}${++moved}`)))
    }
  }
  makeOwn(top)
  let before = -1
  while (before !== moved) {
    before = moved
    await emptyBelow(top, 0)
  }
}

/**
 * Opens a directory. If tests made it unreadable or read-only, that is first undone through its own descriptor: chmod(2)
 * on the name would follow a link.
 */
function opened(path: Buffer): OwnedFd | undefined {
  const readable = tryDirectory(path)
  if (readable !== undefined) return makeOwn(readable)
  try {
    using held = new OwnedFd(openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW))
    chmodSync(`/proc/self/fd/${held.number}`, 0o700)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
  return tryDirectory(path)
}

/** Makes a directory writable for its owner: otherwise only root can remove what is in it, or move it. */
function makeOwn(directory: OwnedFd): OwnedFd {
  if ((fstatSync(directory.number).mode & 0o700) === 0o700) return directory
  try {
    fchmodSync(directory.number, 0o700)
  } catch (error) {
    // Another user's: what is in it cannot be removed, which is told then.
    if (codeOf(error) !== 'EPERM') throw error
  }
  return directory
}

/** Lets an error of the kernel pass, and no other. */
function ifRefused(error: unknown): void {
  if (codeOf(error) === undefined) throw error
}

async function orGone(removal: Promise<void>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
