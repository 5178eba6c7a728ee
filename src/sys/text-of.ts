import { readFileSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** The text of a file in /proc or /sys; undefined if it does not exist or cannot be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}
