/** Copies of files that a test may change, where it cannot: what is checked is what Vitest then gets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { readSafely } from './safe-open.js'

const LARGEST = 512 * 1024 * 1024

export class PrivateCopies {
  /** Returns the path of the copy, which has the file's own name in a directory of its own. */
  make(real: string): string {
    return this.keep(basename(real), readSafely(real, LARGEST))
  }

  keep(name: string, content: Uint8Array | string): string {
    // Mode 0700; the name is not that of a worker's directory.
    const copy = join(mkdtempSync(join(tmpdir(), 'vitest-seccomp.kept-')), name)
    writeFileSync(copy, content, { flag: 'wx' })
    return copy
  }

  remove(copies: readonly string[]): void {
    for (const copy of copies) rmSync(dirname(copy), { recursive: true, force: true })
  }
}
