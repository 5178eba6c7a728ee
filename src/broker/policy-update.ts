/**
 * A policy as it follows another one of the same worker. What both have in common crosses processes and threads as a
 * reference: most lists are the same for every test file, and one that is known on the other side is compiled already.
 */
import { ProtocolError } from '../errors.js'
import type { PolicyData, RuleList } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'

export interface PolicyUpdate extends Omit<PolicyData, 'lists' | 'anchors'> {
  /** A number means the list with this index in the policy before. */
  readonly lists: readonly (RuleList | number)[]
  readonly anchors?: readonly BytePath[] | 'same'
}

/** The update that makes `policy` of the one before. What is the same object in both is a reference. */
export function updateOf(policy: PolicyData, before: PolicyData | undefined): PolicyUpdate {
  if (before === undefined) return policy
  const { lists, anchors, ...rest } = policy
  return {
    ...rest,
    lists: lists.map((list) => {
      const index = before.lists.indexOf(list)
      return index < 0 ? list : index
    }),
    ...(anchors === undefined ? {} : { anchors: anchors === before.anchors ? ('same' as const) : anchors }),
  }
}

/** The policy after an update. Throws a ProtocolError for a reference to what the policy before does not have. */
export function updated(before: PolicyData | undefined, update: PolicyUpdate): PolicyData {
  const { lists, anchors, ...rest } = update
  return {
    ...rest,
    lists: lists.map((list) => (typeof list === 'number' ? known(before?.lists[list], `list ${list}`) : list)),
    ...(anchors === undefined ? {} : { anchors: anchors === 'same' ? known(before?.anchors, 'anchors') : anchors }),
  }
}

function known<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new ProtocolError(`a policy that refers to ${name} of the one before, which has none`)
  return value
}
