import type { Arch } from '../abi/arch.js'

/** The architecture this process runs on. Throws on one that has no syscall table here. */
export function hostArch(): Arch {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch
  throw new TypeError(`no system call table for ${process.arch}`)
}
