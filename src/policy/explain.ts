import type { Policy } from './compile.js'
import { decide } from './decide.js'
import { quietly } from './deny.js'
import { showName } from './message.js'
import { quote } from './nearest.js'
import type { AccessRequest, DenialReason } from './request.js'
import type { PathRule } from './rules.js'
import type { SocketRule } from './sockets.js'
import { describeReason, describeRequest } from './words.js'

/** The rule that allows a request, or the reason why none does. */
export type Explanation = { readonly text: string } & (
  | { readonly allowed: true; readonly how: 'rule' | 'ancestor'; readonly rule: PathRule | SocketRule }
  | { readonly allowed: false; readonly reason: DenialReason; readonly quiet?: PathRule }
)

export function explain(policy: Policy, request: AccessRequest): Explanation {
  const asked = describeRequest(request)
  const verdict = decide(policy, request)
  if (!verdict.allowed) {
    const { reason } = verdict
    const quiet = request.kind === 'path' ? quietly(policy, request.path) : undefined
    if (quiet !== undefined) {
      const { source, at, why } = quiet
      const how = quiet.quiet === 'forbidden' ? 'refused' : 'as if not there'
      const because = why === undefined ? '' : `: ${showName(why)}`
      return {
        allowed: false,
        reason,
        quiet,
        text: `${asked}: ${how}, without a violation, by ${quote(source)} (${at})${because}`,
      }
    }
    return { allowed: false, reason, text: `${asked}: refused, ${describeReason(reason, request)}` }
  }
  const { rule, how } = verdict.granted
  // `decide` always names a rule. Only audit mode grants without one, and it takes no part in `decide`.
  if (rule === undefined || how === 'audit') throw new TypeError('a verdict without a rule')
  const origin = `${quote(rule.source)} (${rule.reason === undefined ? rule.at : `always: ${rule.reason}`})`
  const because = how === 'ancestor' ? `it leads to ${origin}` : `by ${origin}`
  return { allowed: true, how, rule, text: `${asked}: allowed, ${because}` }
}
