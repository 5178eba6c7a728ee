/**
 * ioctl(2) requests. Headers: include/uapi/asm-generic/ioctls.h, linux/fs.h, linux/seccomp.h, linux/fiemap.h.
 * x64 and arm64 share all of them. Every other request may make a descriptor or reach a device: unknown means no.
 */

// Terminals: ioctl_tty(2), what libc and libuv ask.
export const TCGETS = 0x5401
export const TCSETS = 0x5402
export const TCSETSW = 0x5403
export const TCSETSF = 0x5404
export const TCSBRK = 0x5409
export const TCXONC = 0x540a
export const TCFLSH = 0x540b
export const TIOCGPGRP = 0x540f
export const TIOCSPGRP = 0x5410
export const TIOCOUTQ = 0x5411
export const TIOCGWINSZ = 0x5413
export const TIOCSWINSZ = 0x5414
export const TIOCGSID = 0x5429
export const TCGETS2 = 0x802c542a
export const TCSETS2 = 0x402c542b
export const TCSETSW2 = 0x402c542c
export const TCSETSF2 = 0x402c542d

// Terminals: what types into another's session, takes it over or opens another terminal.
export const TIOCSTI = 0x5412
export const TIOCLINUX = 0x541c
export const TIOCSCTTY = 0x540e
export const TIOCNOTTY = 0x5422
export const TIOCCONS = 0x541d
export const TIOCSETD = 0x5423
export const TIOCGPTPEER = 0x5441
export const TIOCGPTN = 0x80045430
export const TIOCSPTLCK = 0x40045431

// Any descriptor.
export const FIONREAD = 0x541b
export const FIONBIO = 0x5421
export const FIONCLEX = 0x5450
export const FIOCLEX = 0x5451
export const FIOASYNC = 0x5452
export const FIOQSIZE = 0x5460

// Files: ioctl_ficlone(2), ioctl_fideduperange(2), ioctl_iflags(2). The first three write one file from another.
export const FICLONE = 0x40049409
export const FICLONERANGE = 0x4020940d
export const FIDEDUPERANGE = 0xc0189436
export const FS_IOC_FIEMAP = 0xc020660b
export const FS_IOC_GETFLAGS = 0x80086601
export const FS_IOC_SETFLAGS = 0x40086602
export const FS_IOC_FSGETXATTR = 0x801c581f
export const FS_IOC_FSSETXATTR = 0x401c5820

// Sockets: socket(7), netdevice(7).
export const SIOCGIFNAME = 0x8910
export const SIOCGIFCONF = 0x8912
export const SIOCGIFFLAGS = 0x8913
export const SIOCGIFADDR = 0x8915
export const SIOCGIFINDEX = 0x8933

// Namespaces and pidfds, which answer with new descriptors: ioctl_nsfs(2), ioctl_pidfd(2).
export const NS_GET_USERNS = 0xb701
export const NS_GET_PARENT = 0xb702
export const PIDFD_GET_MNT_NAMESPACE = 0xff03
export const PIDFD_GET_NET_NAMESPACE = 0xff04
export const PIDFD_GET_PID_NAMESPACE = 0xff05
export const PIDFD_GET_USER_NAMESPACE = 0xff09

// A seccomp listener: seccomp_unotify(2).
export const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100
export const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101
export const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102
export const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103
export const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104
