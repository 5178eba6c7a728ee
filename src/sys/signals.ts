/** Sets the signals that a thread takes. */
import { constants } from 'node:os'
import { SystemCallError } from '../errors.js'
import { numberOf, Pinned, sys6 } from './raw.js'

const SIG_SETMASK = 2
const { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP } = constants.signals
/**
 * Signals that a thread causes itself. If they are blocked, the kernel ends the process without a message:
 * sigprocmask(2).
 */
const FAULTS = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP]
/** glibc's own signals, by which setuid(3) and the like reach every thread: nptl(7). */
const GLIBC = [32, 33]

/**
 * Blocks every signal that this thread does not cause itself. A signal that comes while SECCOMP_IOCTL_NOTIF_ADDFD hands
 * over a descriptor takes it back, and the target's call returns 0, as if it had been given descriptor 0. One that
 * comes while an answer is given may lose it (seccomp_notify_addfd and seccomp_notify_send of kernel/seccomp.c).
 * Profilers send thousands.
 */
export function takeNoSignals(): void {
  const mask = new Pinned(8)
  mask.bytes.fill(0xff)
  for (const signal of [...FAULTS, ...GLIBC]) {
    const at = (signal - 1) >>> 3
    mask.bytes[at] = (mask.bytes[at] ?? 0) & ~(1 << ((signal - 1) & 7))
  }
  const result = sys6(numberOf('rt_sigprocmask'), SIG_SETMASK, mask.address, 0, mask.size)
  if (result < 0) throw new SystemCallError('rt_sigprocmask', -result, '')
}
