/**
 * Sockets: socket(2), send(2), unix(7). Headers: include/linux/socket.h, include/linux/net.h,
 * include/uapi/asm-generic/socket.h; x64 and arm64 share all of them.
 */

// Address families.
export const AF_UNSPEC = 0
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_TIPC = 30
export const AF_SMC = 43

// Socket types, and the flags that share their argument.
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_SEQPACKET = 5
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000

// Protocols of the internet families: include/uapi/linux/in.h.
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_MPTCP = 262

/** include/uapi/linux/netlink.h. */
export const NETLINK_KOBJECT_UEVENT = 15

// Options of udp(7).
export const UDP_CORK = 1
export const UDP_SEGMENT = 103
export const UDP_GRO = 104

// Options of setsockopt(2).
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_TYPE = 3
export const SO_ERROR = 4
export const SO_BROADCAST = 6
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_KEEPALIVE = 9
export const SO_OOBINLINE = 10
export const SO_PRIORITY = 12
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const SO_RCVLOWAT = 18
export const SO_RCVTIMEO = 20
export const SO_SNDTIMEO = 21
export const SO_TIMESTAMP = 29
export const SO_PASSCRED = 16
export const SO_PEERCRED = 17
export const SO_ATTACH_FILTER = 26
export const SO_DETACH_FILTER = 27
export const SO_ACCEPTCONN = 30
export const SO_PEERSEC = 31
export const SO_MARK = 36
export const SO_PROTOCOL = 38
export const SO_DOMAIN = 39
export const SO_TIMESTAMPNS = 35
export const SO_TIMESTAMP_NEW = 63
export const SO_TIMESTAMPNS_NEW = 64
export const SO_PEEK_OFF = 42
export const SO_INCOMING_CPU = 49
export const SO_ATTACH_BPF = 50
/** A u32 for a caller that has room for four bytes. A unix socket ignores it. */
export const SO_MAX_PACING_RATE = 47
export const SO_COOKIE = 57
export const SO_PEERPIDFD = 77
/** Linux 6.16: says if the socket accepts SCM_RIGHTS. On unless switched off. */
export const SO_PASSRIGHTS = 83

// Control messages: unix(7). SCM_PIDFD hands the receiver a descriptor that the sender never sent.
export const SCM_RIGHTS = 1
export const SCM_CREDENTIALS = 2
export const SCM_PIDFD = 4

// Flags of send(2) and recv(2).
export const MSG_OOB = 0x1
export const MSG_PEEK = 0x2
export const MSG_CTRUNC = 0x8
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_EOR = 0x80
export const MSG_WAITALL = 0x100
export const MSG_CONFIRM = 0x800
export const MSG_ERRQUEUE = 0x2000
export const MSG_NOSIGNAL = 0x4000
export const MSG_WAITFORONE = 0x10000
export const MSG_MORE = 0x8000
export const MSG_FASTOPEN = 0x20000000
export const MSG_CMSG_CLOEXEC = 0x40000000

// shutdown(2): how.
export const SHUT_RDWR = 2
