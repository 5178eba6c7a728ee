import type { Place } from '../syscalls/place.js'
import type { NameHeld, NamesHeld } from '../syscalls/ports.js'
import type { DelegatedCall } from './delegation.js'
import type { Turn } from './inode-locks.js'
import type { OwnedFd } from './owned-fd.js'

/** A name, and the open directory that holds it: no path is looked up any more. */
export class NameInDirectory implements NameHeld {
  readonly name: string

  constructor(
    readonly place: Place,
    readonly directory: OwnedFd,
  ) {
    this.name = place.name
  }

  /** The name as the caller spelled it: a slash at the end asks for a directory. */
  get spelled(): string {
    return this.place.trailingSlash ? `${this.name}/` : this.name
  }

  /** Casts a held name. Throws a TypeError if this kernel does not hold it. */
  static of(held: NameHeld | undefined): NameInDirectory {
    if (held instanceof NameInDirectory) return held
    throw new TypeError('a name that is not held')
  }
}

export class NamesInDirectories implements NamesHeld {
  constructor(
    readonly from: NameInDirectory,
    readonly to: NameInDirectory,
    readonly turn: Turn,
  ) {}

  #isGiven = false

  /** Gives the directories and the locks to another thread, which closes and releases them. */
  give(): Pick<DelegatedCall, 'fds' | 'locks'> {
    this.#isGiven = true
    const { from, to, turn } = this
    const fds = [from.directory.release(), ...(to.directory === from.directory ? [] : [to.directory.release()])]
    return { fds, locks: turn.give() }
  }

  /** Casts held names. Throws a TypeError if this kernel does not hold them. */
  static of(held: NamesHeld): NamesInDirectories {
    if (held instanceof NamesInDirectories) return held
    throw new TypeError('names that are not held')
  }

  [Symbol.dispose](): void {
    if (this.#isGiven) return
    this.turn[Symbol.dispose]()
    this.from.directory.close()
    if (this.to.directory !== this.from.directory) this.to.directory.close()
  }
}
