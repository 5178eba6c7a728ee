import { OP, type Instruction, type Program } from '../../src/bpf/instruction.js'
import { returnValue } from '../../src/bpf/return-value.js'

export const ins = (code: number, k = 0, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k })
export const ALLOW = ins(OP.return, returnValue('allow'))

/** Programs that no kernel takes, and why. The live test asks the kernel whether that is so. */
export const INVALID: readonly { readonly why: string; readonly program: Program }[] = [
  { why: 'no instruction', program: [] },
  { why: 'more than 4096 instructions', program: Array.from({ length: 4097 }, () => ALLOW) },
  { why: 'no return at the end', program: [ALLOW, ins(OP.load, 0)] },
  { why: 'a jump past the end', program: [ins(OP.jump, 1), ALLOW] },
  { why: 'a jump backwards', program: [ALLOW, ins(OP.jump, 0xffffffff), ALLOW] },
  { why: 'a branch past the end, taken', program: [ins(OP.jumpEqual, 0, 1, 0), ALLOW] },
  { why: 'a branch past the end, not taken', program: [ins(OP.jumpEqual, 0, 0, 1), ALLOW] },
  { why: 'a load behind the data', program: [ins(OP.load, 64), ALLOW] },
  { why: 'a load far behind the data', program: [ins(OP.load, 0xfffffffc), ALLOW] },
  { why: 'a load across words', program: [ins(OP.load, 2), ALLOW] },
  // BPF_LD | BPF_B | BPF_ABS: a packet's byte, which a filter of system calls has not.
  { why: 'a load of a byte', program: [ins(0x30, 0), ALLOW] },
  { why: 'an operation that does not exist', program: [ins(0xffff, 0), ALLOW] },
]

/** The edges of what is taken. */
export const VALID: readonly { readonly why: string; readonly program: Program }[] = [
  { why: 'one instruction', program: [ALLOW] },
  { why: '4096 instructions', program: Array.from({ length: 4096 }, () => ALLOW) },
  { why: 'a load of the last word', program: [ins(OP.load, 60), ALLOW] },
  { why: 'a jump to the last instruction', program: [ins(OP.jump, 1), ALLOW, ALLOW] },
  { why: 'branches to the last instruction', program: [ins(OP.jumpAnyBit, 1, 1, 1), ALLOW, ALLOW] },
  { why: 'instructions that nothing leads to', program: [ALLOW, ins(OP.and, 1), ALLOW] },
]
