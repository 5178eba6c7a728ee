/**
 * The tag of a broker process and of everything that it starts: its limit of file locks, a number that is drawn for it.
 * It is inherited, survives execve(2), and everybody can read it (proc_pid_limits(5)). A worker cannot raise it, without
 * a capability, and its filter refuses to lower it. So what a broker that was killed leaves behind is known, whatever it
 * has done to its environment, its session and its descriptors. Plain Node suffices.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { CHASE_MS } from '../limits.js'
import { goneOrThrow, signal } from './strays.js'

const LEAST = 2 ** 52

/** A number that nobody else has, exact in JavaScript, and more than any real limit. */
export function newTag(): number {
  return LEAST + randomBytes(6).readUIntBE(0, 6)
}

/** True for a number that only `newTag` makes: no limit that anybody else has set. */
export function isTag(number: number): boolean {
  return Number.isSafeInteger(number) && number >= LEAST && number < LEAST + 2 ** 48
}

/** Kills all processes with this tag, those as well that they start meanwhile. */
export function killTagged(tag: number): void {
  const until = performance.now() + CHASE_MS
  while (killOnce(tag) && performance.now() < until);
}

/** Returns true if there were any. */
function killOnce(tag: number): boolean {
  const line = new RegExp(`^Max file locks +\\d+ +${tag} `, 'm')
  let found = false
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    try {
      // A process that has ended has no limits any more.
      if (!line.test(readFileSync(`/proc/${name}/limits`, 'latin1'))) continue
      signal(Number(name), 'SIGKILL')
      found = true
    } catch (error) {
      goneOrThrow(error, undefined)
    }
  }
  return found
}
