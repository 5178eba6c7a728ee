/** The file of a unix socket, held to be removed in the end: by no path, which may lead elsewhere by then. */
import { fstatSync } from 'node:fs'
import { posix } from 'node:path'
import { openFlags } from '../abi/open-flags.js'
import { AT_EMPTY_PATH, AT_FDCWD, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } from '../abi/path-flags.js'
import { OPEN_HOW } from '../abi/structs.js'
import type { BytePath } from '../policy/request.js'
import { hostArch } from './host.js'
import { Identities } from './identity.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const { O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH } = openFlags(hostArch())
const NO_TEXT = new Pinned(1)

export class SocketFile {
  readonly #identities = new Identities()

  private constructor(
    readonly directory: OwnedFd,
    readonly name: string,
    /** While it is held, no other file gets its number. */
    readonly file: OwnedFd,
  ) {}

  /**
   * Holds the socket at a canonical path. Undefined if it is gone, or the file there is another: `identity` is that of
   * the file which binding made.
   */
  static hold(path: BytePath, identity: string): SocketFile | undefined {
    const directory = open(AT_FDCWD, posix.dirname(path), O_DIRECTORY)
    if (directory === undefined) return undefined
    const name = posix.basename(path)
    const file = open(directory.number, name, O_NOFOLLOW)
    if (file !== undefined) {
      const held = new SocketFile(directory, name, file)
      if (held.#identity() === identity && fstatSync(file.number).isSocket()) return held
      file.close()
    }
    directory.close()
    return undefined
  }

  #identity(): unknown {
    return this.#identities.of(this.file.number, NO_TEXT.address, AT_EMPTY_PATH)
  }

  /** Removes the name, if it is still this socket's, and lets go. */
  remove(): void {
    const name = new Pinned(this.name.length + 1)
    // A test that may write there may have moved it, or put something else in its place.
    if (this.#identities.of(this.directory.number, name.text(this.name), 0) === this.#identity())
      sys3(numberOf('unlinkat'), this.directory.number, name.address, 0)
    this.file.close()
    this.directory.close()
  }
}

function open(from: number, path: string, flags: number): OwnedFd | undefined {
  const how = new Pinned(OPEN_HOW.size)
  how.setWord(OPEN_HOW.flags, flags | O_PATH | O_CLOEXEC)
  how.setWord(OPEN_HOW.resolve, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
  const text = new Pinned(path.length + 1)
  const fd = sys6(numberOf('openat2'), from, text.text(path), how.address, OPEN_HOW.size)
  return fd < 0 ? undefined : new OwnedFd(fd)
}
