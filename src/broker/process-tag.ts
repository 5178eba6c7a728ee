/**
 * The tag of a broker process and of everything that it starts: its limit of file locks, a number that is drawn for it.
 * It is inherited, survives execve(2), and everybody can read it (proc_pid_limits(5)). A worker cannot raise it, without
 * a capability, and its filter refuses to lower it. So what a broker that was killed leaves behind is known, whatever it
 * has done to its environment, its session and its descriptors. Plain Node suffices.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CHASE_MS } from '../limits.js'
import { groupOf, hasEnded, parentOf, processes } from '../sys/process-list.js'
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
  if (!hasBroker(tag)) killTagged(tag)
}

/**
 * True if the broker process with this tag lives. Its parent, which has another tag or none, stands behind as many
 * filters. What it started stands behind more, whoever its parent is by now.
 */
function hasBroker(tag: number): boolean {
  return [...tagged(tag)].some(([pid]) => {
    const [parent, filters] = [parentOf(pid), filtersOf(pid)]
    // One that has ended, as each link of a chain of forks does, is no broker.
    if (parent === undefined || filters === undefined || tagOf(parent) === tag || hasEnded(pid)) return false
    return filters <= (filtersOf(parent) ?? 0)
  })
}

/** Kills all processes with this tag, those as well that they start meanwhile. */
export function killTagged(tag: number): void {
  const until = performance.now() + CHASE_MS
  // On a busy machine one round takes longer than that.
  for (let round = 1; killOnce(tag) && (round < ROUNDS || performance.now() < until); round++);
}

const ROUNDS = 5

/**
 * Returns true if any lived. A chain whose links fork and end is faster than any list, but its links share their group:
 * without a broker nobody leaves one. So the group of a link is killed as a whole, also if that link has ended meanwhile.
 */
function killOnce(tag: number): boolean {
  const groups = new Set<number>()
  let didAnyLive = false
  for (const [pid, group] of tagged(tag)) {
    // One that has ended keeps its limits until its parent, which may be slow, has waited for it.
    didAnyLive ||= !hasEnded(pid)
    signal(pid, 'SIGKILL')
    groups.add(group)
  }
  for (const group of groups) if (isWholly(group, tag)) signal(-group, 'SIGKILL')
  return didAnyLive
}

/** True if nobody else is in this group: behind `vitest-seccomp run`, Vitest shares that of the typed command. */
function isWholly(group: number, tag: number): boolean {
  const isOther = (pid: number): boolean => groupOf(pid) === group && (tagOf(pid) ?? tag) !== tag
  return group > 1 && !processes().some(isOther)
}

/** The processes with this tag, as they are found, with their groups, without this process. */
function* tagged(tag: number): Iterable<readonly [pid: number, group: number]> {
  for (const pid of numbers()) {
    const group = pid === process.pid || tagOf(pid) !== tag ? undefined : groupOf(pid)
    if (group !== undefined) yield [pid, group]
  }
}

/** Looks at the numbers that were given out last, and how many of these: others start processes as well. */
const [LOOKS, LATEST] = [10, 8]

/** The numbers of all processes. Those that were given out last come first, and again and again: proc_loadavg(5). */
function* numbers(): Iterable<number> {
  for (let look = 0; look < LOOKS; look++) {
    const last = Number(readFileSync('/proc/loadavg', 'latin1').split(' ')[4])
    for (let pid = last; pid > last - LATEST; pid--) yield pid
  }
  yield* processes()
}

/** The limit that is the tag; undefined if the process is gone, or has none. */
function tagOf(pid: number): number | undefined {
  const [, limit] = /^Max file locks +(\d+|unlimited) /m.exec(fileOf(pid, 'limits')) ?? []
  return limit === undefined ? undefined : Number(limit)
}
