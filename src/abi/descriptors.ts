/** Flags of memfd_create(2). Header: include/uapi/linux/memfd.h. */

export const MFD_CLOEXEC = 0x1
export const MFD_NOEXEC_SEAL = 0x8
export const MFD_EXEC = 0x10
