/** Processes that a worker started and that outlived it, as far as plain Node can find and kill them. */
import { readFileSync } from 'node:fs'
import { codeOf } from '../errors.js'
import { birthOf, processes } from '../sys/process-list.js'

/** The variable, in the environment of a worker and of what it starts, that identifies its leftovers. */
export const COOKIE = 'VITEST_SECCOMP_WORKER'

/** Ends the process of this number, if it is meant. */
type EndIf = (pid: number, isMeant: () => boolean) => void

/** By the number, which may be a stranger's by the time that all is read: looked at once more, at the last moment. */
const endByNumber: EndIf = (pid, isMeant) => {
  const started = birthOf(pid)?.started
  if (isMeant() && birthOf(pid)?.started === started) signal(pid, 'SIGKILL')
}

/**
 * Kills the processes that carry a dead worker's cookie. The filter already lets them do nothing more. Each may have made its
 * environment long, and ends while that is read: who has more than plain Node gives an `end` that holds it meanwhile.
 */
export function killStrays(cookie: string | undefined, end: EndIf = endByNumber): void {
  if (cookie === undefined) return
  const mark = `\0${COOKIE}=${cookie}\0`
  for (const pid of processes()) if (pid !== process.pid) end(pid, () => `\0${fileOf(pid, 'environ')}`.includes(mark))
}

/** The number of filters that a process stands behind: proc_pid_status(5), since Linux 5.9. Undefined if it is gone. */
export function filtersOf(pid: number): number | undefined {
  const [, filters] = /^Seccomp_filters:\s*(\d+)$/m.exec(fileOf(pid, 'status')) ?? []
  return filters === undefined ? undefined : Number(filters)
}

/** A file of /proc; nothing if the process has ended, or is another user's. */
export function fileOf(pid: number, name: 'environ' | 'limits' | 'status'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1')
  } catch (error) {
    return goneOrThrow(error, '')
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
