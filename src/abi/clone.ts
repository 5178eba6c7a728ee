/**
 * Flags of clone(2), unshare(2) and setns(2). Header: include/uapi/linux/sched.h.
 */

// The low byte of clone's flags is the signal that the parent gets when the child ends.
export const CSIGNAL = 0xff

// Flags that say what parent and child share, and how the child starts.
export const CLONE_FS = 0x200
export const CLONE_PIDFD = 0x1000
export const CLONE_PTRACE = 0x2000
export const CLONE_PARENT = 0x8000

// New namespaces. CLONE_NEWTIME lies inside CSIGNAL, where clone(2) reads a signal, so only unshare(2) and clone3(2)
// know it.
export const CLONE_NEWTIME = 0x80
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWCGROUP = 0x2000000
export const CLONE_NEWUTS = 0x4000000
export const CLONE_NEWIPC = 0x8000000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWPID = 0x20000000
export const CLONE_NEWNET = 0x40000000
