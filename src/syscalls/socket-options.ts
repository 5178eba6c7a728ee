/**
 * Socket options that cannot be left to the target: those that would make the broker wait, in close(2) and in
 * connect(2), and those that make the kernel send packets, to join a multicast group.
 */
import { Errno } from '../abi/errno.js'
import {
  AF_INET,
  AF_UNIX,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_LINGER,
  SO_PASSCRED,
  SO_PEERCRED,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDTIMEO,
} from '../abi/socket.js'
import { decide } from '../policy/policy.js'
import { hostOf, parseAddress } from './addresses.js'
import { onAddress, protocolOf } from './addressing.js'
import { int, word } from './args.js'
import { done, DONE, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { onOwn } from './handle.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Descriptor, PortSharing, SocketFacts } from './ports.js'

/** The sizes of options: struct linger (int l_onoff, int l_linger), struct timeval. socket(7). */
const SIZE = new Map([
  [SO_REUSEADDR, 4],
  [SO_REUSEPORT, 4],
  [SO_LINGER, 8],
  [SO_PASSCRED, 4],
  [SO_SNDTIMEO, 16],
])

interface Option {
  readonly fd: number
  readonly level: number
  readonly option: number
  readonly from: number
  readonly length: number
}

/**
 * The options that join a multicast group: IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IPV6_JOIN_GROUP, and for both
 * families MCAST_JOIN_GROUP and MCAST_JOIN_SOURCE_GROUP. Each with the size of its structure, and the offset and length
 * of the group in it. struct ip_mreq, ip_mreq_source, ipv6_mreq: ip(7), ipv6(7); group_req, group_source_req:
 * include/uapi/linux/in.h. The kernel compares the family of a group with that of the level.
 */
const JOINS: readonly {
  readonly level: number
  readonly option: number
  readonly size: number
  readonly at: number
  readonly length: number
}[] = [
  { level: 0, option: 35, size: 8, at: 0, length: 4 },
  { level: 0, option: 39, size: 12, at: 0, length: 4 },
  { level: 0, option: 42, size: 136, at: 12, length: 4 },
  { level: 0, option: 46, size: 264, at: 12, length: 4 },
  { level: 41, option: 20, size: 20, at: 0, length: 16 },
  { level: 41, option: 42, size: 136, at: 16, length: 16 },
  { level: 41, option: 46, size: 264, at: 16, length: 16 },
]
/** The size of struct ip_mreqn, which is longer, and which IP_ADD_MEMBERSHIP takes as well. */
const LARGEST_MREQ = 12

/**
 * Refuses an option as the kernel does that does not know it: net/socket.c, and the setsockopt and getsockopt of each
 * family.
 */
function unlisted(call: Call, direction: 'get' | 'set', { domain, type }: SocketFacts, level: number): Fail {
  call.record({ outcome: 'forbidden', violation: false, why: 'a socket option that is not on the list' })
  const isKnown =
    level === SOL_SOCKET ||
    (domain !== AF_UNIX &&
      (direction === 'set' ||
        domain !== AF_INET ||
        level === 0 ||
        level === (type === SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)))
  return Fail.of(isKnown ? Errno.ENOPROTOOPT : Errno.EOPNOTSUPP)
}

function onSocket(call: Call, fd: number, act: (held: Descriptor, facts: SocketFacts) => Reply): Reply {
  return onOwn(call, fd, (held) => {
    const facts = call.kernel.sockets.facts(held)
    return failed(facts) ? facts : act(held, facts)
  })
}

/**
 * setsockopt(2). SO_LINGER: a lingering close waits in the process that closes last, which may be the broker, and for
 * as long as the target asked. So a time is accepted but not set: unsent data are sent all the same, and close returns
 * at once. A time of 0, which resets the connection, waits for nothing and is set. SO_SNDTIMEO is set as it is, but not
 * while the broker relies on its own.
 */
function setOption(call: Call, asked: Option): Reply {
  const { fd, level, option, from, length } = asked
  const join = JOINS.find((one) => one.level === level && one.option === option)
  if (join !== undefined) return joinGroup(call, asked, join)
  const size = level === SOL_SOCKET ? SIZE.get(option) : undefined
  return onSocket(call, fd, (held, facts) => {
    if (size === undefined) return unlisted(call, 'set', facts, level)
    if (length < size) return Fail.of(Errno.EINVAL)
    const bytes = call.target.readBytes(from, size)
    if (failed(bytes)) return bytes
    const given = new DataView(bytes.buffer, bytes.byteOffset)
    const isOn = given.getInt32(0, true) !== 0
    switch (option) {
      case SO_PASSCRED:
        return passCredentials(call, held, facts, isOn)
      case SO_REUSEADDR:
        return sharePort(call, held, facts, 'address', isOn)
      case SO_REUSEPORT:
        return sharePort(call, held, facts, 'port', isOn)
      case SO_SNDTIMEO:
        return done(call.kernel.sockets.sendTimeout(held, bytes))
      default:
        return done(call.kernel.sockets.resetOnClose(held, isOn && given.getInt32(4, true) === 0))
    }
  })
}

/**
 * Sets SO_REUSEADDR or SO_REUSEPORT. A datagram socket without a port is not given it before it is bound: until then, the
 * kernel may choose a port at any time, and does not ask for one that nobody else shares. One that has its port cannot
 * share it any more: a socket that a test's own sockets are connected to must stay its own.
 */
function sharePort(call: Call, held: Descriptor, facts: SocketFacts, option: PortSharing, isOn: boolean): Reply {
  const { sockets } = call.kernel
  if (protocolOf(facts) === 'udp') {
    const cookie = sockets.cookie(held)
    const bound = hasPort(call, held)
    if (failed(cookie)) return cookie
    if (failed(bound)) return bound
    if (!isOn || !bound) call.own.share(cookie, option, isOn)
    // libuv sets it whenever it takes over a descriptor (uv_udp_open), and fails on an error.
    if (isOn) return DONE
  }
  return done(sockets.share(held, option, isOn))
}

/** True if a socket of the internet families has a port. */
export function hasPort(call: Call, held: Descriptor): Outcome<boolean> {
  const local = call.kernel.sockets.localAddress(held)
  const own = failed(local) ? local : parseAddress(local)
  return failed(own) ? own : own.family !== 'inet' || own.port !== 0
}

/**
 * Sets SO_PASSCRED. A socket that wants credentials and has no address gets one when it connects or sends (unix(7),
 * "Autobind"): an abstract name to which everyone on the machine can send, and on which it could listen after a failed
 * connect. So the option is only for sockets that have an address, and for connections, which cannot be undone and
 * never listen.
 */
function passCredentials(call: Call, held: Descriptor, { domain, type }: SocketFacts, isOn: boolean): Reply {
  const { sockets } = call.kernel
  if (isOn && domain === AF_UNIX) {
    const local = sockets.localAddress(held)
    if (failed(local)) return local
    const isBound = local.length > UNNAMED
    const isConnection = type !== SOCK_DGRAM && !failed(sockets.remoteAddress(held))
    if (!isBound && !isConnection) {
      call.record({
        outcome: 'forbidden',
        violation: false,
        why: 'SO_PASSCRED of a unix socket without an address: the kernel would give it one that everyone can send to',
      })
      return Fail.of(Errno.EPERM)
    }
  }
  return done(sockets.passCredentials(held, isOn))
}

/** The length of the address of an unnamed unix socket: its family alone. */
const UNNAMED = 2

/** The size of struct ucred: pid, uid, gid. */
const UCRED = 12

/**
 * SO_PEERCRED. The broker made both ends of a pair, and it connects and listens, so the kernel names the broker's
 * process; for the worker's own sockets the worker's process is put in its place.
 */
function peerCredentials(call: Call, held: Descriptor): Outcome<Uint8Array> {
  const given = call.kernel.sockets.peerCredentials(held)
  if (failed(given)) return given
  const view = new DataView(given.buffer, given.byteOffset)
  if (view.getInt32(0, true) === call.kernel.pid) view.setInt32(0, call.target.worker, true)
  return given
}

interface OptionArgs {
  readonly fd: number
  readonly level: number
  readonly option: number
  readonly to: number
  readonly sizeAt: number
}

function getOption(call: Call, { fd, level, option, to, sizeAt }: OptionArgs): Reply {
  return onSocket(call, fd, (held, facts) => {
    if (level !== SOL_SOCKET || option !== SO_PEERCRED) return unlisted(call, 'get', facts, level)
    const room = call.target.readBytes(sizeAt, 4)
    if (failed(room)) return room
    const size = Buffer.from(room).readInt32LE(0)
    if (size < 0) return Fail.of(Errno.EINVAL)
    const peer = peerCredentials(call, held)
    if (failed(peer)) return peer
    const length = Buffer.alloc(4)
    length.writeInt32LE(Math.min(size, UCRED), 0)
    const written = call.target.writeBytes(to, peer.subarray(0, size))
    return done(failed(written) ? written : call.target.writeBytes(sizeAt, length))
  })
}

/**
 * Joins a multicast group. The kernel tells the network of each joined group, and of the wanted sources: a packet with
 * content of the target's choice. A socket that may receive there may join.
 */
function joinGroup(
  call: Call,
  { fd, level, option, from, length }: Option,
  { size, at, length: width }: (typeof JOINS)[number],
): Reply {
  return onOwn(call, fd, (held) => {
    const { sockets } = call.kernel
    const facts = sockets.facts(held)
    if (failed(facts)) return facts
    const local = protocolOf(facts) === 'udp' ? sockets.localAddress(held) : Fail.of(Errno.ENOPROTOOPT)
    const own = failed(local) ? local : parseAddress(local)
    if (failed(own)) return own
    if (own.family !== 'inet' || length < size) return Fail.of(Errno.EINVAL)
    const request = call.target.readBytes(from, level === 0 ? Math.min(length, Math.max(size, LARGEST_MREQ)) : size)
    if (failed(request)) return request
    const join = (): Reply => done(sockets.join(held, level, option, request))
    const group = hostOf(request.subarray(at, at + width))
    return receivesAll(call, held, own) ? join() : onAddress(call, facts, { ...own, host: group }, 'listen', join)
  })
}

/** True if an entry lets the socket receive anything at its port, from anywhere. */
function receivesAll(call: Call, held: Descriptor, { port }: { readonly port: number }): boolean {
  const cookie = call.kernel.sockets.cookie(held)
  // A port that the kernel chose is granted as port 0.
  const ports = !failed(cookie) && call.own.at('udp', port).has(cookie) ? [port, 0] : [port]
  return ANY_ADDRESS.some((host) =>
    ports.some(
      (granted) =>
        decide(call.policy, {
          kind: 'socket',
          access: 'listen',
          address: { family: 'inet', protocol: 'udp', host, port: granted },
        }).allowed,
    ),
  )
}

const ANY_ADDRESS = ['0.0.0.0', '::'] as const

export const optionFamily: readonly Row[] = [
  defineSyscall({
    name: 'setsockopt',
    family: 'sockets',
    operation: 'set-option',
    answer:
      '`SO_LINGER`, set without its time, because the broker may be who closes last; `SO_SNDTIMEO`; `SO_REUSEADDR` and `SO_REUSEPORT`, which a datagram socket gets when it is bound, and not if it is bound already; `SO_PASSCRED` of a unix socket that has an address or is connected; joining a multicast group needs a `listen` entry for its address or for all; other options that are not on the list: `ENOPROTOOPT`',
    args: { fd: int(0), level: int(1), option: int(2), from: word(3), length: int(4) },
    handle: setOption,
  }),
  defineSyscall({
    name: 'getsockopt',
    family: 'sockets',
    operation: 'ask-socket',
    answer:
      "`SO_PEERCRED`, with the worker's process in the place of the broker's; other options that are not on the list: `ENOPROTOOPT`",
    args: { fd: int(0), level: int(1), option: int(2), to: word(3), sizeAt: word(4) },
    handle: getOption,
  }),
]
