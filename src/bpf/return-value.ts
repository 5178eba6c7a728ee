import { MAX_ERRNO } from '../abi/errno.js'
import {
  SECCOMP_RET_ACTION_FULL,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_DATA,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_USER_NOTIF,
} from '../abi/seccomp.js'
import type { Action } from './rules.js'

/** The value that a filter returns to the kernel for an action: seccomp(2), "the return value". */
export function returnValue(action: Action): number {
  if (action === 'allow') return SECCOMP_RET_ALLOW
  if (action === 'notify') return SECCOMP_RET_USER_NOTIF
  if (action === 'kill-process') return SECCOMP_RET_KILL_PROCESS
  return (SECCOMP_RET_ERRNO | action.errno) >>> 0
}

/** The inverse of `returnValue`; undefined for a value that stands for none of our actions: traps, tracers, errno 0. */
export function actionOf(value: number): Action | undefined {
  if (value === SECCOMP_RET_ALLOW) return 'allow'
  if (value === SECCOMP_RET_USER_NOTIF) return 'notify'
  if (value === SECCOMP_RET_KILL_PROCESS) return 'kill-process'
  const errno = value & SECCOMP_RET_DATA
  const isErrno = (value & SECCOMP_RET_ACTION_FULL) >>> 0 === SECCOMP_RET_ERRNO
  return isErrno && errno >= 1 && errno <= MAX_ERRNO ? { errno } : undefined
}
