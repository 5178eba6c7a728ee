/** Finds the test files that their tests may rewrite. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** The largest file, in bytes, that is looked into. */
const MOST = 8 * 1024 * 1024

/**
 * True if the text calls one of Vitest's matchers for inline snapshots: only then does Vitest write into it. No other
 * test has a reason to, and a confined Vitest may call any file a test file, and would otherwise get every source written.
 */
export function hasInlineSnapshots(file: string): boolean {
  try {
    // Never waits, whatever lies there by now.
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    try {
      const stat = fstatSync(fd)
      return stat.isFile() && stat.size <= MOST && readFileSync(fd).includes('InlineSnapshot')
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return false
  }
}
