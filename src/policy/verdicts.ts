import type { Verdict } from './decide.js'
import type { BytePath, PathAccess, PathRequest } from './request.js'

/** The most verdicts that are kept. Beyond this all are dropped: the frequent ones soon come back. */
const MOST = 4096
/** Longer paths are not kept, so that no worker can fill the memory with them. */
const LONGEST = 512

/** The kind of a question about a path. More may be allowed where the path is known to be a directory. */
type Key = PathAccess | `${PathAccess} of a directory`

function keyOf({ access, directory }: PathRequest): Key {
  return directory === undefined ? access : `${access} of a directory`
}

/**
 * A cache of the verdicts that a policy has given. A verdict follows from policy and request alone, never from the
 * disk, so a kept verdict is the one that would be given again.
 */
export class Verdicts {
  readonly #known = new Map<Key, Map<BytePath, Verdict>>()
  #count = 0

  /** The kept verdict; undefined if there is none. */
  of(request: PathRequest): Verdict | undefined {
    return request.counterpart === undefined ? this.#known.get(keyOf(request))?.get(request.path) : undefined
  }

  keep(request: PathRequest, verdict: Verdict): void {
    const { counterpart, path } = request
    if (counterpart !== undefined || path.length > LONGEST) return
    const key = keyOf(request)
    if (++this.#count > MOST) {
      this.#known.clear()
      this.#count = 1
    }
    const paths = this.#known.get(key)
    if (paths === undefined) this.#known.set(key, new Map([[path, verdict]]))
    else paths.set(path, verdict)
  }

  get size(): number {
    return [...this.#known.values()].reduce((sum, paths) => sum + paths.size, 0)
  }
}
