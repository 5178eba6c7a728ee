import { parentOf } from './canonical.js'
import { buildPathIndex, type PathIndex } from './path-index.js'
import type { BytePath } from './request.js'
import type { Mode, PolicyData } from './rules.js'
import { buildSocketIndex, type SocketIndex } from './socket-index.js'

/** A compiled policy. Make it once from plain data; `decide` is all that looks inside. */
export interface Policy {
  readonly mode: Mode
  readonly paths: PathIndex
  readonly sockets: SocketIndex
  /** The anchors and everything above them. */
  readonly anchors: ReadonlySet<string>
}

/**
 * Throws a TypeError where a bound rule is malformed (a path that is not canonical, a glob that does not compile): that
 * is a mistake of the code that bound it, and must end the start, not surface as a decision.
 */
export function compilePolicy(data: PolicyData): Policy {
  return {
    mode: data.mode, paths: buildPathIndex(data.lists), sockets: buildSocketIndex(data.sockets),
    anchors: new Set(anchorsOf(data).flatMap((path) => [path, ...ancestorsOf(path)])),
  }
}

function anchorsOf({ lists, anchors = [] }: PolicyData): readonly BytePath[] {
  return [...anchors, ...lists.flat().flatMap(({ root, aliases }) => [root, ...aliases])]
}

function ancestorsOf(path: BytePath): readonly BytePath[] {
  const parent = parentOf(path)
  return parent === path ? [] : [parent, ...ancestorsOf(parent)]
}

/** Whether a symbolic link in this place would change what an entry of the manifest means in the next run. */
export function isAnchor(policy: Policy, path: BytePath): boolean {
  return policy.anchors.has(path)
}
