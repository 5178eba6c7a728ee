/** Descent among processes, by numbers that may be another process's the next moment. */
import { failed, type Outcome } from '../syscalls/outcome.js'
import type { Relation } from '../syscalls/ports.js'

/** The most steps up the tree of parents: enough for any real test, and cheap. */
const MAX_DEPTH = 64

export interface Parentage {
  /** The id of its process; the number asked for may be a thread's. */
  readonly pid: number
  readonly parent: number
}

/**
 * The relation of a process to `root`. Each step is checked twice. A parent may have ended, and one of the worker's
 * processes may have got its number before it was looked at; then it is nobody's parent any more, and never will be
 * again.
 */
export function relationOf(
  pid: number,
  root: number,
  look: (pid: number) => Outcome<Parentage>,
  isRoot: () => boolean,
): Relation {
  let child: number | undefined
  let current = pid
  for (let depth = 0; depth < MAX_DEPTH && current > 1; depth++) {
    const found = look(current)
    if (failed(found)) return depth === 0 ? 'exited' : 'foreign'
    if (child !== undefined) {
      const again = look(child)
      if (failed(again) || again.parent !== current) return 'foreign'
    }
    if (found.pid === root) return isRoot() ? 'ownTree' : 'foreign'
    child = current
    current = found.parent
  }
  return 'foreign'
}
