import { SOCK_FILTER } from '../abi/structs.js'
import { BpfError } from './errors.js'

/** One classic BPF instruction: struct sock_filter, include/uapi/linux/filter.h. */
export interface Instruction {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

export type Program = readonly Instruction[]

/**
 * The operations used here, include/uapi/linux/bpf_common.h: class | size or operation | mode or source. The kernel's
 * own emulator knows all of them (seccomp_is_const_allow, kernel/seccomp.c) but loads of arguments. For a call that it
 * finds always allowed, the kernel never runs the filter (Linux 5.11).
 */
export const OP = {
  /** A = 32 bits of seccomp_data at k: BPF_LD | BPF_W | BPF_ABS. */
  load: 0x20,
  /** A &= k: BPF_ALU | BPF_AND | BPF_K. */
  and: 0x54,
  /** pc += k: BPF_JMP | BPF_JA. */
  jump: 0x05,
  /** pc += A == k ? jt : jf: BPF_JMP | BPF_JEQ | BPF_K. */
  jumpEqual: 0x15,
  /** pc += A >= k ? jt : jf, unsigned: BPF_JMP | BPF_JGE | BPF_K. */
  jumpGreaterOrEqual: 0x35,
  /** pc += (A & k) != 0 ? jt : jf: BPF_JMP | BPF_JSET | BPF_K. */
  jumpAnyBit: 0x45,
  /** Returns k: BPF_RET | BPF_K. */
  return: 0x06,
} as const

/** BPF_MAXINSNS, include/uapi/linux/bpf_common.h: the longest program that the kernel takes. */
export const MAX_INSTRUCTIONS = 4096

/** The largest value of jt and jf, which are u8. */
export const MAX_BRANCH = 255

/** The bytes of struct sock_filter[], little endian, for struct sock_fprog. */
export function encode(program: Program): Buffer {
  const bytes = Buffer.alloc(program.length * SOCK_FILTER.size)
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    const at = index * SOCK_FILTER.size
    bytes.writeUInt16LE(code, at + SOCK_FILTER.code)
    bytes.writeUInt8(jt, at + SOCK_FILTER.jt)
    bytes.writeUInt8(jf, at + SOCK_FILTER.jf)
    bytes.writeUInt32LE(k, at + SOCK_FILTER.k)
  }
  return bytes
}

/** The inverse of `encode`, for a filter that comes from elsewhere, such as PTRACE_SECCOMP_GET_FILTER. */
export function decode(bytes: Buffer): Program {
  if (bytes.length % SOCK_FILTER.size !== 0) {
    throw new BpfError('program', `a multiple of ${SOCK_FILTER.size} bytes`, `${bytes.length} bytes`)
  }
  return Array.from({ length: bytes.length / SOCK_FILTER.size }, (_, index) => {
    const at = index * SOCK_FILTER.size
    return {
      code: bytes.readUInt16LE(at + SOCK_FILTER.code),
      jt: bytes.readUInt8(at + SOCK_FILTER.jt),
      jf: bytes.readUInt8(at + SOCK_FILTER.jf),
      k: bytes.readUInt32LE(at + SOCK_FILTER.k),
    }
  })
}
