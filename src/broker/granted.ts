/** The grants of a test file: those of its manifest, and the directories that it acquired since. */
import { LIST_FOR } from '../policy/manifest.js'
import {
  compilePolicy,
  kindOfUse,
  type PathRule,
  type Policy,
  type PolicyData,
  type RuleList,
} from '../policy/policy.js'
import type { GrantedItem } from '../protocol.js'

export class GrantedNow {
  #entered: RuleList[] = []
  #policy: Policy

  constructor(readonly data: PolicyData) {
    this.#policy = compilePolicy(data)
  }

  get policy(): Policy {
    return this.#policy
  }

  /** Adds an acquired directory: names in it are then decided like any other path. */
  enter(rule: PathRule): Policy {
    if (this.#entered.some(([known]) => known === rule)) return this.#policy
    this.#entered.push([rule])
    // A ceiling has it already.
    this.#policy = compilePolicy({ ...this.data, lists: [...this.data.lists, ...this.#entered] })
    return this.#policy
  }
}

/**
 * The grants as the manifest writes them, for the answer to `report`: in the manifest's order, each entry once. Grants
 * that every worker has, or that are there for the worker's own sake, are left out.
 */
export function grantedItems({ lists, sockets, resources = [] }: PolicyData): readonly GrantedItem[] {
  const paths = lists
    .flat()
    .filter(({ reason }) => reason === undefined)
    .map(({ access, source }) => ({ list: LIST_FOR[access], entry: source }))
  const addresses = sockets
    .filter(({ reason }) => reason === undefined)
    .map(({ access, source }) => ({ list: LIST_FOR[access], entry: source }))
  const names = new Map(
    resources.map(({ name, use }): [string, GrantedItem] => [
      name,
      { list: 'resources', entry: name, kind: kindOfUse(use) },
    ]),
  )
  const distinct = new Map([...paths, ...addresses].map((item) => [`${item.list} ${item.entry}`, item]))
  return [...distinct.values(), ...names.values()]
}
