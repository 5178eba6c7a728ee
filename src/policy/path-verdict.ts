import { isCanonical } from './canonical.js'
import { moveRefusal } from './moves.js'
import { find, type IndexedRule, type PathIndex } from './path-index.js'
import type { DenialReason, PathAccess, PathRequest } from './request.js'
import { beats, implies, type PathRule } from './rules.js'

/** The rule that allows an access to a path, or the reason why none does. */
export type PathJudgement =
  | { readonly allowed: true; readonly rule: PathRule; readonly how: 'rule' | 'ancestor' }
  | { readonly allowed: false; readonly reason: DenialReason }

export function judgePath(index: PathIndex, request: PathRequest): PathJudgement {
  if (!isCanonical(request.path)) return { allowed: false, reason: { why: 'not-canonical' } }
  const found = find(index, request.path, request.directory)
  const judgement = judgeLists(found.covering, request.access)
  if (judgement.allowed) {
    const reason = request.access === 'move' ? moveRefusal(index, request, found) : undefined
    return reason === undefined ? judgement : { allowed: false, reason }
  }
  if (request.access === 'look' && found.visibleBy !== undefined) {
    return { allowed: true, rule: found.visibleBy, how: 'ancestor' }
  }
  const through =
    request.access === 'look' ? found.globsThrough.find((entry) => !isExcluded(entry, found.covering)) : undefined
  return through === undefined ? judgement : { allowed: true, rule: through.rule, how: 'ancestor' }
}

function isExcluded({ rule, list }: IndexedRule, covering: readonly IndexedRule[]): boolean {
  return covering.some((other) => other.list === list && beats(other.rule, rule))
}

/** Combines the verdicts of the lists: one that grants is enough. */
function judgeLists(covering: readonly IndexedRule[], access: PathAccess): PathJudgement {
  let denied: PathJudgement = { allowed: false, reason: { why: 'no-grant' } }
  for (const list of new Set(covering.map((entry) => entry.list))) {
    const judgement = judgeList(
      covering.filter((entry) => entry.list === list),
      access,
    )
    if (judgement.allowed) return judgement
    if (rank(judgement.reason) > rank(denied.reason)) denied = judgement
  }
  return denied
}

/** The rank of a refusal. Of several, the message gives the one with the highest rank. */
function rank({ why }: DenialReason): number {
  return why === 'no-grant' ? 0 : why === 'weaker-grant' ? 1 : 2
}

/** The verdict of one list. `covering`: the rules of that list that cover the path. */
function judgeList(covering: readonly IndexedRule[], access: PathAccess): PathJudgement {
  const grants = covering.map(({ rule }) => rule).filter((rule) => rule.effect === 'grant')
  const grant = deepest(grants.filter((rule) => implies(rule.access, access)))
  if (grant === undefined) {
    // A grant to look does not explain a refused open, and the user cannot change a base grant: neither is named.
    const weaker = deepest(grants.filter((rule) => rule.access !== 'look' && rule.reason === undefined))
    return { allowed: false, reason: weaker ? { why: 'weaker-grant', grant: weaker.source } : { why: 'no-grant' } }
  }
  const exclusion = covering.find(({ rule }) => beats(rule, grant))
  if (exclusion === undefined) return { allowed: true, rule: grant, how: 'rule' }
  if (exclusion.rule.isProtected === true)
    return { allowed: false, reason: { why: 'protected', place: exclusion.rule.root } }
  const from = exclusion.rule.access === 'list' ? { from: 'list' as const } : {}
  return { allowed: false, reason: { why: 'excluded', exclusion: exclusion.rule.source, ...from } }
}

/**
 * The rule with the longest root. Of two with the same root, an exact file wins, because no exclusion glob beats it.
 */
function deepest(rules: readonly PathRule[]): PathRule | undefined {
  let best: PathRule | undefined
  for (const rule of rules) {
    const longer = best === undefined || rule.root.length > best.root.length
    if (longer || (rule.root === best?.root && rule.shape === 'file')) best = rule
  }
  return best
}
