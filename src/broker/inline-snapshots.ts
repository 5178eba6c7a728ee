/** Finds the test files that their tests may rewrite. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { codeOf } from '../errors.js'

/** By this, Vitest knows a source with tests in it: packages/vitest/src/node/project.ts, isInSourceTestCode. */
const IN_SOURCE = 'import.meta.vitest'
/** The largest file, in bytes, that is looked into. */
const MOST = 8 * 1024 * 1024

/** Files of code, other than those by which tools are set up: what only speaks of a matcher is no test. */
const CODE = /\.(?:[cm]?[jt]sx?|vue|svelte)$/
const SETTINGS = /^\.|\.(?:config|setup)\.[^.]+$/

/**
 * True if the text calls one of Vitest's matchers for inline snapshots: only then does Vitest write into it. No other
 * test has a reason to, and a confined Vitest may call any file a test file, and would otherwise get every source written.
 * False for a source with tests in it: other tests, and the config, may run what a test would write there.
 */
export function hasInlineSnapshots(file: string): boolean {
  const name = basename(file)
  if (!CODE.test(name) || SETTINGS.test(name)) return false
  try {
    // Never waits, whatever lies there by now.
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    try {
      const stat = fstatSync(fd)
      const text = stat.isFile() && stat.size <= MOST ? readFileSync(fd) : Buffer.of()
      return text.includes('InlineSnapshot') && !text.includes(IN_SOURCE)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return false
  }
}
