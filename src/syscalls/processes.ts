/** Calls that name a process. The own tree only: the worker and its descendants. */
import { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import { int } from './args.js'
import type { Call, Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { Fail } from './outcome.js'

const family = 'processes'

/** The ids are in registers, which no thread can change, so the call may go on: nothing of its memory was decided on. */
function toKin(call: Call, pid: number): Reply {
  // 0 and negative ids mean process groups, and the group of a worker is the terminal's, with the parent in it.
  if (pid > 0 && call.target.isKin(pid)) return { kind: 'continue', reason: 'registers-only' }
  call.record({ kind: 'forbidden', violation: true, why: `reaches process ${pid}, which is not of the worker's own tree` })
  return Fail.of(Errno.EPERM)
}

function signal(name: SyscallName): Row {
  return defineSyscall({
    name, family, answer: 'continued for the own process tree, refused for any other',
    args: { pid: int(0) }, handle: (call, { pid }) => toKin(call, pid),
  })
}

/** Calls in which 0 means the caller, which the filter lets through; here comes any other number. */
function about(name: SyscallName): Row {
  return defineSyscall({
    name, family, answer: 'continued for the own process tree, refused for any other',
    args: { pid: int(0) }, handle: (call, { pid }) => toKin(call, pid),
  })
}

/** get/setpriority(2), ioprio_set(2): `which` says what `who` is; only processes (0 or 1) can be told apart here. */
function priority(name: SyscallName, processes: number): Row {
  return defineSyscall({
    name, family, answer: 'continued for the own process tree, refused for any other, and for groups and users',
    args: { which: int(0), who: int(1) },
    handle: (call, { which, who }) => (which === processes ? toKin(call, who) : toKin(call, 0)),
  })
}

export const processFamily: readonly Row[] = [
  signal('kill'),
  signal('tkill'),
  signal('tgkill'),
  signal('rt_sigqueueinfo'),
  signal('rt_tgsigqueueinfo'),
  about('prlimit64'),
  about('sched_setaffinity'),
  about('sched_setscheduler'),
  about('sched_setparam'),
  about('sched_setattr'),
  about('sched_getaffinity'),
  about('sched_getscheduler'),
  about('sched_getparam'),
  about('sched_getattr'),
  about('sched_rr_get_interval'),
  about('getpgid'),
  about('getsid'),
  priority('setpriority', 0),
  priority('getpriority', 0),
  priority('ioprio_set', 1),
  priority('ioprio_get', 1),
]
