/** The threads of this process, by the kernel's numbers. */
import { Errno } from '../abi/errno.js'
import { numberOf, sys3 } from './raw.js'

const GETTID = numberOf('gettid')
const TGKILL = numberOf('tgkill')
/** Sends nothing: kill(2). */
const NO_SIGNAL = 0

export function ownThread(): number {
  return sys3(GETTID)
}

/**
 * False once the thread has ended, which its own event loop cannot tell any more, nor that of a thread that never turns
 * its own. A number comes around again only after thousands of others.
 */
export function isOwnThread(number: number): boolean {
  return sys3(TGKILL, process.pid, number, NO_SIGNAL) !== -Errno.ESRCH
}
