/**
 * Flags of clone(2), unshare(2) and setns(2). Header: include/uapi/linux/sched.h.
 */

// The low byte of clone's flags is the signal that the parent gets when the child ends.
export const CSIGNAL = 0xff

// What parent and child share, and how the child starts.
export const CLONE_VM = 0x100
export const CLONE_FS = 0x200
export const CLONE_FILES = 0x400
export const CLONE_SIGHAND = 0x800
export const CLONE_PIDFD = 0x1000
export const CLONE_PTRACE = 0x2000
export const CLONE_VFORK = 0x4000
export const CLONE_PARENT = 0x8000
export const CLONE_THREAD = 0x10000
export const CLONE_SYSVSEM = 0x40000
export const CLONE_SETTLS = 0x80000
export const CLONE_PARENT_SETTID = 0x100000
export const CLONE_CHILD_CLEARTID = 0x200000
export const CLONE_DETACHED = 0x400000
export const CLONE_UNTRACED = 0x800000
export const CLONE_CHILD_SETTID = 0x1000000
export const CLONE_IO = 0x80000000

// New namespaces. CLONE_NEWTIME lies inside CSIGNAL, so that only unshare(2) and clone3(2) know it: clone(2) reads a
// signal there.
export const CLONE_NEWTIME = 0x80
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWCGROUP = 0x2000000
export const CLONE_NEWUTS = 0x4000000
export const CLONE_NEWIPC = 0x8000000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWPID = 0x20000000
export const CLONE_NEWNET = 0x40000000

// clone3(2) alone: beyond 32 bits, hence bigint (bitwise operators on numbers would drop them).
export const CLONE_CLEAR_SIGHAND = 0x100000000n
export const CLONE_INTO_CGROUP = 0x200000000n
export const CLONE_AUTOREAP = 0x400000000n
export const CLONE_NNP = 0x800000000n
export const CLONE_PIDFD_AUTOKILL = 0x1000000000n
export const CLONE_EMPTY_MNTNS = 0x2000000000n

// unshare(2) alone; the same bit as CLONE_PARENT_SETTID.
export const UNSHARE_EMPTY_MNTNS = 0x100000
