/** Ends what a worker started and did not end itself. */
import { readFileSync, readdirSync } from 'node:fs'
import { CHASE_MS } from '../limits.js'
import { reap } from '../sys/confine.js'
import { groupOf } from '../sys/process-list.js'
import { goneOrThrow, signal } from './strays.js'

/** While their ancestor still holds them together: the worker is the reaper of its orphans. */
export function killDescendants(root: number): void {
  for (let round = 0; round < 20; round++) {
    const found = descendants(root)
    if (found.length === 0) break
    for (const pid of found) signal(pid, 'SIGKILL')
  }
}

function descendants(root: number): number[] {
  const found: number[] = []
  const queue = [root]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const child of childrenOf(next)) {
      found.push(child)
      queue.push(child)
    }
  }
  return found.filter((pid) => !isZombie(pid))
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((tid) => childrenOfThread(pid, tid))
  } catch (error) {
    return goneOrThrow(error, [])
  }
}

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch (error) {
    return goneOrThrow(error, true)
  }
}

/** Groups that others are in as well: that of the command which was typed, where Vitest itself is confined. */
const shared = new Set<number>()

/** From here on this group is not ended as one; what a worker leaves in it is ended one by one. */
export function spareGroup(group: number): void {
  shared.add(group)
}

/**
 * Ends what a dead worker left behind. The parent is the reaper of its workers' orphans, so they are children of it that no
 * worker is; that they stand behind a worker's filter tells them from anything else that came to it.
 */
export function killOrphans(workers: ReadonlySet<number>): void {
  const own = groupOf(process.pid)
  const until = performance.now() + CHASE_MS
  do {
    const orphans = orphansBut(workers)
    // The dead count as well: of a chain whose links fork and end, they are all that can be met. Its group is theirs, and is
    // ended as one, which leaves no moment between two links.
    const groups = new Set(
      orphans
        .map(groupOf)
        .filter(
          (group) => group !== undefined && group > 1 && group !== own && !workers.has(group) && !shared.has(group),
        ),
    )
    for (const group of groups) if (group !== undefined) signal(-group, 'SIGKILL')
    for (const pid of orphans) {
      if (reap(pid)) continue
      signal(pid, 'SIGKILL')
      killDescendants(pid)
    }
  } while (hasOrphans(workers) && performance.now() < until)
}

/** True if anything that stood behind a worker's filter is still there. */
export function hasOrphans(workers: ReadonlySet<number>): boolean {
  return orphansBut(workers).some((pid) => !isZombie(pid))
}

/** Takes those that have ended off the process table: libuv waits for its own children only, and by their numbers. */
export function reapOrphans(workers: ReadonlySet<number>): void {
  for (const pid of orphansBut(workers)) reap(pid)
}

function orphansBut(workers: ReadonlySet<number>): readonly number[] {
  const children = childrenOfThread(process.pid, process.pid).filter((pid) => !workers.has(pid))
  if (children.length === 0) return children
  const own = filters(process.pid)
  return children.filter((pid) => filters(pid) >= own + OWN_FILTERS)
}

/** Orphans come to a process's first thread; workers are children of the spawner's. kernel/exit.c, find_new_reaper. */
function childrenOfThread(pid: number, tid: number | string): number[] {
  return readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
}

/** The spawner's and the worker's. */
const OWN_FILTERS = 2

/** How many filters a process stands behind: proc_pid_status(5), Seccomp_filters, since Linux 5.9. 0 where it is gone. */
function filters(pid: number): number {
  try {
    return Number(/^Seccomp_filters:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)
  } catch (error) {
    return goneOrThrow(error, 0)
  }
}
