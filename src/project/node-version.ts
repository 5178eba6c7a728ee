import { OldNodeError } from '../errors.js'

/** True for a Node older than those that package.json names. */
export function isOldNode(running: string): boolean {
  return Number.parseInt(running, 10) < 20
}

/** Throws an OldNodeError, as early as possible: later, missing functions would cause unclear errors. */
export function refuseOldNode(running: string = process.versions.node): void {
  if (isOldNode(running)) throw new OldNodeError(running)
}
