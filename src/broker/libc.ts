/** The libc that this Node is linked with, by the loader that its file names: ld.so(8). */
import { basename } from 'node:path'
import { loaderNamedBy } from './programs.js'

/** Alpine's. */
const MUSL = /^ld-musl-/

export function isMusl(program: string): boolean {
  return MUSL.test(basename(loaderNamedBy(program) ?? ''))
}

/** The missing parts, in words. */
export function missingByLibc(program: string): readonly string[] {
  if (!isMusl(program)) return []
  return [
    'glibc: this Node is built for musl, as Alpine has it, on which this package was never run; Debian images have it (node:24, node:24-slim)',
  ]
}
