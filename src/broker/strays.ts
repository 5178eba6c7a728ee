/** Processes that a worker started and that outlived it, as far as plain Node can find and kill them. */
import { readFileSync, readdirSync } from 'node:fs'
import { codeOf } from '../errors.js'

/** The variable, in the environment of a worker and of what it starts, that identifies its leftovers. */
export const COOKIE = 'VITEST_SECCOMP_WORKER'

/** Kills the processes that carry a dead worker's cookie. The filter already lets them do nothing more. */
export function killStrays(cookie: string | undefined): void {
  if (cookie === undefined) return
  const mark = `${COOKIE}=${cookie}`
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    try {
      if (readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(mark)) signal(Number(name), 'SIGKILL')
    } catch (error) {
      goneOrThrow(error, undefined)
    }
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    goneOrThrow(error, undefined)
  }
}

/**
 * Returns `otherwise` if the process has ended meanwhile or belongs to another user: it is not ours to kill. Throws any
 * other error.
 */
export function goneOrThrow<T>(error: unknown, otherwise: T): T {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return otherwise
  throw error
}
