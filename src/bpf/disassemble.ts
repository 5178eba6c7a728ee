import { ARCHES, AUDIT_ARCH, type Arch } from '../abi/arch.js'
import { SECCOMP_DATA } from '../abi/structs.js'
import { syscallName } from '../abi/syscalls.js'
import { checkProgram } from './check-program.js'
import { OP, type Instruction, type Program } from './instruction.js'
import { actionOf } from './return-value.js'
import { actionName } from './rules.js'

/**
 * Prints a program for people: one instruction a line, labels where jumps arrive, and a number by its name where the
 * accumulator is known to hold a system call's number or an architecture.
 */
export function disassemble(program: Program, arch: Arch): string {
  checkProgram(program)
  const labels = labelNames(program)
  const held = accumulatorContents(program)
  const width = Math.max(0, ...[...labels.values()].map((label) => label.length + 1))
  const lines = program.map((instruction, index) => {
    const label = labels.get(index)
    const margin = (label === undefined ? '' : `${label}:`).padEnd(width)
    return `${margin}  ${statement(instruction, index, labels, held[index] ?? 'A', arch)}`
  })
  return `${lines.join('\n')}\n`
}

/** The instructions that can follow this one, in the order: jump taken, jump not taken. */
function successors({ code, jt, jf, k }: Instruction, index: number): readonly number[] {
  if (code === OP.return) return []
  if (code === OP.jump) return [index + 1 + k]
  if (code === OP.load || code === OP.and) return [index + 1]
  return [index + 1 + jt, index + 1 + jf]
}

/** A label for each instruction that a jump reaches from elsewhere than the line above. */
function labelNames(program: Program): ReadonlyMap<number, string> {
  const arrivals = program.flatMap((instruction, index) =>
    successors(instruction, index).filter((target) => target !== index + 1),
  )
  const places = [...new Set(arrivals)].sort((a, b) => a - b)
  return new Map(places.map((place, position) => [place, `L${position}`]))
}

/** The content of the accumulator before each instruction; undefined where paths bring different contents. */
function accumulatorContents(program: Program): readonly (string | undefined)[] {
  const ways = program.map(() => new Set<string>())
  ways[0]?.add('0')
  // All jumps go forward, so everything that leads to an instruction has been seen before its turn.
  for (const [index, instruction] of program.entries()) {
    const before = only(ways[index])
    const after = contentsAfter(instruction, before ?? 'A')
    for (const next of successors(instruction, index)) ways[next]?.add(after)
  }
  return ways.map(only)
}

function only(set: ReadonlySet<string> | undefined): string | undefined {
  const [first] = set ?? []
  return set?.size === 1 ? first : undefined
}

function contentsAfter({ code, k }: Instruction, before: string): string {
  if (code === OP.load) return fieldName(k)
  return code === OP.and ? `(${before} & ${hex(k)})` : before
}

/** The name of a field of struct seccomp_data. */
function fieldName(offset: number): string {
  if (offset === SECCOMP_DATA.nr) return 'nr'
  if (offset === SECCOMP_DATA.arch) return 'arch'
  const inPointer = offset < SECCOMP_DATA.args
  const half = offset % 8 === 0 ? 'low' : 'high'
  return inPointer ? `ip.${half}` : `arg${Math.floor((offset - SECCOMP_DATA.args) / 8)}.${half}`
}

function statement(
  { code, jt, jf, k }: Instruction,
  index: number,
  labels: ReadonlyMap<number, string>,
  held: string,
  arch: Arch,
): string {
  const place = (distance: number): string => labels.get(index + 1 + distance) ?? 'next'
  switch (code) {
    case OP.load:
      return `load ${fieldName(k)}`
    case OP.and:
      return `and ${hex(k)}`
    case OP.jump:
      return `goto ${place(k)}`
    case OP.return:
      return `return ${actionText(k)}`
    default: {
      const condition = `${held} ${COMPARISON[code] ?? '?'} ${constant(k, held, code, arch)}`
      if (jt === jf) return `goto ${place(jt)}`
      if (jf === 0) return `if ${condition} goto ${place(jt)}`
      return jt === 0 ? `unless ${condition} goto ${place(jf)}` : `if ${condition} goto ${place(jt)} else ${place(jf)}`
    }
  }
}

const COMPARISON: Readonly<Record<number, string>> = {
  [OP.jumpEqual]: '==',
  [OP.jumpGreaterOrEqual]: '>=',
  [OP.jumpAnyBit]: 'has any bit of',
}

function constant(k: number, held: string, code: number, arch: Arch): string {
  if (held === 'arch') return ARCHES.find((known) => AUDIT_ARCH[known] === k) ?? hex(k)
  if (held !== 'nr' || code === OP.jumpAnyBit) return hex(k)
  const name = syscallName(arch, k)
  return name === undefined ? String(k | 0) : `${k} (${name})`
}

function actionText(value: number): string {
  const action = actionOf(value)
  return action === undefined ? hex(value) : actionName(action)
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
