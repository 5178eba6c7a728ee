import type { Arch } from '../abi/arch.js'

/** The architecture that this process runs on. Throws if there is no syscall table for it. */
export function hostArch(): Arch {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch
  throw new TypeError(`no system call table for ${process.arch}`)
}
