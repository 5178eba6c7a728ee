/** Ends the processes that a worker started and did not end itself. */
import { readFileSync, readdirSync } from 'node:fs'
import { CHASE_MS } from '../limits.js'
import { reap } from '../sys/confine.js'
import { killIf } from '../sys/pidfd.js'
import { birthOf, groupOf, hasEnded } from '../sys/process-list.js'
import { filtersOf, goneOrThrow, signal } from './strays.js'

/**
 * Kills all descendants of a live ancestor. It holds them together: the worker is the reaper of its orphans. Who forks and ends fast enough gives
 * its numbers to strangers meanwhile, so each is looked at once more. `isRoot`: the ancestor's number is still its own.
 */
export function killDescendants(root: number, isRoot: () => boolean): void {
  for (let round = 0; round < 20; round++) {
    const found = descendants(root, isRoot)
    if (found.length === 0) break
    // Children first: those of a dead process go to another reaper, and no longer count as descendants.
    for (const { pid, isSame } of found.toReversed()) killIf(pid, isSame)
  }
}

interface Descendant {
  readonly pid: number
  /** The number is still its own. */
  readonly isSame: () => boolean
}

/** Each after its parent. However deep they are, each is looked at from its parent alone. */
function descendants(root: number, isRoot: () => boolean): Descendant[] {
  const found: Descendant[] = []
  const queue: Descendant[] = [{ pid: root, isSame: isRoot }]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { pid: parent, isSame } = next
    const children = childrenOf(parent).flatMap((pid): Descendant[] => {
      const birth = birthOf(pid)
      if (birth?.parent !== parent) return []
      return [{ pid, isSame: () => birthOf(pid)?.started === birth.started }]
    })
    // Otherwise they may be a stranger's children.
    if (!isSame()) continue
    found.push(...children)
    queue.push(...children)
  }
  return found.filter(({ pid }) => !hasEnded(pid))
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((tid) => childrenOfThread(pid, tid))
  } catch (error) {
    return goneOrThrow(error, [])
  }
}

/** Groups that other processes belong to as well: that of the typed command, if Vitest itself is confined. */
const shared = new Set<number>()

/**
 * Marks a group as shared: from now on it is not killed as a whole. What a worker leaves in it is killed one by one.
 */
export function spareGroup(group: number): void {
  shared.add(group)
}

/**
 * Kills what a dead worker left behind. This process is the reaper of its workers' orphans, so they are children of it
 * that are no workers. Standing behind the spawner's filter, with which all workers are born, tells them from any other child.
 */
export function killOrphans(workers: ReadonlySet<number>): void {
  const own = groupOf(process.pid)
  const until = performance.now() + CHASE_MS
  do {
    const orphans = orphansBut(workers)
    const groups = heldGroups(orphans.map((pid) => ({ hasEnded: hasEnded(pid), group: groupOf(pid) })))
    for (const group of groups)
      if (group !== own && !workers.has(group) && !shared.has(group)) signal(-group, 'SIGKILL')
    for (const pid of orphans) {
      if (reap(pid)) continue
      // Nobody else reaps it, so its number is its own.
      killDescendants(pid, () => true)
      signal(pid, 'SIGKILL')
    }
  } while (hasOrphans(workers) && performance.now() < until)
}

/**
 * The groups that keep their numbers until these orphans are reaped: those of dead ones, which are in them until then. A
 * live one could leave its group before a signal comes, and the number be a stranger's. In a chain whose links fork and end,
 * dead ones are all that can be found. The chain shares their group, and killing the group as a whole leaves no moment
 * between two links.
 */
export function heldGroups(
  orphans: readonly { readonly hasEnded: boolean; readonly group: number | undefined }[],
): ReadonlySet<number> {
  return new Set(orphans.flatMap(({ hasEnded: isDead, group = 0 }) => (isDead && group > 1 ? [group] : [])))
}

/** True if any process that stood behind the spawner's filter is still there. */
export function hasOrphans(workers: ReadonlySet<number>): boolean {
  return orphansBut(workers).some((pid) => !hasEnded(pid))
}

/** Reaps the orphans that have ended: libuv waits for its own children only, by their numbers. */
export function reapOrphans(workers: ReadonlySet<number>): void {
  for (const pid of orphansBut(workers)) reap(pid)
}

function orphansBut(workers: ReadonlySet<number>): readonly number[] {
  const children = childrenOfThread(process.pid, process.pid).filter((pid) => !workers.has(pid))
  if (children.length === 0) return children
  const own = filtersOf(process.pid) ?? 0
  return children.filter((pid) => (filtersOf(pid) ?? 0) > own)
}

/**
 * The children of one thread. Orphans come to a process's first thread; workers are children of the spawner thread.
 * kernel/exit.c, find_new_reaper.
 */
function childrenOfThread(pid: number, tid: number | string): number[] {
  return readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
}
