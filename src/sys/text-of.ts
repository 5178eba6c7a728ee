import { readFileSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** The text of a file of the kernel's; undefined where it is not there, or not to be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}
