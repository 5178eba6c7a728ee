/** The disk after the run, as far as a manifest depends on it. */
import type { Looked } from '../../policy/bind.js'
import type { BytePath } from '../../policy/request.js'

export interface World {
  readonly lookup: (path: BytePath) => Looked
  /** The names in a directory, one char per byte; undefined if there is no directory. */
  readonly names: (dir: BytePath) => readonly string[] | undefined
}

/** A disk that does not change any more: each directory is listed once. */
export function atRest({ lookup, names }: World): World {
  const known = new Map<BytePath, readonly string[] | undefined>()
  return {
    lookup,
    names(dir) {
      if (!known.has(dir)) known.set(dir, names(dir))
      return known.get(dir)
    },
  }
}
