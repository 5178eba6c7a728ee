/**
 * fcntl(2), ioctl(2), prctl(2): calls with many commands. The harmless ones are in the baseline; this module handles
 * those that are harmless only when the caller means itself, and the rest.
 */
import { Errno } from '../abi/errno.js'
import { F_RDLCK, F_SETLEASE, F_SETOWN, F_UNLCK, F_WRLCK } from '../abi/fcntl.js'
import { TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2 } from '../abi/ioctl.js'
import {
  PR_CAPBSET_DROP,
  PR_CAP_AMBIENT,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_DUMPABLE,
  PR_SET_IO_FLUSHER,
  PR_SET_MM,
  PR_SET_PDEATHSIG,
  PR_SET_PTRACER,
  PR_SET_SECCOMP,
  PR_SET_SECUREBITS,
} from '../abi/prctl.js'
import type { BytePath } from '../policy/request.js'
import { int, unsigned, word } from './args.js'
import { no, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { Fail, failed } from './outcome.js'

const family = 'control'
const GO_ON: Reply = { kind: 'continue', reason: 'registers-only' }
const SIGKILL = 9
/** _NSIG: include/uapi/asm-generic/signal.h. */
const LAST_SIGNAL = 64

/** Answers EBADF before the command is looked at, as the kernel does. */
function onOpen(call: Call, fd: number, otherwise: (text: BytePath) => Reply): Reply {
  const text = call.target.descriptorText(fd)
  return failed(text) ? Fail.of(Errno.EBADF) : otherwise(text)
}

// --- fcntl(2)

function fcntlCall(call: Call, { fd, command, arg }: Record<'fd' | 'command' | 'arg', number>): Reply {
  switch (command) {
    case F_SETOWN:
      return setOwner(call, arg)
    case F_SETLEASE:
      return setLease(call, fd, arg)
    default:
      return onOpen(call, fd, () => no(call, Errno.EINVAL, 'an fcntl command that is not on the list'))
  }
}

/**
 * Allows only the caller itself as owner. The kernel signals the owner in the name of the caller, at any later time;
 * F_SETSIG chooses the signal. Any other number could be another process's by the time the kernel looks.
 */
function setOwner(call: Call, owner: number): Reply {
  const self = call.target.pid()
  if (failed(self)) return self
  if (owner === 0 || owner === self) return GO_ON
  return no(call, Errno.EPERM, 'lets the kernel signal another process than the caller')
}

/**
 * Refuses leases: a process that opens the file waits for the lease's holder, for 45 seconds by default: proc(5),
 * lease-break-time.
 */
function setLease(call: Call, fd: number, kind: number): Reply {
  if (kind === F_UNLCK) return GO_ON
  return onOpen(call, fd, () =>
    kind === F_RDLCK || kind === F_WRLCK
      ? no(call, Errno.EINVAL, 'a lease, for which everybody waits who opens the file: Vitest, or another worker')
      : Fail.of(Errno.EINVAL),
  )
}

// --- ioctl(2)

/** The requests of tcsetattr(3), which libuv's raw mode uses for the keys of watch mode. */
const TERMINAL_SETTINGS: ReadonlySet<number> = new Set([TCSETS, TCSETSW, TCSETSF, TCSETS2, TCSETSW2, TCSETSF2])

/**
 * Lets the process change the settings of the terminal that it was started on. If the number means another descriptor
 * by the time the kernel looks, no harm is done: no process holds another terminal.
 */
function ioctlCall(call: Call, { fd, request }: Record<'fd' | 'request', number>): Reply {
  return onOpen(call, fd, (text) =>
    TERMINAL_SETTINGS.has(request) && call.policy.terminal !== undefined && text === call.policy.terminal
      ? GO_ON
      : no(call, Errno.ENOTTY, 'an ioctl that is not on the list'),
  )
}

// --- prctl(2)

/**
 * Options that need a capability, which no worker has. All other unlisted options give EINVAL, like one that no kernel
 * knows.
 */
const PRIVILEGED: ReadonlySet<number> = new Set([
  PR_CAPBSET_DROP,
  PR_CAP_AMBIENT,
  PR_SET_IO_FLUSHER,
  PR_SET_MM,
  PR_SET_PTRACER,
  PR_SET_SECCOMP,
  PR_SET_SECUREBITS,
])

function prctlCall(call: Call, { option, arg }: { option: number; arg: number }): Reply {
  switch (option) {
    case PR_SET_PDEATHSIG:
      return setParentDeathSignal(call, arg)
    case PR_SET_DUMPABLE:
      // The broker reads a process's memory as that process's user; of a process that is not dumpable, only root could.
      return arg === 0
        ? no(call, Errno.EPERM, 'a process that is not dumpable is out of the reach of the broker')
        : Fail.of(Errno.EINVAL)
    case PR_SET_CHILD_SUBREAPER:
      return arg === 0 && isWorker(call)
        ? no(call, Errno.EPERM, 'the worker is the reaper of its orphans, by which they are found and ended')
        : GO_ON
    default:
      return no(
        call,
        PRIVILEGED.has(option) ? Errno.EPERM : Errno.EINVAL,
        `prctl option ${option}, which is not on the list`,
      )
  }
}

/**
 * Sets the signal that the calling thread's own process gets. In the worker's first thread, that signal belongs to the
 * pool.
 */
function setParentDeathSignal(call: Call, signal: number): Reply {
  if (signal > LAST_SIGNAL) return Fail.of(Errno.EINVAL)
  if (call.target.tid !== call.target.worker) return GO_ON
  if (signal === SIGKILL) return { kind: 'value', value: 0 }
  return no(call, Errno.EPERM, 'a worker ends with the process that started it')
}

function isWorker(call: Call): boolean {
  return call.target.pid() === call.target.worker
}

export const controlFamily: readonly Row[] = [
  defineSyscall({
    name: 'fcntl',
    family,
    operation: 'own-state',
    answer:
      '`F_SETOWN`: continued for the caller itself as the owner; `F_SETLEASE`: `F_UNLCK` alone; other commands that are not on the list: `EINVAL`',
    args: { fd: int(0), command: unsigned(1), arg: int(2) },
    handle: fcntlCall,
  }),
  defineSyscall({
    name: 'ioctl',
    family,
    operation: 'own-state',
    answer:
      'settings of the terminal that Vitest was started on: continued for Vitest itself; others that are not on the list: `ENOTTY`',
    args: { fd: int(0), request: unsigned(1) },
    handle: ioctlCall,
  }),
  defineSyscall({
    name: 'prctl',
    family,
    operation: 'own-state',
    answer:
      "`PR_SET_PDEATHSIG`: continued, except in the worker's first thread, whose signal is the pool's; `PR_SET_DUMPABLE` 0: `EPERM`; other options that are not on the list: `EPERM` where they need a capability, else `EINVAL`",
    args: { option: int(0), arg: word(1) },
    handle: prctlCall,
  }),
]
