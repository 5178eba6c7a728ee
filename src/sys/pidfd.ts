import { OwnedFd } from './owned-fd.js'
import { numberOf, sys3 } from './raw.js'

/**
 * A pidfd of a process: pidfd_open(2). It refers to this very process, even if another gets its number. Undefined if
 * there is no such process.
 */
export function openProcess(pid: number): OwnedFd | undefined {
  const opened = sys3(numberOf('pidfd_open'), pid, 0)
  return opened < 0 ? undefined : new OwnedFd(opened)
}
