/**
 * Byte layouts: the offset of each field, and the whole size as `size`. Names are the kernel's. Both architectures are
 * 64-bit and little-endian and share every layout but struct stat. A comment gives the widths that are not
 * self-evident.
 */

/** include/uapi/linux/seccomp.h: `nr` s32, `arch` u32, the rest u64. */
export const SECCOMP_DATA = { size: 64, nr: 0, arch: 4, instruction_pointer: 8, args: 16 } as const

/** include/uapi/linux/seccomp.h: SECCOMP_IOCTL_NOTIF_RECV fills it, and wants it zeroed before. `id` u64, `pid` u32. */
export const SECCOMP_NOTIF = {
  size: 80,
  id: 0,
  pid: 8,
  flags: 12,
  data: 16,
  nr: 16,
  arch: 20,
  instruction_pointer: 24,
  args: 32,
} as const

/** include/uapi/linux/seccomp.h: `id` u64, `val` s64, `error` s32 (negative errno), `flags` u32. */
export const SECCOMP_NOTIF_RESP = { size: 24, id: 0, val: 8, error: 16, flags: 20 } as const

/** include/uapi/linux/seccomp.h: `id` u64, the rest u32. */
export const SECCOMP_NOTIF_ADDFD = { size: 24, id: 0, flags: 8, srcfd: 12, newfd: 16, newfd_flags: 20 } as const

/** include/uapi/linux/seccomp.h: three u16. */
export const SECCOMP_NOTIF_SIZES = { size: 6, seccomp_notif: 0, seccomp_notif_resp: 2, seccomp_data: 4 } as const

/** include/uapi/linux/filter.h: `code` u16, `jt` and `jf` u8, `k` u32. */
export const SOCK_FILTER = { size: 8, code: 0, jt: 2, jf: 3, k: 4 } as const

/** include/uapi/linux/filter.h: `len` u16, `filter` a pointer. */
export const SOCK_FPROG = { size: 16, len: 0, filter: 8 } as const

/** include/uapi/linux/openat2.h: all u64. The size is OPEN_HOW_SIZE_VER0. */
export const OPEN_HOW = { size: 24, flags: 0, mode: 8, resolve: 16 } as const

/** include/uapi/linux/uio.h: a pointer and a u64. */
export const IOVEC = { size: 16, iov_base: 0, iov_len: 8 } as const

/** include/uapi/linux/time.h: two s64. */
export const TIMESPEC = { size: 16, tv_sec: 0, tv_nsec: 8 } as const

/** include/uapi/linux/time.h: two s64; utimes(2). */
export const TIMEVAL = { size: 16, tv_sec: 0, tv_usec: 8 } as const

/** utime(2), include/uapi/linux/utime.h: two s64, in seconds. */
export const UTIMBUF = { size: 16, actime: 0, modtime: 8 } as const

/** recvmsg(2): struct user_msghdr, include/linux/socket.h. `msg_namelen` s32, `msg_flags` u32, the rest u64. */
export const MSGHDR = {
  size: 56,
  msg_name: 0,
  msg_namelen: 8,
  msg_iov: 16,
  msg_iovlen: 24,
  msg_control: 32,
  msg_controllen: 40,
  msg_flags: 48,
} as const

/** sendmmsg(2), include/linux/socket.h: `msg_len` u32. */
export const MMSGHDR = { size: 64, msg_hdr: 0, msg_len: 56 } as const

/** cmsg(3), include/linux/socket.h: `cmsg_len` u64, then two s32; the data follow at `size`, aligned to 8. */
export const CMSGHDR = { size: 16, cmsg_len: 0, cmsg_level: 8, cmsg_type: 12 } as const

/** unix(7), include/uapi/linux/un.h: `sun_family` u16, then 108 bytes. */
export const SOCKADDR_UN = { size: 110, sun_family: 0, sun_path: 2 } as const

/** ip(7), include/uapi/linux/in.h: port and address in network order. */
export const SOCKADDR_IN = { size: 16, sin_family: 0, sin_port: 2, sin_addr: 4 } as const

/** ipv6(7), include/uapi/linux/in6.h: port and address in network order. */
export const SOCKADDR_IN6 = {
  size: 28,
  sin6_family: 0,
  sin6_port: 2,
  sin6_flowinfo: 4,
  sin6_addr: 8,
  sin6_scope_id: 24,
} as const

/** include/uapi/linux/landlock.h: u64 each. `landlockRights` in landlock.ts says how much of it a kernel knows. */
export const LANDLOCK_RULESET_ATTR = { size: 24, handled_access_fs: 0, handled_access_net: 8, scoped: 16 } as const

/** include/uapi/linux/landlock.h: packed. `allowed_access` u64, `parent_fd` s32. */
export const LANDLOCK_PATH_BENEATH_ATTR = { size: 12, allowed_access: 0, parent_fd: 8 } as const

/** include/uapi/linux/landlock.h: u64 each. */
export const LANDLOCK_NET_PORT_ATTR = { size: 16, allowed_access: 0, port: 8 } as const
