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
  return fieldOf(pid, 2)
}

/** Undefined if the process is gone. */
export function parentOf(pid: number): number | undefined {
  return fieldOf(pid, 1)
}

/** A number of proc_pid_stat(5), by where it stands after the name. */
function fieldOf(pid: number, index: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index])
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
