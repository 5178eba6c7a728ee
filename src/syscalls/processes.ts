/** Calls that name a process. The own tree only: the worker and its descendants. */
import { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import { int } from './args.js'
import type { Call, Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { Fail } from './outcome.js'
import type { Relation } from './ports.js'

const family = 'processes'
const answer = 'continued for the own process tree, refused for any other'

/** The ids are in registers, which no thread can change, so the call may go on: nothing of its memory was decided on. */
function toOwnTree(call: Call, whom: string, relation: Relation): Reply {
  if (relation === 'ownTree') return { kind: 'continue', reason: 'registers-only' }
  // Waiting for a child to be gone by signalling it is everyday; who is not there cannot be reached.
  if (relation === 'exited') return Fail.of(Errno.ESRCH)
  call.record({
    kind: 'forbidden',
    violation: true,
    why: `reaches ${whom}, which is not of the worker's own process tree`,
  })
  return Fail.of(Errno.EPERM)
}

function toProcess(call: Call, pid: number): Reply {
  return toOwnTree(call, `process ${pid}`, pid > 0 ? call.target.relationTo(pid) : 'foreign')
}

/** kill(2): 0 is the caller's group, a negative number the group of that id, and -1 everyone. */
function killCall(call: Call, { pid }: { pid: number }): Reply {
  if (pid > 0) return toProcess(call, pid)
  if (pid === -1) return toOwnTree(call, 'every process', 'foreign')
  return toOwnTree(call, `process group ${pid === 0 ? 'of its own' : -pid}`, call.target.relationToGroup(-pid))
}

function about(name: SyscallName): Row {
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer,
    args: { pid: int(0) },
    handle: (call, { pid }) => toProcess(call, pid),
  })
}

/** get/setpriority(2), ioprio_set(2): `which` says what `who` is; only processes can be told apart here. */
function priority(name: SyscallName, processes: number): Row {
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer: `${answer}, and for groups and users`,
    args: { which: int(0), who: int(1) },
    handle: (call, { which, who }) =>
      which === processes ? toProcess(call, who) : toOwnTree(call, 'a group of processes', 'foreign'),
  })
}

/** clock_gettime(2): the clock of a process or thread is its id, inverted, above three bits that say which clock. */
function clock(name: SyscallName): Row {
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer: `${answer}; the machine's clocks do not come here`,
    args: { id: int(0) },
    handle: (call, { id }) =>
      (id & 7) === 3 || id >= 0 ? Fail.of(Errno.EINVAL) : toProcess(call, ~(id >> 3) || call.target.tid),
  })
}

/** setpgid(2): a stranger's group would share what is done to the worker's, and the worker what is done to it. */
function setpgidCall(call: Call, { pid, group }: { pid: number; group: number }): Reply {
  const isNew = group === 0 || group === pid || group === call.target.pid()
  if (!isNew && call.target.relationToGroup(group) !== 'ownTree')
    return toOwnTree(call, `process group ${group}`, 'foreign')
  return pid === 0 ? { kind: 'continue', reason: 'registers-only' } : toProcess(call, pid)
}

export const processFamily: readonly Row[] = [
  defineSyscall({
    name: 'kill',
    family,
    operation: 'name-process',
    answer: `${answer}; a group if all its members are of the tree`,
    args: { pid: int(0) },
    handle: killCall,
  }),
  // Continued while the broker lives. Without it no process leaves its group, so that a group can be ended as one.
  defineSyscall({
    name: 'setsid',
    family,
    operation: 'name-process',
    answer: 'continued: its own session',
    args: {},
    handle: () => ({ kind: 'continue', reason: 'registers-only' }),
  }),
  defineSyscall({
    name: 'setpgid',
    family,
    operation: 'name-process',
    answer: `${answer}, and into a group of the tree`,
    args: { pid: int(0), group: int(1) },
    handle: setpgidCall,
  }),
  about('tkill'),
  about('tgkill'),
  about('rt_sigqueueinfo'),
  about('rt_tgsigqueueinfo'),
  // For these, 0 means the caller, and the filter lets it through; here comes any other number.
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
  clock('clock_gettime'),
  clock('clock_getres'),
  clock('clock_nanosleep'),
  clock('timer_create'),
  about('getpgid'),
  about('getsid'),
  priority('setpriority', 0),
  priority('getpriority', 0),
  priority('ioprio_set', 1),
  priority('ioprio_get', 1),
]
