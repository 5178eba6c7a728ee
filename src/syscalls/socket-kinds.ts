/** The kinds of sockets that a worker can have, and the kernel's errnos for those that do not exist. */
import { Errno } from '../abi/errno.js'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  NETLINK_KOBJECT_UEVENT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '../abi/socket.js'
import { Fail } from './outcome.js'

/** `offered`: a worker can have it. `refused`: the kernel may have it, but a worker may not. */
type SocketKind = 'offered' | 'refused' | Fail

/** One more than the highest family, type and protocol: include/linux/socket.h, linux/net.h, uapi/linux/in.h. */
const [AF_MAX, SOCK_MAX, IPPROTO_MAX] = [46, 11, 263]
/** SOCK_TYPE_MASK: include/linux/net.h. */
export const TYPE_MASK = 0xf
const TYPE_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK
/** MAX_LINKS: include/uapi/linux/netlink.h. */
const NETLINK_PROTOCOLS = 32

const NO_TYPE = Fail.of(Errno.ESOCKTNOSUPPORT)
const NO_PROTOCOL = Fail.of(Errno.EPROTONOSUPPORT)

/**
 * The kind of a socket. The checks are in the order of net/socket.c, __sock_create, and of each family's own function.
 */
export function socketKind(domain: number, type: number, protocol: number): SocketKind {
  const plain = type & TYPE_MASK
  if ((type & ~(TYPE_MASK | TYPE_FLAGS)) !== 0) return Fail.of(Errno.EINVAL)
  if (domain <= 0 || domain >= AF_MAX) return Fail.of(Errno.EAFNOSUPPORT)
  if (plain >= SOCK_MAX) return Fail.of(Errno.EINVAL)
  switch (domain) {
    case AF_UNIX:
      if (protocol !== 0 && protocol !== AF_UNIX) return NO_PROTOCOL
      // A raw unix socket is a datagram socket: net/unix/af_unix.c, unix_create.
      return [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET].includes(plain) ? 'offered' : NO_TYPE
    case AF_INET:
    case AF_INET6:
      return internetKind(plain, protocol)
    case AF_NETLINK:
      if (plain !== SOCK_RAW && plain !== SOCK_DGRAM) return NO_TYPE
      if (protocol < 0 || protocol >= NETLINK_PROTOCOLS) return NO_PROTOCOL
      // As on a kernel without hotplug: libudev, which browsers load, does without news of devices.
      if (protocol === NETLINK_KOBJECT_UEVENT) return NO_PROTOCOL
      // getifaddrs(3) asks the kernel over NETLINK_ROUTE. Changes need a capability, which no worker has.
      return protocol === 0 ? 'offered' : 'refused'
    default:
      return 'refused'
  }
}

function internetKind(type: number, protocol: number): SocketKind {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return Fail.of(Errno.EINVAL)
  switch (type) {
    case SOCK_STREAM:
      // As on a kernel without MPTCP: a program that tries it falls back to TCP.
      if (protocol === IPPROTO_MPTCP) return NO_PROTOCOL
      return protocol === 0 || protocol === IPPROTO_TCP ? 'offered' : NO_PROTOCOL
    case SOCK_DGRAM:
      if (protocol === 0 || protocol === IPPROTO_UDP) return 'offered'
      return OTHER_DATAGRAMS.includes(protocol) ? 'refused' : NO_PROTOCOL
    case SOCK_RAW:
      return protocol === 0 ? NO_PROTOCOL : 'refused'
    case SOCK_PACKET:
      return 'refused'
    default:
      return NO_TYPE
  }
}

/** IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDPLITE. */
const OTHER_DATAGRAMS: readonly number[] = [1, 58, 136]
/** With AF_INET, an old way to ask for AF_PACKET: packet(7). */
const SOCK_PACKET = 10
