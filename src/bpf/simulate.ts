import type { Arch } from '../abi/arch.js'
import { SECCOMP_DATA } from '../abi/structs.js'
import { checkProgram } from './check-program.js'
import { BpfError } from './errors.js'
import { OP, type Program } from './instruction.js'
import { actionOf } from './return-value.js'
import { seccompData, type Action, type SeccompData } from './rules.js'

interface Simulation {
  readonly action: Action
  /** The number of executed instructions, including the return. */
  readonly steps: number
}

/** Runs a program as the kernel would. Throws a BpfError for a program that the kernel would refuse. */
export function simulate(program: Program, data: SeccompData): Simulation {
  checkProgram(program)
  const { value, steps } = run(program, dataBytes(data))
  const action = actionOf(value)
  if (action === undefined) {
    throw new BpfError('program', 'a return of one of our actions', `0x${value.toString(16)}`)
  }
  return { action, steps }
}

/**
 * True if the kernel marks this number as always allowed when the filter is installed, and then skips the filter for
 * it: seccomp_is_const_allow, kernel/seccomp.c, since Linux 5.11. It gives up where an argument is loaded.
 */
export function isConstantAllow(program: Program, arch: Arch, nr: number): boolean {
  checkProgram(program)
  const bytes = dataBytes(seccompData(arch, nr))
  const outcome = run(program, bytes.subarray(0, SECCOMP_DATA.instruction_pointer))
  return actionOf(outcome.value) === 'allow'
}

/** The result of a load that the kernel's emulator cannot do: anything but allow. */
const GAVE_UP = 0

function run(program: Program, data: Buffer): { value: number; steps: number } {
  let accumulator = 0
  let steps = 0
  for (let pc = 0; ; pc++) {
    const instruction = program[pc]
    // Unreachable: checkProgram has made sure that every path ends in a return.
    if (instruction === undefined) throw new BpfError(`instruction ${pc}`, 'an instruction', 'the end')
    const { code, jt, jf, k } = instruction
    steps++
    switch (code) {
      case OP.load:
        if (k + 4 > data.length) return { value: GAVE_UP, steps }
        accumulator = data.readUInt32LE(k)
        break
      case OP.and:
        accumulator = (accumulator & k) >>> 0
        break
      case OP.jump:
        pc += k
        break
      case OP.jumpEqual:
        pc += accumulator === k ? jt : jf
        break
      case OP.jumpGreaterOrEqual:
        pc += accumulator >= k ? jt : jf
        break
      case OP.jumpAnyBit:
        pc += (accumulator & k) === 0 ? jf : jt
        break
      case OP.return:
        return { value: k, steps }
      default:
        throw new BpfError(`instruction ${pc}`, 'a known operation', `code 0x${code.toString(16)}`)
    }
  }
}

function dataBytes(data: SeccompData): Buffer {
  const bytes = Buffer.alloc(SECCOMP_DATA.size)
  bytes.writeUInt32LE(data.nr >>> 0, SECCOMP_DATA.nr)
  bytes.writeUInt32LE(data.arch >>> 0, SECCOMP_DATA.arch)
  bytes.writeBigUInt64LE(data.instructionPointer, SECCOMP_DATA.instruction_pointer)
  for (const [index, arg] of data.args.slice(0, 6).entries()) {
    bytes.writeBigUInt64LE(arg, SECCOMP_DATA.args + 8 * index)
  }
  return bytes
}
