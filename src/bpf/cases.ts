import { SECCOMP_DATA } from '../abi/structs.js'
import type { Label, Line } from './assemble.js'
import type { Action, ArgTest, SyscallRule } from './rules.js'

const LOW_HALF = 0xffff_ffffn
const ALL_BITS = 0xffff_ffff

/** A rule's cases, one after the other. A test that fails goes to the next case; no case falls through. */
export function caseLines(rule: SyscallRule, label: Label, labelOf: (action: Action) => Label): readonly Line[] {
  const otherwise = labelOf(rule.otherwise)
  return rule.cases.flatMap(({ all, action }, index): readonly Line[] => {
    const isLast = index === rule.cases.length - 1
    const next = isLast ? otherwise : `${label}.${index + 1}`
    const name = `${label}.${index}`
    return [{ op: 'label', name }, ...matchLines(all.flatMap(halves), name, labelOf(action), next)]
  })
}

/** Compares one half of a register with a constant; classic BPF knows only 32 bits. */
interface HalfTest {
  readonly offset: number
  readonly mask: number
  readonly value: number
}

// Little endian: the low half comes first (seccomp_data, include/uapi/linux/seccomp.h).
function halves(test: ArgTest): readonly HalfTest[] {
  const offset = SECCOMP_DATA.args + 8 * test.arg
  const mask = test.is === 'masked' ? test.mask : 0xffff_ffff_ffff_ffffn
  return [
    { offset, mask: Number(mask & LOW_HALF), value: Number(test.value & LOW_HALF) },
    { offset: offset + 4, mask: Number(mask >> 32n), value: Number(test.value >> 32n) },
    // A half of which no bit counts always holds: checkFilter has made sure that its value is 0.
  ].filter((half) => half.mask !== 0)
}

function matchLines(tests: readonly HalfTest[], name: Label, match: Label, mismatch: Label): readonly Line[] {
  // Every path to a label must go through a branch, and a case without tests has none: use a comparison that holds
  // always.
  if (tests.length === 0) return [{ op: 'branch', when: 'greater-or-equal', value: 0, yes: match, no: match }]
  return tests.flatMap(({ offset, mask, value }, index): readonly Line[] => {
    const isLast = index === tests.length - 1
    const passed = `${name} test ${index}`
    return [
      { op: 'load', offset },
      ...(mask === ALL_BITS ? [] : [{ op: 'and', mask } as const]),
      { op: 'branch', when: 'equal', value, yes: isLast ? match : passed, no: mismatch },
      ...(isLast ? [] : [{ op: 'label', name: passed } as const]),
    ]
  })
}
