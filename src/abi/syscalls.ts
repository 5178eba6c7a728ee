import { ARCHES, type Arch } from './arch.js'
import { SYSCALL_NUMBERS, type SyscallName } from './syscalls.generated.js'

export type { SyscallName } from './syscalls.generated.js'

type Numbers = Readonly<Partial<Record<SyscallName, number>>>

const NAMES: Readonly<Record<Arch, ReadonlyMap<number, SyscallName>>> = {
  x64: invert(SYSCALL_NUMBERS.x64),
  arm64: invert(SYSCALL_NUMBERS.arm64),
}

function invert(numbers: Numbers): ReadonlyMap<number, SyscallName> {
  // The cast: `numbers` is one of the two generated literals, whose keys make up SyscallName.
  return new Map((Object.entries(numbers) as [SyscallName, number][]).map(([name, number]) => [number, name]))
}

/** The number of a system call, or undefined if the architecture has no such call (`open` on arm64). */
export function syscallNumber(arch: Arch, name: SyscallName): number | undefined {
  const numbers: Numbers = SYSCALL_NUMBERS[arch]
  return numbers[name]
}

/**
 * The name of a system call, or undefined if the architecture has none of this number or it is newer than our headers.
 */
export function syscallName(arch: Arch, nr: number): SyscallName | undefined {
  return NAMES[arch].get(nr)
}

/** True for the name of a system call of any architecture. */
export function isSyscallName(name: string): name is SyscallName {
  return ARCHES.some((arch) => Object.hasOwn(SYSCALL_NUMBERS[arch], name))
}

/** All names of one architecture, ordered by number. */
export function syscallNames(arch: Arch): readonly SyscallName[] {
  return [...NAMES[arch].values()]
}
