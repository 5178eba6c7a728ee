/**
 * Options of prctl(2) and arch_prctl(2). Headers: include/uapi/linux/prctl.h, arch/x86/include/uapi/asm/prctl.h.
 */

// Options that every architecture knows.
export const PR_SET_PDEATHSIG = 1
export const PR_GET_PDEATHSIG = 2
export const PR_GET_DUMPABLE = 3
export const PR_SET_DUMPABLE = 4
export const PR_GET_KEEPCAPS = 7
export const PR_GET_TIMING = 13
export const PR_SET_NAME = 15
export const PR_GET_NAME = 16
export const PR_GET_SECCOMP = 21
export const PR_SET_SECCOMP = 22
export const PR_CAPBSET_READ = 23
export const PR_CAPBSET_DROP = 24
export const PR_GET_TSC = 25
export const PR_SET_TSC = 26
export const PR_GET_SECUREBITS = 27
export const PR_SET_SECUREBITS = 28
export const PR_SET_TIMERSLACK = 29
export const PR_GET_TIMERSLACK = 30
export const PR_MCE_KILL_GET = 34
export const PR_SET_MM = 35
export const PR_SET_CHILD_SUBREAPER = 36
export const PR_GET_CHILD_SUBREAPER = 37
export const PR_SET_NO_NEW_PRIVS = 38
export const PR_GET_NO_NEW_PRIVS = 39
export const PR_SET_THP_DISABLE = 41
export const PR_GET_THP_DISABLE = 42
export const PR_CAP_AMBIENT = 47
export const PR_GET_SPECULATION_CTRL = 52
export const PR_SET_IO_FLUSHER = 57
export const PR_SET_SYSCALL_USER_DISPATCH = 59
export const PR_GET_MDWE = 66
export const PR_GET_MEMORY_MERGE = 68

// Options whose value is spelled in letters: "Yama", "SVMA".
export const PR_SET_PTRACER = 0x59616d61
export const PR_SET_VMA = 0x53564d41
