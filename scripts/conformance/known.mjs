/** Differences that stay, each with its reason: they are lines of docs/limits.md, or of the suite's own making. */
import picomatch from 'picomatch'

const because =
  (suite) =>
  (why, ...programs) => ({ suite, programs, why })
const ltp = because('ltp')

const KNOWN = [
  ltp('no leases: whoever opens the file would wait for their holder', 'fcntl{23,24,25,26,27,32,33}*'),
  ltp('only the caller can be an owner (`F_SETOWN`)', 'fcntl31*'),
  ltp('no core dumps: the limit cannot be raised', 'abort01', 'kill11', 'waitid10', 'madvise08', 'waitpid01'),
  ltp(
    'a call about a process or a user outside is `EPERM` before anything else is looked at',
    'sched_setscheduler01',
    'setpriority02',
    'getpgid01',
    'getpriority0?',
  ),
  ltp('prctl options that need a capability are `EPERM` whatever else is wrong', 'prctl0{2,7}'),
  ltp('abstract names have to be granted one by one, and there is no UDP-Lite', 'bind0{4,5}'),
  ltp('writing clears set-uid and set-gid bits: a worker has no capabilities', 'openat03'),
  ltp('flags of files, such as `immutable`, cannot be set', 'setxattr03'),
  ltp('attributes outside `user.` cannot be set, ACLs among them', 'getxattr05'),
  ltp('results are written past the protection of a page', 'capget02'),
  ltp('`openat2` with `RESOLVE_*` flags is `ENOSYS`', 'openat20?'),
  ltp('no sockets for packets', 'setsockopt02'),
  ltp('an IPv6 socket stays one, and a TCP socket without another protocol on it', 'connect02', 'setsockopt10'),
  ltp('interfaces are listed by route sockets alone', 'sockioctl01'),
  ltp('no program is run through a descriptor', 'execveat0?'),
  ltp('multicast groups are for datagram sockets', 'accept02'),
  ltp(
    'no descriptor with `O_PATH`: of a file it is one for reading',
    'accept03',
    'readahead01',
    'open13',
    'readlinkat01',
    'splice07',
    'epoll_ctl06',
  ),
  ltp(
    'no loop devices, and nothing is mounted',
    'access04',
    'rename15',
    '{mk,rm}dir0?',
    'mkdirat02',
    'link08',
    'open1{2,4}',
    'fchmodat2_01',
    'chmod09',
    'getxattr04',
    'unlink10',
  ),
  ltp('`SO_PEERCRED` tells the worker in the place of a child of it', 'getsockopt02'),
  ltp(
    'neither control groups nor settings below /proc/sys are granted here',
    'mmap22',
    'clone09',
    'fcntl35*',
    'pkey01',
    'futex_wake04',
    'inotify06',
    'memfd_create03',
    'splice06',
  ),
  ltp('every memfd is sealed against execution', 'memfd_create01'),
  ltp('`EINTR` of calls that a signal meets before the broker has received them', 'kill10'),
]

/** Why the verdicts of a program may differ; undefined where nothing says so. */
export function explained({ suite, program, plain, filtered, confined }) {
  if (plain.verdict === confined.verdict) return 'the same'
  if (filtered?.verdict === confined.verdict)
    return 'declared: the same under a filter that refuses what no manifest grants'
  return KNOWN.find((known) => known.suite === suite && picomatch.isMatch(program, known.programs))?.why
}
