import type { Place } from '../syscalls/place.js'
import type { NameHeld, NamesHeld } from '../syscalls/ports.js'
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

  [Symbol.dispose](): void {
    this.turn[Symbol.dispose]()
    this.from.directory.close()
    if (this.to.directory !== this.from.directory) this.to.directory.close()
  }
}
