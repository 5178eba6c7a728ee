/**
 * Options of prctl(2) and arch_prctl(2). Headers: include/uapi/linux/prctl.h, arch/x86/include/uapi/asm/prctl.h.
 */

// Options that any architecture knows.
export const PR_SET_PDEATHSIG = 1
export const PR_GET_PDEATHSIG = 2
export const PR_GET_DUMPABLE = 3
export const PR_SET_DUMPABLE = 4
export const PR_GET_KEEPCAPS = 7
export const PR_SET_KEEPCAPS = 8
export const PR_GET_TIMING = 13
export const PR_SET_TIMING = 14
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
export const PR_TASK_PERF_EVENTS_DISABLE = 31
export const PR_TASK_PERF_EVENTS_ENABLE = 32
export const PR_MCE_KILL = 33
export const PR_MCE_KILL_GET = 34
export const PR_SET_MM = 35
export const PR_SET_CHILD_SUBREAPER = 36
export const PR_GET_CHILD_SUBREAPER = 37
export const PR_SET_NO_NEW_PRIVS = 38
export const PR_GET_NO_NEW_PRIVS = 39
export const PR_GET_TID_ADDRESS = 40
export const PR_SET_THP_DISABLE = 41
export const PR_GET_THP_DISABLE = 42
export const PR_CAP_AMBIENT = 47
export const PR_GET_SPECULATION_CTRL = 52
export const PR_SET_SPECULATION_CTRL = 53
export const PR_SET_IO_FLUSHER = 57
export const PR_GET_IO_FLUSHER = 58
export const PR_SET_SYSCALL_USER_DISPATCH = 59
export const PR_SCHED_CORE = 62
export const PR_SET_MDWE = 65
export const PR_GET_MDWE = 66
export const PR_SET_MEMORY_MERGE = 67
export const PR_GET_MEMORY_MERGE = 68

// Options since 6.13.
export const PR_GET_SHADOW_STACK_STATUS = 74
export const PR_SET_SHADOW_STACK_STATUS = 75
export const PR_LOCK_SHADOW_STACK_STATUS = 76
export const PR_TIMER_CREATE_RESTORE_IDS = 77
export const PR_FUTEX_HASH = 78
export const PR_RSEQ_SLICE_EXTENSION = 79
export const PR_GET_CFI = 80
export const PR_SET_CFI = 81

// arm64: vector lengths, pointer authentication, tagged addresses.
export const PR_SVE_SET_VL = 50
export const PR_SVE_GET_VL = 51
export const PR_PAC_RESET_KEYS = 54
export const PR_SET_TAGGED_ADDR_CTRL = 55
export const PR_GET_TAGGED_ADDR_CTRL = 56
export const PR_PAC_SET_ENABLED_KEYS = 60
export const PR_PAC_GET_ENABLED_KEYS = 61
export const PR_SME_SET_VL = 63
export const PR_SME_GET_VL = 64

// Options spelled in letters: "Yama", "SVMA", "AUXV".
export const PR_SET_PTRACER = 0x59616d61
export const PR_SET_VMA = 0x53564d41
export const PR_GET_AUXV = 0x41555856

// Second arguments that a filter may want to tell apart.
export const PR_SET_VMA_ANON_NAME = 0
export const PR_CAP_AMBIENT_IS_SET = 1
export const PR_CAP_AMBIENT_RAISE = 2
export const PR_CAP_AMBIENT_LOWER = 3
export const PR_CAP_AMBIENT_CLEAR_ALL = 4
export const PR_SET_MM_EXE_FILE = 13
export const PR_SET_MM_MAP = 14
export const PR_SYS_DISPATCH_OFF = 0
