import { readFileSync, readdirSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** The ids of all processes that /proc shows. */
export function processes(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** The process group. Undefined if the process is gone. */
export function groupOf(pid: number): number | undefined {
  return numberIn(factsOf(pid), 2)
}

/** Undefined if the process is gone. */
export function parentOf(pid: number): number | undefined {
  return numberIn(factsOf(pid), 1)
}

/**
 * The parent of a process, and the time of its start, in ticks of the machine's clock: numbers come again, but none
 * within one tick. Undefined if the process is gone.
 */
export function birthOf(pid: number): { readonly parent: number; readonly started: number } | undefined {
  const facts = factsOf(pid)
  const [parent, started] = [numberIn(facts, 1), numberIn(facts, 19)]
  return parent === undefined || started === undefined ? undefined : { parent, started }
}

/**
 * True if the process is gone, or waits for its parent alone. One whose first thread has ended reads as dead, too, and
 * lives on in its other threads.
 */
export function hasEnded(pid: number): boolean {
  const facts = factsOf(pid)
  if (facts === undefined) return true
  const [state = ''] = facts
  return ['Z', 'X'].includes(state) && (numberIn(facts, 17) ?? 0) <= 1
}

function numberIn(facts: readonly string[] | undefined, index: number): number | undefined {
  return facts === undefined ? undefined : Number(facts[index])
}

/** The fields of proc_pid_stat(5) after the name, which may hold anything. Undefined if the process is gone. */
function factsOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
