import { readdirSync } from 'node:fs'
import { Errno } from '../abi/errno.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { codeOf } from '../errors.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

/** The text of a listener's link in /proc: anon_inode_getfd in kernel/seccomp.c. */
const LISTENER = 'anon_inode:seccomp notify'

/**
 * Takes the seccomp listener out of a worker that just made it: pidfd_getfd(2), Linux 5.6. The worker closes its copy
 * before any code of the user's runs. EINVAL if the descriptor is anything but a listener.
 *
 * SCM_RIGHTS would not do: sendmsg(2) is behind the very filter that the listener serves, so the message that carries
 * it would wait for its own receiver. On machines that forbid pidfd_getfd(2) the worker sends it all the same:
 * confine.ts, installSealed.
 */
export function adoptListener(pid: number, number: number): Outcome<OwnedFd> {
  if (!Number.isInteger(number) || number < 0) return Fail.of(Errno.EBADF)
  const opened = sys3(numberOf('pidfd_open'), pid, 0)
  if (opened < 0) return Fail.of(opened)
  using pidfd = new OwnedFd(opened)
  const got = sys3(numberOf('pidfd_getfd'), pidfd.number, number, 0)
  if (got < 0) return Fail.of(got)
  const adopted = new OwnedFd(got)
  if (isListener(adopted)) return adopted
  adopted.close()
  return Fail.of(Errno.EINVAL)
}

/**
 * Takes the listener of a worker that has made it and cannot say so. libc may open a file of its own between the filter
 * and the hello (malloc reads /proc/sys/vm/overcommit_memory before it shrinks an arena), and that call waits for the
 * holder of the listener. ENOENT if there is none yet, or the worker is gone.
 */
export function findListener(pid: number): Outcome<OwnedFd> {
  const number = numbersOf(pid).find((fd) => textOf(`/proc/${pid}/fd/${fd}`) === LISTENER)
  return number === undefined ? Fail.of(Errno.ENOENT) : adoptListener(pid, number)
}

function numbersOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(Number)
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(codeOf(error) ?? '')) return []
    throw error
  }
}

export function isListener(fd: OwnedFd): boolean {
  return textOf(`/proc/thread-self/fd/${fd.number}`) === LISTENER
}

function textOf(link: string): string {
  const path = new Pinned(64)
  const text = new Pinned(256)
  const length = sys6(numberOf('readlinkat'), AT_FDCWD, path.text(link), text.address, text.size)
  return length < 0 ? '' : text.bytes.toString('latin1', 0, length)
}
