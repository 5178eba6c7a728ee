import { isCanonical } from './canonical.js'
import { moveRefusal } from './moves.js'
import { find, type IndexedRule, type PathIndex } from './path-index.js'
import type { DenialReason, PathAccess, PathRequest } from './request.js'
import { beats, implies, type PathRule } from './rules.js'

/** The rule that answers for a path, or why none does. */
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

/** Any list that grants is enough. */
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

/** The worth of a refusal to a person, the highest first among several. */
function rank({ why }: DenialReason): number {
  return why === 'no-grant' ? 0 : why === 'weaker-grant' ? 1 : 2
}

/** The verdict of one list, given those of its rules that cover the path. */
function judgeList(covering: readonly IndexedRule[], access: PathAccess): PathJudgement {
  const grants = covering.map(({ rule }) => rule).filter((rule) => rule.effect === 'grant')
  const grant = deepest(grants.filter((rule) => implies(rule.access, access)))
  if (grant === undefined) {
    // That something may be looked at says nothing of why it may not be opened, and a base grant is no entry of anybody's.
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

/** The rule with the longest root; of equal ones an exact file, because no exclusion glob beats it. */
function deepest(rules: readonly PathRule[]): PathRule | undefined {
  let best: PathRule | undefined
  for (const rule of rules) {
    const longer = best === undefined || rule.root.length > best.root.length
    if (longer || (rule.root === best?.root && rule.shape === 'file')) best = rule
  }
  return best
}
