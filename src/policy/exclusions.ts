import { buildPathIndex, find, type PathIndex } from './path-index.js'
import type { BytePath } from './request.js'
import type { PolicyData, RuleList } from './rules.js'

/**
 * The exclusions from reading that users wrote: those of a manifest's `read` list, and the entries of `deny`. They hold
 * as well where reading needs no grant.
 */
export class Exclusions {
  readonly #lists = new Map<string, RuleList>()
  #index: PathIndex | undefined

  /** Adds those of a policy. Returns true if any is new. */
  add({ lists, denied = [] }: Pick<PolicyData, 'lists' | 'denied'>): boolean {
    const before = this.#lists.size
    for (const list of [...lists.filter(isReadList), denied]) {
      const exclusions = list.filter(({ effect }) => effect === 'exclude')
      if (exclusions.length > 0) this.#lists.set(JSON.stringify(exclusions), exclusions)
    }
    if (this.#lists.size === before) return false
    this.#index = undefined
    return true
  }

  covers(path: BytePath): boolean {
    if (this.#lists.size === 0) return false
    this.#index ??= buildPathIndex([...this.#lists.values()])
    return find(this.#index, path).covering.length > 0
  }
}

/** True for the `read` list of a manifest. Exclusions of other lists say what may not be written, run or listed. */
function isReadList(list: RuleList): boolean {
  return list.every(({ access, reason }) => access === 'read' && reason === undefined)
}
