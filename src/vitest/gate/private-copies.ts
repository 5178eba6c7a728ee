/** Copies of files that a test may change, in a place where it cannot: Vitest gets exactly what was checked. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { readSafely } from './safe-open.js'

const LARGEST = 512 * 1024 * 1024

export class PrivateCopies {
  /**
   * Copies a file, and returns the path of the copy. The copy keeps the file's name, in a directory of its own. `ending`:
   * comes after the name.
   */
  make(real: string, ending = ''): string {
    return this.keep(basename(real) + ending, readSafely(real, LARGEST))
  }

  keep(name: string, content: Uint8Array | string): string {
    // The directory has mode 0700, and its name differs from that of a worker's directory.
    const copy = join(mkdtempSync(join(tmpdir(), 'vitest-seccomp.kept-')), name)
    writeFileSync(copy, content, { flag: 'wx' })
    return copy
  }

  remove(copies: readonly string[]): void {
    for (const copy of copies) rmSync(dirname(copy), { recursive: true, force: true })
  }
}
