/** The two architectures that this project supports, by the names of `process.arch`. */
export type Arch = 'x64' | 'arm64'

export const ARCHES: readonly Arch[] = ['x64', 'arm64']

/**
 * The values of seccomp_data.arch: AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64, include/uapi/linux/audit.h (the ELF
 * machine number, with the bits for 64-bit and little-endian).
 */
export const AUDIT_ARCH: Readonly<Record<Arch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 }

/**
 * __X32_SYSCALL_BIT, arch/x86/include/uapi/asm/unistd.h: x32 calls carry the AUDIT_ARCH of x64 and are told apart by
 * this bit of the number alone (seccomp(2), "Caveats").
 */
export const X32_SYSCALL_BIT = 0x40000000

/**
 * The number -1 as seccomp_data.nr shows it. It is no call of any ABI: either the program called syscall(-1), or a
 * tracer skipped the call (ptrace(2), PTRACE_SYSEMU; seccomp(2), SECCOMP_RET_TRACE).
 */
export const SKIPPED_SYSCALL = 0xffffffff

/**
 * True for a call of another ABI than the native 64-bit one. `audit`: the AUDIT_ARCH_* that it was made with; `number`:
 * its number as u32.
 */
export function isForeign(arch: Arch, audit: number, number: number): boolean {
  if (audit !== AUDIT_ARCH[arch]) return true
  return arch === 'x64' && number !== SKIPPED_SYSCALL && (number & X32_SYSCALL_BIT) !== 0
}

/** True for a supported value of `process.arch`. */
export function isArch(arch: string): arch is Arch {
  return arch === 'x64' || arch === 'arm64'
}
