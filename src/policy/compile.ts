import { buildPathIndex, type PathIndex } from './path-index.js'
import type { Mode, PolicyData } from './rules.js'
import { buildSocketIndex, type SocketIndex } from './socket-index.js'

/** A compiled policy. Make it once from plain data; `decide` is all that looks inside. */
export interface Policy {
  readonly mode: Mode
  readonly paths: PathIndex
  readonly sockets: SocketIndex
}

/**
 * Throws a TypeError where a bound rule is malformed (a path that is not canonical, a glob that does not compile): that
 * is a mistake of the code that bound it, and must end the start, not surface as a decision.
 */
export function compilePolicy(data: PolicyData): Policy {
  return { mode: data.mode, paths: buildPathIndex(data.lists), sockets: buildSocketIndex(data.sockets) }
}
