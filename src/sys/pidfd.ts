import { OwnedFd } from './owned-fd.js'
import { numberOf, sys3 } from './raw.js'

/** pidfd_open(2): names this very process, whatever becomes of its number. Undefined where there is none. */
export function openProcess(pid: number): OwnedFd | undefined {
  const opened = sys3(numberOf('pidfd_open'), pid, 0)
  return opened < 0 ? undefined : new OwnedFd(opened)
}
