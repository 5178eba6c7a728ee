/**
 * The calls that the filter lets through without the broker: those that only use what the caller already has. Each
 * group says why it is harmless. A call with conditions goes to the broker if none of its groups matches.
 */
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_PARENT,
  CLONE_PIDFD,
  CLONE_PTRACE,
} from '../abi/clone.js'
import { Errno } from '../abi/errno.js'
import {
  F_ADD_SEALS,
  F_CREATED_QUERY,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_GET_RW_HINT,
  F_GET_SEALS,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SETFD,
  F_SETFL,
  F_SETLK,
  F_SETLKW,
  F_SETPIPE_SZ,
  F_SETSIG,
} from '../abi/fcntl.js'
import {
  FICLONE,
  FICLONERANGE,
  FIOASYNC,
  FIOCLEX,
  FIOGETOWN,
  FIONBIO,
  FIONCLEX,
  FIONREAD,
  FIOQSIZE,
  FS_IOC_FSGETXATTR,
  FS_IOC_GETFLAGS,
  FS_IOC_GETVERSION,
  SIOCATMARK,
  SIOCGIFINDEX,
  SIOCGIFNAME,
  SIOCGPGRP,
  SIOCGSTAMP,
  SIOCGSTAMPNS,
  SIOCOUTQNSD,
  TCGETS,
  TCGETS2,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCOUTQ,
} from '../abi/ioctl.js'
import {
  PR_CAPBSET_READ,
  PR_GET_CHILD_SUBREAPER,
  PR_GET_DUMPABLE,
  PR_GET_KEEPCAPS,
  PR_GET_MDWE,
  PR_GET_MEMORY_MERGE,
  PR_GET_NAME,
  PR_GET_NO_NEW_PRIVS,
  PR_GET_PDEATHSIG,
  PR_GET_SECCOMP,
  PR_GET_SECUREBITS,
  PR_GET_SPECULATION_CTRL,
  PR_GET_THP_DISABLE,
  PR_GET_TIMERSLACK,
  PR_GET_TIMING,
  PR_GET_TSC,
  PR_MCE_KILL_GET,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_DUMPABLE,
  PR_SET_NAME,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_THP_DISABLE,
  PR_SET_TIMERSLACK,
  PR_SET_TSC,
  PR_SET_VMA,
} from '../abi/prctl.js'
import { RLIM_NLIMITS, RLIMIT_CORE, RLIMIT_LOCKS } from '../abi/rlimit.js'
import { SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_TSYNC_ESRCH, SECCOMP_SET_MODE_FILTER } from '../abi/seccomp.js'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  MSG_CONFIRM,
  MSG_EOR,
  MSG_MORE,
  MSG_NOSIGNAL,
  SOL_SOCKET,
  SO_ACCEPTCONN,
  SO_BROADCAST,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_INCOMING_CPU,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDTIMEO,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMP_NEW,
  SO_TYPE,
  UDP_GRO,
  UDP_SEGMENT,
} from '../abi/socket.js'
import type { SyscallName } from '../abi/syscalls.js'

/** A condition on a whole register, all 64 bits: a comparison of the lower half would ignore the upper one. */
export type Condition =
  | { readonly arg: 0 | 1 | 2 | 3 | 4 | 5; readonly among: readonly number[] }
  | { readonly arg: 0 | 1 | 2 | 3 | 4 | 5; readonly without: number }

export interface Baseline {
  readonly names: readonly SyscallName[]
  readonly why: string
  /** All of these must hold, or the call goes to the broker. */
  readonly when?: readonly Condition[]
  /** Only these filters let the calls through. */
  readonly only?: readonly WorkerFilter[]
}

/**
 * The filters of workers. `worker`: the kernel keeps other processes' descriptors out. `receiving`: the broker
 * receives. If the broker cannot take a worker's descriptors: `socketless`, or `networked`, which leaves sockets alone.
 */
export type WorkerFilter = 'worker' | 'receiving' | 'socketless' | 'networked'

/**
 * The resources of setrlimit(2) that a worker may limit. Of the two others, one tells whose process it is
 * (broker/process-tag.ts), and one keeps the kernel from dumping core (sys/confine.ts).
 */
const OWN_LIMITS = Array.from({ length: RLIM_NLIMITS }, (_, resource) => resource).filter(
  (resource) => resource !== RLIMIT_LOCKS && resource !== RLIMIT_CORE,
)

/** The descriptor of a worker's channel to its broker. */
export const CHANNEL = 3

/** Flags of send(2) in a combination that no other program uses. A unix socket ignores the last two. */
export const LISTENER_FLAGS = MSG_NOSIGNAL | MSG_CONFIRM | MSG_EOR

/**
 * The calls of a worker's first lines on machines where its listener cannot be taken: it sends the listener, and then
 * puts all its threads behind a second filter (syscalls/filter.ts, `sealFilter`), which refuses both calls for good.
 */
export const ENTRY: readonly { readonly name: SyscallName; readonly when: readonly Condition[] }[] = [
  {
    name: 'sendmsg',
    when: [
      { arg: 0, among: [CHANNEL] },
      { arg: 2, among: [LISTENER_FLAGS] },
    ],
  },
  {
    name: 'seccomp',
    when: [
      { arg: 0, among: [SECCOMP_SET_MODE_FILTER] },
      { arg: 1, among: [SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH] },
    ],
  },
]

const NAMESPACES =
  CLONE_NEWTIME |
  CLONE_NEWNS |
  CLONE_NEWCGROUP |
  CLONE_NEWUTS |
  CLONE_NEWIPC |
  CLONE_NEWUSER |
  CLONE_NEWPID |
  CLONE_NEWNET
/** clone(2): SIGCHLD and CSIGNAL share the low byte with CLONE_NEWTIME, which only clone3 and unshare know. */
const CLONE_REFUSED = (NAMESPACES & ~CLONE_NEWTIME) | CLONE_PIDFD | CLONE_PARENT | CLONE_PTRACE

/**
 * CLOCK_REALTIME to CLOCK_TAI: include/uapi/linux/time.h. Other clocks belong to one process or thread, or to a device.
 */
const CLOCKS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]

const SOCKET_OPTIONS_SET: readonly number[] = [
  SO_BROADCAST,
  SO_SNDBUF,
  SO_RCVBUF,
  SO_KEEPALIVE,
  SO_OOBINLINE,
  SO_PRIORITY,
  18,
  19,
  20, // SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO
  SO_PEEK_OFF,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPNS_NEW,
]
const SOCKET_OPTIONS_READ: readonly number[] = [
  ...SOCKET_OPTIONS_SET,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_LINGER,
  SO_SNDTIMEO,
  SO_TYPE,
  SO_ERROR,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_ACCEPTCONN,
  SO_COOKIE,
  SO_INCOMING_CPU,
  SO_PASSCRED,
]

/**
 * Options that servers and clients set: tcp(7), ip(7), ipv6(7). TCP_ULP, TCP_REPAIR, IP_TRANSPARENT and the like are
 * left out.
 */
const PROTOCOL_OPTIONS: readonly { readonly level: number; readonly options: readonly number[] }[] = [
  // TCP_NODELAY MAXSEG CORK KEEPIDLE KEEPINTVL KEEPCNT LINGER2 DEFER_ACCEPT WINDOW_CLAMP INFO QUICKACK USER_TIMEOUT
  // FASTOPEN NOTSENT_LOWAT
  { level: 6, options: [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 18, 23, 25] },
  // IP_TOS TTL RECVERR RECVTTL RECVTOS MTU_DISCOVER MTU PKTINFO MULTICAST_IF MULTICAST_TTL MULTICAST_LOOP
  // DROP_MEMBERSHIP DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_GROUP LEAVE_SOURCE_GROUP; joining a group is decided:
  // socket-options.ts
  { level: 0, options: [1, 2, 8, 10, 11, 12, 13, 14, 32, 33, 34, 36, 40, 45, 47] },
  // Not UDP_CORK: a datagram that is collected leaves later, when nobody decides any more where to.
  { level: 17, options: [UDP_SEGMENT, UDP_GRO] },
  // IPV6_UNICAST_HOPS MULTICAST_IF MULTICAST_HOPS MULTICAST_LOOP DROP_MEMBERSHIP MTU_DISCOVER MTU RECVERR V6ONLY
  // RECVPKTINFO RECVHOPLIMIT RECVTCLASS TCLASS, MCAST_LEAVE_GROUP LEAVE_SOURCE_GROUP
  { level: 41, options: [16, 17, 18, 19, 21, 23, 24, 25, 26, 45, 47, 49, 51, 66, 67] },
]

export const BASELINE: readonly Baseline[] = [
  {
    why: 'use of a descriptor that the caller holds',
    names: [
      'read',
      'write',
      'readv',
      'writev',
      'pread64',
      'pwrite64',
      'preadv',
      'pwritev',
      'preadv2',
      'pwritev2',
      'lseek',
      'close',
      'close_range',
      'fsync',
      'fdatasync',
      'sync_file_range',
      'syncfs',
      'fallocate',
      'fadvise64',
      'readahead',
      'flock',
      'copy_file_range',
      'sendfile',
      'splice',
      'tee',
      'vmsplice',
      'getdents',
      'getdents64',
      'fstat',
      'fstatfs',
      'fgetxattr',
      'flistxattr',
      'inotify_rm_watch',
      'timerfd_settime',
      'timerfd_gettime',
      'fchdir',
    ],
  },
  { why: 'a second number for a descriptor that the caller holds', names: ['dup', 'dup2', 'dup3'] },
  {
    why: 'use of a connected socket; a destination goes to the broker',
    names: ['recvfrom', 'shutdown'],
  },
  {
    why: 'data of a socket; no descriptor comes with it but from processes of the worker, because every other unix socket is closed to descriptors. Before Linux 6.16 they cannot be closed, and the broker receives',
    names: ['recvmsg', 'recvmmsg'],
    only: ['worker', 'socketless', 'networked'],
  },
  {
    why: 'questions to a socket; none that is answered with a descriptor (SO_PEERPIDFD)',
    names: ['getsockopt'],
    when: [
      { arg: 1, among: [SOL_SOCKET] },
      { arg: 2, among: SOCKET_OPTIONS_READ },
    ],
  },
  {
    why: 'options of an own socket; none that loads a program, lets descriptors in or makes the broker wait',
    names: ['setsockopt'],
    when: [
      { arg: 1, among: [SOL_SOCKET] },
      { arg: 2, among: SOCKET_OPTIONS_SET },
    ],
  },
  ...PROTOCOL_OPTIONS.map(({ level, options }): Baseline => ({
    why: 'options of the protocol of an own socket',
    names: ['getsockopt', 'setsockopt'],
    when: [
      { arg: 1, among: [level] },
      { arg: 2, among: options },
    ],
  })),
  {
    why: 'send on a connected socket: no destination given, and now (no MSG_MORE)',
    names: ['sendto'],
    when: [
      { arg: 3, without: MSG_MORE },
      { arg: 4, among: [0] },
    ],
  },
  {
    why: 'waiting',
    names: [
      'poll',
      'ppoll',
      'select',
      'pselect6',
      'epoll_ctl',
      'epoll_wait',
      'epoll_pwait',
      'epoll_pwait2',
      'epoll_ctl_old',
      'epoll_wait_old',
      'pause',
      'nanosleep',
      'wait4',
      'waitid',
      'sched_yield',
      'restart_syscall',
    ],
  },
  {
    why: 'own memory',
    names: [
      'mmap',
      'munmap',
      'mremap',
      'mprotect',
      'madvise',
      'msync',
      'mincore',
      'mlock',
      'mlock2',
      'munlock',
      'mlockall',
      'munlockall',
      'brk',
      'membarrier',
      'pkey_alloc',
      'pkey_free',
      'pkey_mprotect',
      'remap_file_pages',
      'mseal',
      'map_shadow_stack',
      'get_mempolicy',
      'set_mempolicy',
      'mbind',
      'set_mempolicy_home_node',
    ],
  },
  {
    why: 'own threads',
    names: [
      'futex',
      'futex_waitv',
      'futex_wake',
      'futex_wait',
      'futex_requeue',
      'set_robust_list',
      'rseq',
      'set_tid_address',
      'exit',
      'exit_group',
      'gettid',
      'arch_prctl',
      'set_thread_area',
      'get_thread_area',
    ],
  },
  {
    why: 'own signals and timers',
    names: [
      'rt_sigaction',
      'rt_sigprocmask',
      'rt_sigreturn',
      'rt_sigpending',
      'rt_sigtimedwait',
      'rt_sigsuspend',
      'sigaltstack',
      'alarm',
      'setitimer',
      'getitimer',
      'timer_settime',
      'timer_gettime',
      'timer_getoverrun',
      'timer_delete',
    ],
  },
  {
    why: 'facts about the caller and the clock',
    names: [
      'getpid',
      'getppid',
      'getpgrp',
      'getuid',
      'geteuid',
      'getgid',
      'getegid',
      'getresuid',
      'getresgid',
      'getgroups',
      'getcpu',
      'getrusage',
      'times',
      'time',
      'gettimeofday',
      'getrandom',
      'uname',
      'sysinfo',
      'getcwd',
      'umask',
      'getrlimit',
      'sched_get_priority_max',
      'sched_get_priority_min',
    ],
  },
  {
    why: "the machine's clocks, and the CPU clocks of the caller",
    names: ['clock_gettime', 'clock_getres', 'clock_nanosleep', 'timer_create'],
    when: [{ arg: 0, among: CLOCKS }],
  },
  {
    why: 'a child process or thread, behind the same filter, without namespaces, pidfd or foreign parent',
    names: ['clone'],
    when: [{ arg: 0, without: CLONE_REFUSED }],
  },
  { why: 'a child process, behind the same filter', names: ['fork', 'vfork'] },
  {
    why: 'the caller itself (pid 0)',
    when: [{ arg: 0, among: [0] }],
    names: [
      'sched_setaffinity',
      'sched_getaffinity',
      'sched_setscheduler',
      'sched_getscheduler',
      'sched_setparam',
      'sched_getparam',
      'sched_setattr',
      'sched_getattr',
      'sched_rr_get_interval',
      'getpgid',
      'getsid',
    ],
  },
  { why: 'limits of the caller itself', names: ['setrlimit'], when: [{ arg: 0, among: OWN_LIMITS }] },
  {
    why: 'limits of the caller itself (pid 0)',
    names: ['prlimit64'],
    when: [
      { arg: 0, among: [0] },
      { arg: 1, among: OWN_LIMITS },
    ],
  },
  {
    why: 'the caller itself',
    names: ['setpriority', 'getpriority'],
    when: [
      { arg: 0, among: [0] },
      { arg: 1, among: [0] },
    ],
  },
  {
    why: 'the caller itself',
    names: ['ioprio_set', 'ioprio_get'],
    when: [
      { arg: 0, among: [1] },
      { arg: 1, among: [0] },
    ],
  },
  {
    why: 'own descriptors: numbers, flags, locks, pipe sizes, seals',
    names: ['fcntl'],
    when: [
      {
        arg: 1,
        among: [
          F_DUPFD,
          F_DUPFD_CLOEXEC,
          F_GETFD,
          F_SETFD,
          F_GETFL,
          F_SETFL,
          F_GETLK,
          F_SETLK,
          F_SETLKW,
          F_OFD_GETLK,
          F_OFD_SETLK,
          F_OFD_SETLKW,
          F_SETPIPE_SZ,
          F_GETPIPE_SZ,
          F_ADD_SEALS,
          F_GET_SEALS,
          F_GETLEASE,
          F_GET_RW_HINT,
          F_DUPFD_QUERY,
          F_CREATED_QUERY,
        ],
      },
    ],
  },
  {
    why: 'who gets the signals of an own descriptor, which, and of a directory that can be listed by it; nobody but the caller can be made that one (F_SETOWN)',
    names: ['fcntl'],
    when: [{ arg: 1, among: [F_GETOWN, F_GETOWN_EX, F_GETSIG, F_SETSIG, F_NOTIFY] }],
  },
  {
    why: 'questions to a descriptor, and clones between two that the caller holds',
    names: ['ioctl'],
    when: [
      {
        arg: 1,
        among: [
          TCGETS,
          TCGETS2,
          TIOCGWINSZ,
          TIOCGPGRP,
          TIOCGSID,
          TIOCOUTQ,
          FIONREAD,
          FIONBIO,
          FIOASYNC,
          FIOCLEX,
          FIONCLEX,
          FIOQSIZE,
          FICLONE,
          FICLONERANGE,
          FS_IOC_GETFLAGS,
          FS_IOC_GETVERSION,
          FS_IOC_FSGETXATTR,
        ],
      },
    ],
  },
  {
    why: 'questions to an own socket; number and name of an interface are what a route socket tells as well, and what `%eth0` needs',
    names: ['ioctl'],
    when: [
      {
        arg: 1,
        among: [FIOGETOWN, SIOCGPGRP, SIOCATMARK, SIOCGSTAMP, SIOCGSTAMPNS, SIOCOUTQNSD, SIOCGIFINDEX, SIOCGIFNAME],
      },
    ],
  },
  {
    why: 'names and questions about the caller; none of them changes what it may do',
    names: ['prctl'],
    when: [
      {
        arg: 0,
        among: [
          PR_SET_NAME,
          PR_GET_NAME,
          PR_SET_VMA,
          PR_GET_DUMPABLE,
          PR_GET_PDEATHSIG,
          PR_GET_TIMERSLACK,
          PR_SET_TSC,
          PR_SET_TIMERSLACK,
          PR_CAPBSET_READ,
          PR_GET_SECCOMP,
          PR_GET_NO_NEW_PRIVS,
          PR_SET_NO_NEW_PRIVS,
          PR_SET_THP_DISABLE,
          PR_GET_THP_DISABLE,
          PR_GET_CHILD_SUBREAPER,
          PR_GET_KEEPCAPS,
          PR_GET_SECUREBITS,
          PR_GET_SPECULATION_CTRL,
          PR_GET_TIMING,
          PR_GET_TSC,
          PR_MCE_KILL_GET,
          PR_GET_MDWE,
          PR_GET_MEMORY_MERGE,
        ],
      },
    ],
  },
  {
    why: 'the reaper of its own orphans, and open to debuggers, as every process begins; the rest of both: control.ts',
    names: ['prctl'],
    when: [
      { arg: 0, among: [PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE] },
      { arg: 1, among: [1] },
    ],
  },
  { why: 'the question only', names: ['personality'], when: [{ arg: 0, among: [0xffffffff] }] },
  ...ENTRY.map(({ name, when }): Baseline => ({
    why: 'by the worker in its first lines alone: the filter that comes next refuses it',
    names: [name],
    when,
    only: ['socketless', 'networked'],
  })),
  {
    why: 'the addresses of sockets that it was born with, and of pairs: there are no others, or they are left alone',
    names: ['getsockname', 'getpeername'],
    only: ['socketless', 'networked'],
  },
  {
    why: 'sockets are left alone',
    names: ['connect', 'bind', 'listen', 'accept', 'accept4', 'sendto', 'sendmsg', 'sendmmsg', 'setsockopt'],
    only: ['networked'],
  },
  {
    why: 'sockets are left alone',
    names: ['socket'],
    when: [{ arg: 0, among: [AF_UNIX, AF_INET, AF_INET6] }],
    only: ['networked'],
  },
  {
    why: 'sockets are left alone: questions about routes',
    names: ['socket'],
    when: [
      { arg: 0, among: [AF_NETLINK] },
      { arg: 2, among: [0] },
    ],
    only: ['networked'],
  },
  {
    why: 'sockets are left alone',
    names: ['getsockopt'],
    when: [
      { arg: 1, among: [SOL_SOCKET] },
      { arg: 2, among: [SO_PEERCRED] },
    ],
    only: ['networked'],
  },
]

/**
 * Calls that the filter itself answers. clone3 takes its flags from memory, which a filter cannot read; every libc
 * falls back to clone.
 */
export const IMMEDIATE: readonly { readonly name: SyscallName; readonly errno: Errno; readonly why: string }[] = [
  { name: 'clone3', errno: Errno.ENOSYS, why: 'its flags are in memory; libc falls back to clone' },
]
