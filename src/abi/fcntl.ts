/**
 * fcntl(2): commands, descriptor flags and seals. Headers: include/uapi/asm-generic/fcntl.h, linux/fcntl.h.
 */

// Commands. Only F_DUPFD and F_DUPFD_CLOEXEC make a descriptor.
export const F_DUPFD = 0
export const F_GETFD = 1
export const F_SETFD = 2
export const F_GETFL = 3
export const F_SETFL = 4
export const F_GETLK = 5
export const F_SETLK = 6
export const F_SETLKW = 7
export const F_SETOWN = 8
export const F_GETOWN = 9
export const F_SETSIG = 10
export const F_GETSIG = 11
export const F_GETOWN_EX = 16
export const F_OFD_GETLK = 36
export const F_OFD_SETLK = 37
export const F_OFD_SETLKW = 38

// Commands of Linux alone: F_LINUX_SPECIFIC_BASE (1024) and up.
export const F_SETLEASE = 1024
export const F_GETLEASE = 1025
export const F_NOTIFY = 1026
export const F_DUPFD_QUERY = 1027
export const F_CREATED_QUERY = 1028
export const F_DUPFD_CLOEXEC = 1030
export const F_SETPIPE_SZ = 1031
export const F_GETPIPE_SZ = 1032
export const F_ADD_SEALS = 1033
export const F_GET_SEALS = 1034
export const F_GET_RW_HINT = 1035

// F_SETLEASE: kinds of a lease, the same as those of a lock.
export const F_RDLCK = 0
export const F_WRLCK = 1
export const F_UNLCK = 2

// Flags of F_GETFD and F_SETFD.
export const FD_CLOEXEC = 1

// Seals of F_ADD_SEALS: memfd_create(2).
export const F_SEAL_SEAL = 0x1
export const F_SEAL_SHRINK = 0x2
export const F_SEAL_GROW = 0x4
export const F_SEAL_FUTURE_WRITE = 0x10
