import { SECCOMP_DATA } from '../abi/structs.js'
import { BpfError } from './errors.js'
import { MAX_BRANCH, MAX_INSTRUCTIONS, OP, type Instruction, type Program } from './instruction.js'

const MAX_K = 0xffff_ffff

const BRANCHES: readonly number[] = [OP.jumpEqual, OP.jumpGreaterOrEqual, OP.jumpAnyBit]

/**
 * Makes the checks that the kernel makes before it takes a program: bpf_check_classic (net/core/filter.c) and
 * seccomp_check_filter (kernel/seccomp.c). Stricter in one way: only the operations in `OP` count as known. Throws a
 * BpfError for the first fault.
 */
export function checkProgram(program: Program): void {
  const last = program.at(-1)
  if (last === undefined || program.length > MAX_INSTRUCTIONS) {
    throw new BpfError('program', `1 to ${MAX_INSTRUCTIONS} instructions`, String(program.length))
  }
  for (const [index, instruction] of program.entries()) {
    checkInstruction(instruction, index, program.length)
  }
  if (last.code !== OP.return) {
    const at = `instruction ${program.length - 1}`
    throw new BpfError(at, 'a return, being the last', `code 0x${last.code.toString(16)}`)
  }
}

function checkInstruction({ code, jt, jf, k }: Instruction, index: number, length: number): void {
  const at = `instruction ${index}`
  // The kernel cannot see this fault: a number that does not fit is encoded as another number.
  const branchesFit = isUnsigned(jt, MAX_BRANCH) && isUnsigned(jf, MAX_BRANCH)
  if (!branchesFit || !isUnsigned(code, 0xffff) || !isUnsigned(k, MAX_K)) {
    throw new BpfError(at, 'fields of 16, 8, 8 and 32 bits', `${code}, ${jt}, ${jf} and ${k}`)
  }
  // The farthest jump from here. It is unsigned, so a jump backwards is a jump past the end.
  const reach = length - index - 1
  if (BRANCHES.includes(code)) {
    if (jt >= reach || jf >= reach) {
      throw new BpfError(at, `jumps of less than ${reach}`, `${jt} and ${jf}`)
    }
  } else if (code === OP.jump) {
    if (k >= reach) throw new BpfError(at, `a jump of less than ${reach}`, String(k))
  } else if (code === OP.load) {
    if (k >= SECCOMP_DATA.size || k % 4 !== 0) {
      throw new BpfError(at, `a load at a multiple of 4 below ${SECCOMP_DATA.size}`, String(k))
    }
  } else if (code !== OP.and && code !== OP.return) {
    throw new BpfError(at, 'an operation that a filter uses here', `code 0x${code.toString(16)}`)
  }
}

function isUnsigned(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max
}
