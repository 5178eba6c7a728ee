/** True if a process descends from another, by numbers that may be somebody else's the next moment. */
import { failed, type Outcome } from '../syscalls/outcome.js'
import type { Relation } from '../syscalls/ports.js'

/** How far up the tree of parents is looked: enough for any real test, short enough to be cheap. */
const MAX_DEPTH = 64

export interface Parentage {
  /** Of its process; the number that was asked for may be a thread's. */
  readonly pid: number
  readonly parent: number
}

/**
 * Each step is looked at twice: a parent that ended, and whose number a process of the worker's got before it was looked at, is
 * nobody's parent any more, and never will be again.
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
