/**
 * ioctl(2) requests. Headers: include/uapi/asm-generic/ioctls.h, linux/fs.h, linux/seccomp.h, linux/fiemap.h. x64 and
 * arm64 share all of them. Any other request may make a descriptor or reach a device, so an unknown request is refused.
 */

// Terminals: queries that libc and libuv make, ioctl_tty(2).
export const TCGETS = 0x5401
export const TIOCGPGRP = 0x540f
export const TIOCOUTQ = 0x5411
export const TIOCGWINSZ = 0x5413
export const TIOCGSID = 0x5429
export const TCGETS2 = 0x802c542a

// Terminals: changes of tcsetattr(3), used to enter and leave raw mode.
export const TCSETS = 0x5402
export const TCSETSW = 0x5403
export const TCSETSF = 0x5404
export const TCSETS2 = 0x402c542b
export const TCSETSW2 = 0x402c542c
export const TCSETSF2 = 0x402c542d

// Terminals: requests that type into another session, take it over or open another terminal.
export const TIOCSTI = 0x5412
export const TIOCGPTN = 0x80045430
export const TIOCSPTLCK = 0x40045431

// Requests on any descriptor.
export const FIONREAD = 0x541b
export const FIONBIO = 0x5421
export const FIONCLEX = 0x5450
export const FIOCLEX = 0x5451
export const FIOASYNC = 0x5452
export const FIOQSIZE = 0x5460

// Files: ioctl_ficlone(2), ioctl_fideduperange(2), ioctl_iflags(2). FICLONE and FICLONERANGE write one file from
// another.
export const FICLONE = 0x40049409
export const FICLONERANGE = 0x4020940d
export const FS_IOC_GETFLAGS = 0x80086601
export const FS_IOC_FSGETXATTR = 0x801c581f

export const FS_IOC_GETVERSION = 0x80087601

// Sockets: socket(7), tcp(7), netdevice(7).
export const FIOGETOWN = 0x8903
export const SIOCGPGRP = 0x8904
export const SIOCATMARK = 0x8905
export const SIOCGSTAMP = 0x8906
export const SIOCGSTAMPNS = 0x8907
export const SIOCOUTQNSD = 0x894b
export const SIOCGIFNAME = 0x8910
export const SIOCGIFINDEX = 0x8933

// A seccomp listener: seccomp_unotify(2).
export const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100
export const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101
export const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102
export const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103
export const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104
