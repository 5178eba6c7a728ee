import type { Label, Line } from './assemble.js'
import { BpfError } from './errors.js'
import type { Action, SyscallRule } from './rules.js'
import type { Targets } from './targets.js'

/** One comparison for each rule, in the order of the rules. Expects the number in the accumulator. */
export function linearLines(rules: readonly SyscallRule[], otherwise: Action, targets: Targets): readonly Line[] {
  const comparisons = rules.flatMap((rule, index): readonly Line[] => {
    const next = `after rule ${index}`
    return [
      { op: 'branch', when: 'equal', value: rule.number, yes: targets.rule(rule), no: next },
      { op: 'label', name: next },
    ]
  })
  return [...comparisons, goTo(targets.action(otherwise))]
}

/** All numbers from `from` up to the start of the next range, exclusive. */
interface Range {
  readonly from: number
  readonly target: Label
}

/**
 * A balanced tree of comparisons over ranges of numbers that share a target: with n rules, any number costs about
 * log2(2n) steps. Expects the number in the accumulator.
 */
export function searchLines(rules: readonly SyscallRule[], otherwise: Action, targets: Targets): readonly Line[] {
  const ranges = mergedRanges(rules, otherwise, targets)
  const [only] = ranges
  return ranges.length === 1 && only !== undefined ? [goTo(only.target)] : treeLines(ranges, 0, ranges.length)
}

/** The ranges in ascending order, without gaps; neighbours differ. `rules` must be ascending and have no duplicates. */
function mergedRanges(rules: readonly SyscallRule[], otherwise: Action, targets: Targets): readonly Range[] {
  const gap = targets.action(otherwise)
  const points: Range[] = [{ from: 0, target: gap }]
  for (const rule of rules) {
    // The gap behind the previous rule may be empty: the rule then takes its place.
    if (points.at(-1)?.from === rule.number) points.pop()
    points.push({ from: rule.number, target: targets.rule(rule) }, { from: rule.number + 1, target: gap })
  }
  return points.filter(({ target }, index) => target !== points[index - 1]?.target)
}

/** The tree for ranges[start..end), at least two of them. */
function treeLines(ranges: readonly Range[], start: number, end: number): readonly Line[] {
  const middle = (start + end) >>> 1
  const pivot = ranges[middle]
  // Unreachable: start < middle < end for two ranges or more.
  if (pivot === undefined) throw new BpfError('search tree', 'at least two ranges', `${start} to ${end}`)
  const below = subtree(ranges, start, middle)
  const above = subtree(ranges, middle, end)
  return [
    { op: 'branch', when: 'greater-or-equal', value: pivot.from, yes: above.label, no: below.label },
    ...below.lines,
    ...above.lines,
  ]
}

function subtree(ranges: readonly Range[], start: number, end: number): { label: Label; lines: readonly Line[] } {
  const first = ranges[start]
  if (first !== undefined && end - start === 1) return { label: first.target, lines: [] }
  const label = `ranges ${start} to ${end}`
  return { label, lines: [{ op: 'label', name: label }, ...treeLines(ranges, start, end)] }
}

/** A branch that goes to one place either way. Only the assembler writes classic BPF's own jump. */
function goTo(label: Label): Line {
  return { op: 'branch', when: 'greater-or-equal', value: 0, yes: label, no: label }
}
