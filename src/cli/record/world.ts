/** The disk after the run, as far as a manifest depends on it. */
import type { Looked } from '../../policy/bind.js'
import type { BytePath } from '../../policy/request.js'

export interface World {
  readonly lookup: (path: BytePath) => Looked
  /** The names in a directory, one char per byte; undefined if there is no directory. */
  readonly names: (dir: BytePath) => readonly string[] | undefined
}
