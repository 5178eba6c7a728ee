/** Flags of memfd_create(2). Header: include/uapi/linux/memfd.h. */

export const MFD_CLOEXEC = 0x1
export const MFD_ALLOW_SEALING = 0x2
export const MFD_NOEXEC_SEAL = 0x8
export const MFD_EXEC = 0x10

/** A flag of pidfd_open(2), Linux 6.9: the thread, not its process. Header: include/uapi/linux/pidfd.h. */

export const PIDFD_THREAD = 0x80
