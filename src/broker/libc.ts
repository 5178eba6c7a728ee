/** The libc that this Node is linked with, found by the loader that the program names: ld.so(8). */
import { basename } from 'node:path'
import { loaderNamedBy } from './programs.js'

/** The loader of musl, on Alpine. */
const MUSL = /^ld-musl-/

export function isMusl(program: string): boolean {
  return MUSL.test(basename(loaderNamedBy(program) ?? ''))
}

/** The parts that this libc lacks, in words. */
export function missingByLibc(program: string): readonly string[] {
  if (!isMusl(program)) return []
  return [
    'glibc: this Node is built for musl, as Alpine has it, on which this package was never run; Debian images have it (node:24, node:24-slim)',
  ]
}
