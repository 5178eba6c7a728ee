/**
 * seccomp(2) and seccomp_unotify(2): operations, flags and return values. Header: include/uapi/linux/seccomp.h.
 * The ioctl(2) requests of a listener are in ioctl.ts, the structures in structs.ts.
 */

// Operations of seccomp(2).
export const SECCOMP_SET_MODE_FILTER = 1

// Flags of SECCOMP_SET_MODE_FILTER. TSYNC_ESRCH since 5.7, WAIT_KILLABLE_RECV since 5.19.
export const SECCOMP_FILTER_FLAG_TSYNC = 0x1
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 0x8
export const SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 0x10
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20

// Return values of a filter. If several filters are installed, the most restrictive value wins, in the order below.
export const SECCOMP_RET_KILL_PROCESS = 0x80000000
export const SECCOMP_RET_KILL_THREAD = 0x00000000
export const SECCOMP_RET_TRAP = 0x00030000
export const SECCOMP_RET_ERRNO = 0x00050000
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000
export const SECCOMP_RET_TRACE = 0x7ff00000
export const SECCOMP_RET_LOG = 0x7ffc0000
export const SECCOMP_RET_ALLOW = 0x7fff0000

// Masks for the parts of a return value.
export const SECCOMP_RET_ACTION_FULL = 0xffff0000
export const SECCOMP_RET_DATA = 0x0000ffff

// Flags of seccomp_notif_resp.flags.
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 0x1

// Flags of SECCOMP_IOCTL_NOTIF_SET_FLAGS, since 6.6: the waker and the woken share a CPU.
export const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 0x1

// Flags of seccomp_notif_addfd.flags. SEND since 5.14.
export const SECCOMP_ADDFD_FLAG_SEND = 0x2
