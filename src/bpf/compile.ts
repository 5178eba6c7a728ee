import { AUDIT_ARCH, SKIPPED_SYSCALL, X32_SYSCALL_BIT } from '../abi/arch.js'
import { SECCOMP_DATA } from '../abi/structs.js'
import { assemble, type Line } from './assemble.js'
import { checkProgram } from './check-program.js'
import { checkFilter } from './check.js'
import { linearLines, searchLines } from './dispatch.js'
import type { Program } from './instruction.js'
import { foreignAction, type Filter, type SyscallRule } from './rules.js'
import { simplify } from './simplify.js'
import { Targets } from './targets.js'

interface CompileOptions {
  /**
   * `search` (the default) finds the number by bisection and leaves out what has no effect. `linear` writes the rules
   * down as they are, one comparison after the other: it is slow, but plain enough to compare the other with.
   */
  readonly optimize?: 'search' | 'linear'
}

/**
 * Compiles a filter to a program for SECCOMP_SET_MODE_FILTER. Equal filters give equal programs, whatever the order of
 * their rules. Throws a BpfError for a filter that contradicts itself or needs more than 4096 instructions.
 */
export function compile(filter: Filter, { optimize = 'search' }: CompileOptions = {}): Program {
  checkFilter(filter)
  const rules = filter.rules.toSorted((a, b) => a.number - b.number)
  const lines =
    optimize === 'search' ? allLines(filter, rules.map(simplify), searchLines) : allLines(filter, rules, linearLines)
  const program = assemble(lines)
  checkProgram(program)
  return program
}

type Dispatch = typeof linearLines

function allLines(filter: Filter, rules: readonly SyscallRule[], dispatch: Dispatch): readonly Line[] {
  const targets = new Targets()
  // `targets` makes a block when it is first asked for, so its lines are read last.
  const head = headLines(filter, targets)
  const body = dispatch(rules, filter.otherwise, targets)
  return [...head, ...body, ...targets.lines()]
}

/** Checks the architecture, then x32, and leaves the number in the accumulator: see `evaluate` for the reasons. */
function headLines(filter: Filter, targets: Targets): readonly Line[] {
  const foreign = targets.action(foreignAction(filter))
  const checkArch: readonly Line[] = [
    { op: 'load', offset: SECCOMP_DATA.arch },
    { op: 'branch', when: 'equal', value: AUDIT_ARCH[filter.arch], yes: 'native', no: foreign },
    { op: 'label', name: 'native' },
    { op: 'load', offset: SECCOMP_DATA.nr },
  ]
  if (filter.arch !== 'x64') return checkArch
  return [
    ...checkArch,
    { op: 'branch', when: 'any-bit', value: X32_SYSCALL_BIT, yes: 'x32', no: 'number' },
    { op: 'label', name: 'x32' },
    { op: 'branch', when: 'equal', value: SKIPPED_SYSCALL, yes: targets.action(filter.otherwise), no: foreign },
    { op: 'label', name: 'number' },
  ]
}
