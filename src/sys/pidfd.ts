import { OwnedFd } from './owned-fd.js'
import { numberOf, sys3, sys6 } from './raw.js'

/**
 * A pidfd of a process: pidfd_open(2). It refers to this very process, even if another gets its number. Undefined if
 * there is no such process.
 */
export function openProcess(pid: number): OwnedFd | undefined {
  const opened = sys3(numberOf('pidfd_open'), pid, 0)
  return opened < 0 ? undefined : new OwnedFd(opened)
}

const SIGKILL = 9

/** Ends the process that it names; one that has ended already needs nothing. */
export function killProcess(pidfd: OwnedFd): void {
  sys6(numberOf('pidfd_send_signal'), pidfd.number, SIGKILL, 0, 0)
}

/** Ends the process of this number, if it is meant: asked while the signal can reach nobody who gets the number next. */
export function killIf(pid: number, isMeant: () => boolean): void {
  const held = openProcess(pid)
  if (held === undefined) return
  if (isMeant()) killProcess(held)
  held.close()
}
