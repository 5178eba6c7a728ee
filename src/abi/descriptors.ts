/** Flags of memfd_create(2). Header: include/uapi/linux/memfd.h. */

export const MFD_CLOEXEC = 0x1
export const MFD_ALLOW_SEALING = 0x2
export const MFD_HUGETLB = 0x4
export const MFD_NOEXEC_SEAL = 0x8
export const MFD_EXEC = 0x10

/**
 * Flags of pidfd_open(2) and pidfd_send_signal(2). PIDFD_THREAD (Linux 6.9) refers to the thread instead of its
 * process. Header: include/uapi/linux/pidfd.h.
 */

export const PIDFD_NONBLOCK = 0x800
export const PIDFD_THREAD = 0x80
export const PIDFD_SIGNAL_THREAD = 0x1
export const PIDFD_SIGNAL_THREAD_GROUP = 0x2
