/**
 * The tag of a broker process and of everything that it starts: its limit of file locks, a number that is drawn for it.
 * It is inherited, survives execve(2), and everybody can read it (proc_pid_limits(5)). A worker cannot raise it, without
 * a capability, and its filter refuses to lower it. So what a broker that was killed leaves behind is known, whatever it
 * has done to its environment, its session and its descriptors. Plain Node suffices.
 */
import { randomBytes } from 'node:crypto'
import { CHASE_MS } from '../limits.js'
import { hasEnded, parentOf, processes } from '../sys/process-list.js'
import { fileOf, filtersOf, signal } from './strays.js'

const LEAST = 2 ** 52

/** A number that nobody else has, exact in JavaScript, and more than any real limit. */
export function newTag(): number {
  return LEAST + randomBytes(6).readUIntBE(0, 6)
}

/** True for a number that only `newTag` makes: no limit that anybody else has set. */
export function isTag(number: number): boolean {
  return Number.isSafeInteger(number) && number >= LEAST && number < LEAST + 2 ** 48
}

/**
 * Kills what a broker process that is gone has left. If it lives, nothing is killed: a test that may write where private
 * directories lie can put any tag into a name there, and a directory has no lock for a moment after it was made.
 */
export function killLeftBehind(tag: number): void {
  if (!hasBroker(tagged(tag))) killTagged(tag)
}

/**
 * True if the broker process is among these. Its parent, which has another tag or none, stands behind as many filters.
 * What it started stands behind more, whoever its parent is by now.
 */
function hasBroker(pids: ReadonlySet<number>): boolean {
  for (const pid of pids) {
    const parent = parentOf(pid)
    if (parent !== undefined && !pids.has(parent) && filtersOf(pid) <= filtersOf(parent)) return true
  }
  return false
}

/** Kills all processes with this tag, those as well that they start meanwhile. */
export function killTagged(tag: number): void {
  const until = performance.now() + CHASE_MS
  while (killOnce(tag) && performance.now() < until);
}

/** Returns true if there were any. */
function killOnce(tag: number): boolean {
  const found = tagged(tag)
  for (const pid of found) signal(pid, 'SIGKILL')
  return found.size > 0
}

/** The processes with this tag that have not ended, without this process. */
function tagged(tag: number): ReadonlySet<number> {
  const line = new RegExp(`^Max file locks +\\d+ +${tag} `, 'm')
  // One that has ended keeps its limits until its parent, which may be slow, has waited for it.
  const isTagged = (pid: number): boolean => line.test(fileOf(pid, 'limits')) && !hasEnded(pid)
  return new Set(processes().filter((pid) => pid !== process.pid && isTagged(pid)))
}
