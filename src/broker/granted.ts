/** What a test file may use, as its manifest says it: the answer to `report`. */
import { kindOfUse, type PolicyData } from '../policy/policy.js'
import type { GrantedItem } from '../protocol.js'

/** Only base grants are for looking alone. */
const LISTS = { look: 'read', read: 'read', content: 'write', write: 'write', execute: 'exec' } as const

/** In the manifest's order, each entry once. What every worker has, or needs for its own sake, is left out. */
export function grantedItems({ lists, sockets, resources = [] }: PolicyData): readonly GrantedItem[] {
  const paths = lists.flat().filter(({ reason }) => reason === undefined).map(({ access, source }) => ({ list: LISTS[access], entry: source }))
  const addresses = sockets.filter(({ reason }) => reason === undefined).map(({ access, source }) => ({ list: access, entry: source }))
  const names = new Map(resources.map(({ name, use }): [string, GrantedItem] => [name, { list: 'resources', entry: name, kind: kindOfUse(use) }]))
  const distinct = new Map([...paths, ...addresses].map((item) => [`${item.list} ${item.entry}`, item]))
  return [...distinct.values(), ...names.values()]
}
