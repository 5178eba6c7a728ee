/** The abilities of this kernel. They are tried out, because containers take away what a version promises. */
import { release } from 'node:os'
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_FDCWD, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } from '../abi/path-flags.js'
import {
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  SECCOMP_SET_MODE_FILTER,
} from '../abi/seccomp.js'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, SO_PASSRIGHTS } from '../abi/socket.js'
import { IOVEC, OPEN_HOW } from '../abi/structs.js'
import { landlockAbi } from './confine.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

export interface KernelSupport {
  readonly release: string
  /** Filter flags NEW_LISTENER, TSYNC and TSYNC_ESRCH together: Linux 5.7. */
  readonly userNotification: boolean
  /** WAIT_KILLABLE_RECV: Linux 5.19. */
  readonly waitKillable: boolean
  /** SECCOMP_ADDFD_FLAG_SEND: Linux 5.14. */
  readonly injectAndReturn: boolean
  readonly openat2: boolean
  /** True if process_vm_readv(2) works. */
  readonly readsMemory: boolean
  /** pidfd_getfd(2), Linux 5.6. Docker's and containerd's default profiles forbid it: then a worker has no sockets. */
  readonly takesDescriptors: boolean
  /** The Landlock ABI; 0 means none, so that programs cannot be granted. */
  readonly landlock: number
  /** SO_PASSRIGHTS, Linux 6.16. Without it, the broker receives for the workers. */
  readonly unixSockets: boolean
}

const FLAGS = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH

/** True if only fatal signals interrupt a received call: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19. */
export function keepsCallsWhole(): boolean {
  return knowsFilterFlags(FLAGS | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
}

export function probeKernel(): KernelSupport {
  const waitKillable = keepsCallsWhole()
  return {
    release: release(),
    userNotification: knowsFilterFlags(FLAGS),
    waitKillable,
    // Nothing can test it without a notification at hand; the flag of 5.19 answers for most kernels.
    injectAndReturn: waitKillable || atLeast(5, 14),
    openat2: opensStrictly(),
    readsMemory: readsOwnMemory(),
    takesDescriptors: takesOwnDescriptors(),
    landlock: landlockAbi(),
    unixSockets: closesUnixSockets(),
  }
}

/** The missing abilities without which there is no confinement at all, in words; empty if the pool can run. */
export function missingSupport(support: KernelSupport): readonly string[] {
  const needs: readonly [boolean, string][] = [
    [
      support.userNotification,
      `seccomp user notification with TSYNC (Linux 5.7; this is ${support.release}), or the container's profile forbids seccomp(2)`,
    ],
    [support.injectAndReturn, `SECCOMP_ADDFD_FLAG_SEND (Linux 5.14; this is ${support.release})`],
    [support.openat2, "openat2(2) (Linux 5.6), or the container's profile forbids it"],
    [
      support.readsMemory,
      "process_vm_readv(2): the container's profile forbids it; Docker allows it with --cap-add=SYS_PTRACE (docs/guide/docker.md has more)",
    ],
  ]
  return needs.filter(([present]) => !present).map(([, text]) => text)
}

/**
 * True if the kernel knows these flags: seccomp(2) with a NULL program then fails with EFAULT, otherwise with EINVAL.
 * Nothing is installed.
 */
function knowsFilterFlags(flags: number): boolean {
  return sys3(numberOf('seccomp'), SECCOMP_SET_MODE_FILTER, flags, 0) === -Errno.EFAULT
}

function atLeast(major: number, minor: number): boolean {
  const [has = 0, hasMinor = 0] = release().split('.').map(Number)
  return has > major || (has === major && hasMinor >= minor)
}

function opensStrictly(): boolean {
  const { O_PATH, O_CLOEXEC } = openFlags(hostArch())
  const how = new Pinned(OPEN_HOW.size)
  how.setWord(OPEN_HOW.flags, O_PATH | O_CLOEXEC)
  how.setWord(OPEN_HOW.resolve, RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)
  const path = new Pinned(8)
  return close(sys6(numberOf('openat2'), AT_FDCWD, path.text('/'), how.address, OPEN_HOW.size))
}

function readsOwnMemory(): boolean {
  const [from, to] = [new Pinned(8), new Pinned(8)]
  const [local, remote] = [new Pinned(IOVEC.size), new Pinned(IOVEC.size)]
  for (const [vector, at] of [
    [local, to],
    [remote, from],
  ] as const) {
    vector.setWord(IOVEC.iov_base, at.address)
    vector.setWord(IOVEC.iov_len, at.size)
  }
  return sys6(numberOf('process_vm_readv'), process.pid, local.address, 1, remote.address, 1, 0) === from.size
}

export function takesOwnDescriptors(): boolean {
  const pidfd = sys3(numberOf('pidfd_open'), process.pid, 0)
  if (pidfd < 0) return false
  using held = new OwnedFd(pidfd)
  return close(sys3(numberOf('pidfd_getfd'), held.number, 0, 0))
}

/** True if this kernel has SO_PASSRIGHTS, Linux 6.16. */
export function closesUnixSockets(): boolean {
  const socket = sys3(numberOf('socket'), AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
  if (socket < 0) return false
  using held = new OwnedFd(socket)
  const zero = new Pinned(4)
  return sys6(numberOf('setsockopt'), held.number, SOL_SOCKET, SO_PASSRIGHTS, zero.address, 4) === 0
}

function close(result: number): boolean {
  if (result < 0) return false
  new OwnedFd(result).close()
  return true
}
