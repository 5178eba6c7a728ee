/** Calls that name a process. They may reach only the worker's own tree: the worker and its descendants. */
import { PIDFD_NONBLOCK, PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP, PIDFD_THREAD } from '../abi/descriptors.js'
import { Errno } from '../abi/errno.js'
import { RLIM_NLIMITS, RLIMIT_CORE, RLIMIT_LOCKS } from '../abi/rlimit.js'
import type { SyscallName } from '../abi/syscalls.js'
import { int, struct, unsigned, word, word64, type Arg } from './args.js'
import { done, DONE, no, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { onOwn } from './handle.js'
import { Fail, failed } from './outcome.js'
import type { Relation } from './ports.js'

const family = 'processes'
const answer = 'continued for the own process tree, refused for any other'
const setAnswer = 'continued for the calling thread and its process, refused for any other'
const signalAnswer =
  "continued in the worker's first thread from Linux 6.12 on, otherwise sent by the broker, for the own process tree; refused for any other"
/** siginfo_t: include/uapi/asm-generic/siginfo.h. */
const SIGINFO_SIZE = 128

/**
 * Continues a call to the own tree. The ids are in registers, which no thread can change, and nothing in memory was
 * decided on, so the call may go on.
 */
function toOwnTree(call: Call, whom: string, relation: Relation): Reply {
  if (relation === 'ownTree') return { kind: 'continue', reason: 'registers-only' }
  // Programs often signal a child to wait until it is gone; a process that is gone cannot be reached.
  if (relation === 'exited') return Fail.of(Errno.ESRCH)
  call.record({
    outcome: 'forbidden',
    violation: true,
    why: `reaches ${whom}, which is not of the worker's own process tree`,
  })
  return Fail.of(Errno.EPERM)
}

function toProcess(call: Call, pid: number): Reply {
  return toOwnTree(call, `process ${pid}`, pid > 0 ? call.target.relationTo(pid) : 'foreign')
}

/** A signal and its receiver: the process, or one thread. */
interface Sent {
  readonly signal: number
  readonly info?: Uint8Array | undefined
  readonly thread?: number
}

/**
 * True if the kernel keeps the caller's signals within the worker. Only its first thread is sure to be in the worker's
 * own Landlock domain. V8's threads are older, and they and what they start are in the domain of all workers that one
 * spawner thread has forked.
 */
function areScoped({ kernel, target }: Call): boolean {
  return kernel.scopesSignals && target.isFirstThread()
}

/**
 * Sends a signal. The call is continued if the kernel itself keeps signals within the worker, or the receiver is the
 * calling process, whose number no other process can get. Otherwise the receiver could end after the decision, and its
 * number go to another process: so the broker sends the signal, to the process that was decided on.
 */
function signalCall(call: Call, pid: number, sent: Sent): Reply {
  if (areScoped(call) || pid === call.target.pid()) return toProcess(call, pid)
  const opened = call.kernel.pidfd(sent.thread ?? pid, sent.thread === undefined ? 0 : PIDFD_THREAD)
  if (failed(opened)) return opened.errno === Errno.EINVAL ? toOwnThread(call, sent) : opened
  const relation = call.target.relationTo(sent.thread ?? pid)
  const reply =
    relation === 'ownTree'
      ? done(call.kernel.signal(opened, sent.signal, sent.info, 0))
      : toOwnTree(call, `process ${pid}`, relation)
  opened.close()
  return reply
}

/**
 * Signals a thread before Linux 6.9, where no pidfd can name one (pidfd_open(2)): only threads of the calling process
 * can be reached, which tgkill(2) checks.
 */
function toOwnThread(call: Call, { signal, thread }: Sent): Reply {
  const pid = call.target.pid()
  if (failed(pid)) return pid
  return thread === undefined ? Fail.of(Errno.EINVAL) : done(call.kernel.signalThread(pid, thread, signal))
}

/** kill(2): 0 is the caller's group, a negative number the group with that id, and -1 every process. */
function killCall(call: Call, { pid, signal }: { pid: number; signal: number }): Reply {
  if (pid > 0) return signalCall(call, pid, { signal })
  if (pid === -1) return toOwnTree(call, 'every process', 'foreign')
  const decided = toOwnTree(call, `process group ${pid === 0 ? 'of its own' : -pid}`, call.target.relationToGroup(-pid))
  if (failed(decided) || areScoped(call)) return decided
  const members = call.target.membersOf(-pid)
  const own = call.target.pid()
  // The caller comes last: the signal may end it.
  const replies = members.filter((member) => member !== own).map((member) => signalCall(call, member, { signal }))
  if (failed(own) || !members.includes(own)) return replies[0] ?? Fail.of(Errno.ESRCH)
  return signal === 0 ? DONE : toItself(call, own, signal)
}

/** Signals the caller itself. kill(2) delivers such a signal before it returns; a signal by a pidfd comes as soon. */
function toItself(call: Call, pid: number, signal: number): Reply {
  const opened = call.kernel.pidfd(pid, 0)
  if (failed(opened)) return opened
  const sent = done(call.kernel.signal(opened, signal, undefined, 0))
  opened.close()
  return sent
}

/**
 * Continues a call that sets something, only if it names the caller: its numbers stay its own until the kernel has
 * looked. Any other number could be a stranger's by then, because a thread may wait long for a processor; and no call
 * sets these things by a pidfd.
 */
function toItselfAlone(call: Call, pid: number): Reply {
  const decided = toProcess(call, pid)
  if (failed(decided) || pid === call.target.tid || pid === call.target.pid()) return decided
  return no(call, Errno.EPERM, 'sets something of another process or thread by its number')
}

/**
 * A call that asks about a process. `nobody`: the kernel's errno for a number that no process has, including 0 where
 * the filter has not let it through.
 */
function asks(name: SyscallName, nobody: Errno): Row {
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer,
    args: { pid: int(0) },
    handle: (call, { pid }) => (pid <= 0 ? Fail.of(nobody) : toProcess(call, pid)),
  })
}

/** A call that sets something of a process. `nobody` is the same. */
function sets(name: SyscallName, nobody: Errno): Row {
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer: setAnswer,
    args: { pid: int(0) },
    handle: (call, { pid }) => (pid <= 0 ? Fail.of(nobody) : toItselfAlone(call, pid)),
  })
}

/** prlimit(2): with a null pointer for the new limit it only asks. */
const prlimit64 = defineSyscall({
  name: 'prlimit64',
  family,
  operation: 'name-process',
  answer: `${setAnswer}; asked about, the own process tree`,
  args: { pid: int(0), resource: int(1), wanted: word(2), old: word(3) },
  handle(call, { pid, resource, wanted, old }) {
    const limited = wanted === 0 ? undefined : limits(call, resource)
    if (limited !== undefined) return limited
    const isKept = resource === RLIMIT_LOCKS || resource === RLIMIT_CORE
    // The filter lets a caller ask for all limits of its own but two.
    if (pid === 0 && wanted === 0 && isKept) return { kind: 'continue', reason: 'registers-only' }
    const isOwn = pid === 0 || pid === call.target.tid || pid === call.target.pid()
    if (isOwn && wanted !== 0 && resource === RLIMIT_CORE) return limitCore(call, wanted, old)
    if (pid <= 0) return Fail.of(Errno.ESRCH)
    return wanted === 0 ? toProcess(call, pid) : toItselfAlone(call, pid)
  },
})

const setrlimit = defineSyscall({
  name: 'setrlimit',
  family,
  operation: 'name-process',
  answer: 'of the caller, all but the number of file locks; the size of a core dump stays as it is',
  args: { resource: int(0), wanted: word(1) },
  handle: (call, { resource, wanted }) =>
    limits(call, resource) ?? (resource === RLIMIT_CORE ? limitCore(call, wanted, 0) : Fail.of(Errno.EINVAL)),
})

/** struct rlimit64: the limit, and the most that it may be. No core is dumped with this one (sys/confine.ts). */
const RLIMIT_SIZE = 16
const NO_CORE = 1

/**
 * Pretends to lower the size of a core dump, as shells and crash handlers do. It stays 1, which means none; by 0, a
 * core would still be piped to a program (core(5), fs/coredump.c).
 */
function limitCore(call: Call, wanted: number, old: number): Reply {
  const asked = call.target.readBytes(wanted, RLIMIT_SIZE)
  if (failed(asked)) return asked
  const [limit, most] = [word64(asked, 0), word64(asked, 8)]
  if (limit > most) return Fail.of(Errno.EINVAL)
  if (most > NO_CORE) return no(call, Errno.EPERM, 'raises the limit that keeps the kernel from dumping core')
  if (old === 0) return DONE
  const before = Buffer.alloc(RLIMIT_SIZE)
  for (const at of [0, 8]) before.writeUInt32LE(NO_CORE, at)
  return done(call.target.writeBytes(old, before))
}

/**
 * Refuses to change the limit by which what a broker leaves behind is known, and what is no limit. The filter lets all
 * others through, spelled as the C library spells them.
 */
function limits(call: Call, resource: number): Fail | undefined {
  if (resource < 0 || resource >= RLIM_NLIMITS) return Fail.of(Errno.EINVAL)
  return resource === RLIMIT_LOCKS ? no(call, Errno.EPERM, 'sets the limit that tells whose process it is') : undefined
}

const noInfo: Arg<undefined> = () => undefined

/**
 * A call that signals a thread. tgkill(2), rt_tgsigqueueinfo(2) name a process and one of its threads; tkill(2) names
 * the thread alone. `first`: the register of the thread; `info`: that of the siginfo_t.
 */
function signalsThread(name: SyscallName, first: 0 | 1, info?: number): Row {
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer: signalAnswer,
    args: {
      pid: int(0),
      thread: int(first),
      signal: int(first + 1),
      info: info === undefined ? noInfo : struct(info, SIGINFO_SIZE),
    },
    handle: (call, { pid, thread, signal, info: given }) =>
      pid <= 0 || thread <= 0 ? Fail.of(Errno.EINVAL) : signalCall(call, pid, { signal, info: given, thread }),
  })
}

/**
 * get/setpriority(2), ioprio_get/set(2): `which` gives the kind of `who`: from `first` on, process, group, user. Only
 * the caller's own group may be set, by 0: another number may be a stranger's group by the time the kernel looks.
 */
function priority(name: SyscallName, first: number, does: 'asks' | 'sets'): Row {
  const ofGroup =
    does === 'asks' ? 'a group if all its members are of the tree' : 'the own group if all its members are of the tree'
  return defineSyscall({
    name,
    family,
    operation: 'name-process',
    answer: `${does === 'asks' ? answer : setAnswer}, and for users; ${ofGroup}`,
    args: { which: int(0), who: int(1) },
    handle(call, { which, who }) {
      switch (which - first) {
        case 0:
          if (who < 0) return Fail.of(Errno.ESRCH)
          return does === 'asks' ? toProcess(call, who) : toItselfAlone(call, who)
        case 1: {
          if (who < 0) return Fail.of(Errno.ESRCH)
          const name = `process group ${who === 0 ? 'of its own' : who}`
          const decided = toOwnTree(call, name, call.target.relationToGroup(who))
          if (failed(decided) || does === 'asks' || who === 0) return decided
          return no(call, Errno.EPERM, 'sets the priority of a process group by its number')
        }
        case 2:
          return toOwnTree(call, 'the processes of a user', 'foreign')
        default:
          return Fail.of(Errno.EINVAL)
      }
    },
  })
}

// --- pidfds

/**
 * pidfd_open(2). The broker opens the pidfd and checks afterwards whose it is: by then it names one process for good. A
 * pidfd can only be waited for, polled, and signalled, which the broker does.
 */
function pidfdOpenCall(call: Call, { pid, flags }: { pid: number; flags: number }): Reply {
  if (pid <= 0 || (flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD)) !== 0) return Fail.of(Errno.EINVAL)
  const opened = call.kernel.pidfd(pid, flags)
  if (failed(opened)) return opened
  const relation = call.target.relationTo(pid)
  if (relation === 'ownTree') return { kind: 'descriptor', fd: opened, cloexec: true }
  opened.close()
  return toOwnTree(call, `process ${pid}`, relation)
}

/** The text of a pidfd in /proc. pidfd_send_signal(2) also takes a directory of /proc, which may be any process's. */
const PIDFD_TEXT = 'anon_inode:[pidfd]'
const PROC_DIRECTORY = /^\/proc\/(\d+)$/

/**
 * pidfd_send_signal(2), on a duplicate of the target's pidfd: the number may mean another descriptor the next moment.
 * Every pidfd that a worker can hold is of its own tree, because only `pidfdOpenCall` makes them.
 */
function pidfdSignalCall(
  call: Call,
  { fd, signal, info, flags }: { fd: number; signal: number; info: Uint8Array | undefined; flags: number },
): Reply {
  // Whole process groups are left to kill(2), which checks each member.
  if ((flags & ~(PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP)) !== 0) return Fail.of(Errno.EINVAL)
  return onOwn(call, fd, (held) => {
    const text = call.kernel.textOf(held)
    if (failed(text)) return text
    const send = (): Reply => done(call.kernel.signal(held, signal, info, flags))
    if (text === PIDFD_TEXT) return send()
    if (!text.startsWith('/proc/')) return Fail.of(Errno.EBADF)
    // The directory names one process for good: if another process has the number by now, that one has ended, and
    // nothing gets the signal.
    const [, pid] = PROC_DIRECTORY.exec(text) ?? []
    const relation = pid === undefined ? 'foreign' : call.target.relationTo(Number(pid))
    return relation === 'ownTree' ? send() : toOwnTree(call, text, relation)
  })
}

/** clock_gettime(2): the clock of a process or thread is its id, inverted, above three bits that choose the clock. */
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

/**
 * setpgid(2). Joining a foreign group is refused: that group would share everything done to the worker's group, and the
 * worker everything done to that one.
 */
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
    answer: `${signalAnswer}; a group if all its members are of the tree`,
    args: { pid: int(0), signal: int(1) },
    handle: killCall,
  }),
  // Continued only while the broker lives. Without it no process leaves its group, so a group can be ended as a whole.
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
  signalsThread('tkill', 0),
  signalsThread('tgkill', 1),
  defineSyscall({
    name: 'rt_sigqueueinfo',
    family,
    operation: 'name-process',
    answer: signalAnswer,
    args: { pid: int(0), signal: int(1), info: struct(2, SIGINFO_SIZE) },
    handle: (call, { pid, signal, info }) =>
      pid <= 0 ? Fail.of(Errno.ESRCH) : signalCall(call, pid, { signal, info }),
  }),
  signalsThread('rt_tgsigqueueinfo', 1, 3),
  // For these calls, 0 means the caller, and the filter lets it through; any other number comes here.
  prlimit64,
  setrlimit,
  sets('sched_setaffinity', Errno.ESRCH),
  sets('sched_setscheduler', Errno.EINVAL),
  sets('sched_setparam', Errno.EINVAL),
  sets('sched_setattr', Errno.EINVAL),
  asks('sched_getaffinity', Errno.ESRCH),
  asks('sched_getscheduler', Errno.EINVAL),
  asks('sched_getparam', Errno.EINVAL),
  asks('sched_getattr', Errno.EINVAL),
  asks('sched_rr_get_interval', Errno.EINVAL),
  clock('clock_gettime'),
  clock('clock_getres'),
  clock('clock_nanosleep'),
  clock('timer_create'),
  asks('getpgid', Errno.ESRCH),
  asks('getsid', Errno.ESRCH),
  priority('setpriority', 0, 'sets'),
  priority('getpriority', 0, 'asks'),
  priority('ioprio_set', 1, 'sets'),
  priority('ioprio_get', 1, 'asks'),
  defineSyscall({
    name: 'pidfd_open',
    family,
    operation: 'create-descriptor',
    answer: 'opened by the broker for the own process tree and injected, refused for any other',
    args: { pid: int(0), flags: unsigned(1) },
    handle: pidfdOpenCall,
  }),
  defineSyscall({
    name: 'pidfd_send_signal',
    family,
    operation: 'name-process',
    answer: 'sent by the broker through the own pidfd, or directory of /proc; for the own process tree',
    args: { fd: int(0), signal: int(1), info: struct(2, SIGINFO_SIZE), flags: unsigned(3) },
    handle: pidfdSignalCall,
  }),
]
