/**
 * Flags of the calls that make a descriptor out of nothing: memfd_create(2), eventfd(2), inotify(7), epoll(7),
 * timerfd_create(2), signalfd(2), pidfd_open(2). Headers: include/uapi/linux/memfd.h, eventfd.h, inotify.h,
 * eventpoll.h, timerfd.h, signalfd.h, pidfd.h. x64 and arm64 share all of them: O_CLOEXEC, O_NONBLOCK, O_EXCL do not
 * differ.
 */

// memfd_create(2).
export const MFD_CLOEXEC = 0x1
export const MFD_ALLOW_SEALING = 0x2
export const MFD_HUGETLB = 0x4
export const MFD_NOEXEC_SEAL = 0x8
export const MFD_EXEC = 0x10

// eventfd2(2).
export const EFD_SEMAPHORE = 0x1
export const EFD_CLOEXEC = 0x80000
export const EFD_NONBLOCK = 0x800

// epoll_create1(2), epoll_ctl(2).
export const EPOLL_CLOEXEC = 0x80000
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3

// timerfd_create(2), timerfd_settime(2).
export const TFD_CLOEXEC = 0x80000
export const TFD_NONBLOCK = 0x800
export const TFD_TIMER_ABSTIME = 0x1
export const TFD_TIMER_CANCEL_ON_SET = 0x2

// signalfd4(2).
export const SFD_CLOEXEC = 0x80000
export const SFD_NONBLOCK = 0x800

// pidfd_open(2), pidfd_send_signal(2).
export const PIDFD_NONBLOCK = 0x800
export const PIDFD_THREAD = 0x80
export const PIDFD_SIGNAL_THREAD = 0x1
export const PIDFD_SIGNAL_THREAD_GROUP = 0x2
export const PIDFD_SIGNAL_PROCESS_GROUP = 0x4

// inotify_init1(2).
export const IN_CLOEXEC = 0x80000
export const IN_NONBLOCK = 0x800

// inotify_add_watch(2): events.
export const IN_ACCESS = 0x1
export const IN_MODIFY = 0x2
export const IN_ATTRIB = 0x4
export const IN_CLOSE_WRITE = 0x8
export const IN_CLOSE_NOWRITE = 0x10
export const IN_OPEN = 0x20
export const IN_MOVED_FROM = 0x40
export const IN_MOVED_TO = 0x80
export const IN_CREATE = 0x100
export const IN_DELETE = 0x200
export const IN_DELETE_SELF = 0x400
export const IN_MOVE_SELF = 0x800
export const IN_UNMOUNT = 0x2000
export const IN_Q_OVERFLOW = 0x4000
export const IN_IGNORED = 0x8000
export const IN_CLOSE = 0x18
export const IN_MOVE = 0xc0
export const IN_ALL_EVENTS = 0xfff

// inotify_add_watch(2): how to watch.
export const IN_ONLYDIR = 0x1000000
export const IN_DONT_FOLLOW = 0x2000000
export const IN_EXCL_UNLINK = 0x4000000
export const IN_MASK_CREATE = 0x10000000
export const IN_MASK_ADD = 0x20000000
export const IN_ISDIR = 0x40000000
export const IN_ONESHOT = 0x80000000
