import type { Verdict } from './decide.js'
import type { BytePath, PathAccess, PathRequest } from './request.js'

/** Beyond, all are forgotten: what a worker asks for over and over is soon there again. */
const MOST = 4096
/** Longer paths are not kept, so that no worker can fill the memory with them. */
const LONGEST = 512

/**
 * Verdicts that a policy has given. A verdict follows from policy and request alone, so one that is remembered is the one that
 * would be given again; nothing that is on the disk goes into it.
 */
export class Verdicts {
  readonly #known = new Map<PathAccess, Map<BytePath, Verdict>>()
  #count = 0

  /** Undefined: not known. */
  of({ access, path, counterpart, directory }: PathRequest): Verdict | undefined {
    return counterpart === undefined && directory === undefined ? this.#known.get(access)?.get(path) : undefined
  }

  keep({ access, path, counterpart, directory }: PathRequest, verdict: Verdict): void {
    if (counterpart !== undefined || directory !== undefined || path.length > LONGEST) return
    if (++this.#count > MOST) {
      this.#known.clear()
      this.#count = 1
    }
    const paths = this.#known.get(access)
    if (paths === undefined) this.#known.set(access, new Map([[path, verdict]]))
    else paths.set(path, verdict)
  }

  get size(): number {
    return [...this.#known.values()].reduce((sum, paths) => sum + paths.size, 0)
  }
}
