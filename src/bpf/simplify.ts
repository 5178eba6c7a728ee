import { sameAction, type FilterCase, type SyscallRule } from './rules.js'

/**
 * Drops the cases of a rule that have no effect: those behind a case that always matches, and last cases whose action
 * is the one that follows anyway. A rule without cases needs no argument loaded.
 */
export function simplify(rule: SyscallRule): SyscallRule {
  const always = rule.cases.findIndex(({ all }) => all.length === 0)
  const catchAll = rule.cases[always]
  const otherwise = catchAll === undefined ? rule.otherwise : catchAll.action
  const cases = catchAll === undefined ? rule.cases : rule.cases.slice(0, always)
  const lastThatMatters = cases.findLastIndex(({ action }: FilterCase) => !sameAction(action, otherwise))
  return { number: rule.number, cases: cases.slice(0, lastThatMatters + 1), otherwise }
}
