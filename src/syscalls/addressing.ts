/** Decides on addresses: each is read once, decided, and handed on as an endpoint. */
import { Errno } from '../abi/errno.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_STREAM } from '../abi/socket.js'
import { SOCKADDR_IN, SOCKADDR_IN6 } from '../abi/structs.js'
import type { SocketAccess } from '../policy/access.js'
import { allowed } from '../policy/event.js'
import { auditGrant, decide, mayConnectBy } from '../policy/policy.js'
import type { BytePath, SocketAddress, SocketRequest } from '../policy/request.js'
import { isAnyAddress, isLoopback, MAX_ADDRESS, parseAddress, type RawAddress } from './addresses.js'
import { int, word, type Arg } from './args.js'
import type { Call, Holder, Reply } from './call.js'
import { Endpoint } from './endpoint.js'
import { onPath, refuse } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, SocketAt, SocketFacts } from './ports.js'

/** The address argument of connect, bind and sendto, given by pointer and length. */
export function addressArg(pointerIndex: number, lengthIndex: number): Arg<RawAddress> {
  const pointer = word(pointerIndex)
  const length = int(lengthIndex)
  return (call) => {
    const at = pointer(call)
    const size = length(call)
    if (failed(at) || failed(size)) return Fail.of(Errno.EFAULT)
    return readAddress(call, at, size)
  }
}

export function readAddress(call: Call, pointer: number, size: number): Outcome<RawAddress> {
  if (size < 0 || size > MAX_ADDRESS) return Fail.of(Errno.EINVAL)
  const bytes = call.target.readBytes(pointer, size)
  return failed(bytes) ? bytes : parseAddress(bytes)
}

export function protocolOf({ domain, type }: SocketFacts): 'tcp' | 'udp' | undefined {
  if (domain !== AF_INET && domain !== AF_INET6) return undefined
  return type === SOCK_STREAM ? 'tcp' : 'udp'
}

/** Decides on an address and hands it on as an endpoint. A unix path is resolved first, like any path. */
export function onAddress(
  call: Call,
  facts: SocketFacts,
  raw: RawAddress,
  access: SocketAccess,
  act: (to: Endpoint, place?: Place) => Reply,
): Reply {
  switch (raw.family) {
    case 'inet': {
      const protocol = protocolOf(facts)
      if (protocol === undefined) return Fail.of(Errno.EAFNOSUPPORT)
      const address: SocketAddress = { family: 'inet', protocol, host: raw.host, port: raw.port }
      if (access === 'connect' && isSourceProbe(address) && !isLoopback(address.host)) return noRoute(call, address)
      const to = access === 'connect' ? reachable(raw) : raw
      const exempt =
        access === 'connect'
          ? ownOrIdle(call, { ...address, host: to.host }, to.bytes)
          : ownBinding(call, address, raw.bytes)
      if (exempt === 'nobody') return Fail.of(Errno.ECONNREFUSED)
      if (exempt === undefined) return decided(call, address, access, to.bytes, act)
      using own = exempt
      return act(own)
    }
    case 'abstract': {
      if (facts.domain !== AF_UNIX) return Fail.of(Errno.EAFNOSUPPORT)
      const address: SocketAddress = { family: 'abstract', name: raw.name }
      const own = access === 'connect' ? ownAbstract(call, raw.name, facts.type) : undefined
      if (own === undefined) return decided(call, address, access, raw.bytes, act)
      using to = Endpoint.own('own-socket', raw.bytes, own)
      return act(to)
    }
    case 'unix':
      if (facts.domain !== AF_UNIX) return Fail.of(Errno.EAFNOSUPPORT)
      // unix(7), "Autobind": the kernel would choose an abstract name, to which everyone on the machine can connect.
      if (raw.text === '') return Fail.of(access === 'listen' ? Errno.EACCES : Errno.ECONNREFUSED)
      return onUnixPath(call, raw.text, access, act)
    case 'netlink':
      if (facts.domain !== AF_NETLINK) return Fail.of(Errno.EAFNOSUPPORT)
      if (raw.groups !== 0) return Fail.of(Errno.EPERM)
      // Port 0 is the kernel. Any other port is a process, to which only a capability allows writing; the broker may
      // have it.
      if (access === 'connect' && raw.port !== 0) {
        call.record({
          outcome: 'forbidden',
          violation: true,
          why: 'a route socket of a test talks to the kernel, and to no other process',
        })
        return Fail.of(Errno.EPERM)
      }
      return act(Endpoint.own('route-socket', raw.bytes))
    case 'unspec':
      return Fail.of(Errno.EAFNOSUPPORT)
    default:
      return raw satisfies never
  }
}

/**
 * The address that a destination means. For 0.0.0.0 the kernel takes the socket's own address, if it has one, which the
 * target chooses and may change (net/ipv4/route.c, ip_route_output_key_hash_rcu); else 127.0.0.1. For :: it takes ::1,
 * or 127.0.0.1 if the socket has an IPv4-mapped address (net/ipv6/udp.c, tcp_ipv6.c).
 */
function reachable(raw: InternetAddress): InternetAddress {
  const loopback = LOOPBACK.get(raw.host)
  if (loopback === undefined) return raw
  const bytes = Uint8Array.from(raw.bytes)
  const end = bytes.length === SOCKADDR_IN.size ? SOCKADDR_IN.sin_addr + 4 : SOCKADDR_IN6.sin6_addr + 16
  bytes.set(loopback.last, end - loopback.last.length)
  return { ...raw, host: loopback.host, bytes }
}

/** `last`: the bytes by which it differs, at the end. */
const LOOPBACK: ReadonlyMap<string, { readonly host: string; readonly last: readonly number[] }> = new Map([
  ['0.0.0.0', { host: '127.0.0.1', last: [127, 0, 0, 1] }],
  ['::', { host: '::1', last: [1] }],
])

type InternetAddress = Extract<RawAddress, { family: 'inet' }>

function decided(
  call: Call,
  address: SocketAddress,
  access: SocketAccess,
  bytes: Uint8Array,
  act: (to: Endpoint, place?: Place) => Reply,
): Reply {
  const request: SocketRequest = { kind: 'socket', access, address }
  const verdict = decide(call.policy, request)
  if (verdict.allowed) {
    call.record(allowed(request, verdict.granted))
    return act(Endpoint.of(verdict.granted, bytes))
  }
  return refuse(call, request, verdict.reason) ?? act(Endpoint.of(auditGrant(call.policy, request), bytes))
}

function onUnixPath(
  call: Call,
  text: string,
  access: SocketAccess,
  act: (to: Endpoint, place?: Place) => Reply,
): Reply {
  const where = { text, dirfd: AT_FDCWD }
  const last = access === 'connect' ? ('follow' as const) : ('entry' as const)
  return onPath(
    call,
    where,
    { access: access === 'connect' ? 'look' : 'write', last, socket: access, makes: access === 'listen' },
    (place) => act(Endpoint.at(place, ownFile(call, place)), place),
  )
}

/**
 * True for the probe of getaddrinfo(3): it connects a datagram socket to port 0 of each address, to learn the source
 * address, by which it sorts.
 */
function isSourceProbe({ protocol, port }: SocketAddress & { family: 'inet' }): boolean {
  return protocol === 'udp' && port === 0
}

/** The file that must be at the place if the place was allowed as an own socket; undefined if an entry covers it. */
function ownFile({ own }: Call, { decided, granted }: Place): string | undefined {
  const bound = own.boundAt(decided)
  return bound?.granted === granted ? bound.file : undefined
}

/**
 * Refuses a source probe with ENETUNREACH: a connected socket could send to port 0, and a packet is a packet. Without a
 * source address, getaddrinfo(3) keeps the order as it is.
 */
function noRoute(call: Call, address: SocketAddress): Fail {
  call.record({ outcome: 'hidden', request: { kind: 'socket', access: 'connect', address } })
  return Fail.of(Errno.ENETUNREACH)
}

/** Returns an endpoint if connecting needs no grant, `nobody` if nothing listens there, otherwise undefined. */
function ownOrIdle(
  call: Call,
  address: SocketAddress & { family: 'inet' },
  bytes: Uint8Array,
): Endpoint | 'nobody' | undefined {
  // On the loopback interface nothing has port 0, and nothing leaves the machine.
  if (isSourceProbe(address) && isLoopback(address.host)) return Endpoint.own('no-packet', bytes)
  const own = call.own.at(address.protocol, address.port)
  if (own.size === 0) return undefined
  // An own socket on all addresses listens on those of this machine: on another host, the same port is another
  // socket's.
  if (!isLoopback(address.host) && !call.kernel.sockets.isHere(address.host)) return undefined
  const receivers = call.kernel.sockets.receivers(address.protocol, address.port)
  if (failed(receivers)) return undefined
  // Every socket that could receive must be the worker's own: another process may have taken over the port since.
  const reached = receivers.filter(({ host }) => isAnyAddress(host) || host === address.host)
  // The port was the worker's own and is free: answer as the kernel would, without asking it.
  if (reached.length === 0 && address.protocol === 'tcp' && isLoopback(address.host)) return 'nobody'
  const held = reached.length === 0 ? undefined : holdAll(call, reached, own)
  return held === undefined ? undefined : Endpoint.own('own-socket', bytes, held)
}

/**
 * Duplicates all these sockets, so that their port stays theirs while they are used. Returns undefined if one of them
 * is not the worker's own.
 */
function holdAll(
  call: Call,
  sockets: readonly SocketAt[],
  own: ReadonlyMap<string, Holder>,
): readonly Descriptor[] | undefined {
  const held: Descriptor[] = []
  for (const { cookie, inode } of sockets) {
    const holder = own.get(cookie)
    if (holder === 'broker') continue
    const socket = holder === undefined ? Fail.of(Errno.ENOENT) : call.target.ownSocket(inode, holder)
    if (!failed(socket)) held.push(socket)
    if (failed(socket) || call.kernel.sockets.cookie(socket) !== cookie) {
      for (const one of held) one.close()
      return undefined
    }
  }
  return held
}

/**
 * Duplicates the own sockets with this abstract name. The name goes with its last socket, and is then free for any
 * process: unix(7). Each type of socket has names of its own (net/unix/af_unix.c, unix_abstract_hash).
 */
function ownAbstract(call: Call, name: BytePath, type: number): readonly Descriptor[] | undefined {
  const holder = call.own.abstractAt(name)
  if (holder === 'broker') return type === SOCK_STREAM ? [] : undefined
  const inodes = holder === undefined ? Fail.of(Errno.ENOENT) : call.kernel.sockets.named(name, type)
  if (holder === undefined || failed(inodes) || inodes.length === 0) return undefined
  const held: Descriptor[] = []
  for (const inode of inodes) {
    const socket = call.target.ownSocket(inode, holder)
    if (failed(socket)) {
      for (const one of held) one.close()
      return undefined
    }
    held.push(socket)
  }
  return held
}

/**
 * Returns an endpoint if binding needs no grant. A socket that only connects or sends first binds to a port that the
 * kernel chooses; libuv does so for each UDP socket.
 */
function ownBinding(call: Call, address: SocketAddress & { family: 'inet' }, bytes: Uint8Array): Endpoint | undefined {
  const listens = (port: number): boolean =>
    decide(call.policy, { kind: 'socket', access: 'listen', address: { ...address, port } }).allowed
  const own = call.own.at(address.protocol, address.port)
  if (address.port !== 0 && own.size > 0 && listens(0)) return bindingAgain(call, address, own, bytes)
  if (address.port !== 0 || address.protocol !== 'udp' || !isAnyAddress(address.host)) return undefined
  if (listens(0)) return undefined
  const sends = call.own.uses('udp') || mayConnectBy(call.policy, 'udp')
  return sends ? Endpoint.own('no-packet', bytes) : undefined
}

/**
 * Lets a worker bind a port again that the kernel chose for it before, as servers do that restart. The port must be
 * free, or only the worker's own sockets have it. Beside another process's socket, with SO_REUSEADDR or SO_REUSEPORT,
 * it would be another's port.
 */
function bindingAgain(
  call: Call,
  { protocol, port }: SocketAddress & { family: 'inet' },
  own: ReadonlyMap<string, Holder>,
  bytes: Uint8Array,
): Endpoint | undefined {
  call.own.endLeases(call.kernel.sockets)
  const there = call.kernel.sockets.boundTo(protocol, port)
  if (failed(there)) return undefined
  // An inode of 0: no process has this connection any more, because it is closing.
  const held = there.filter(({ inode }) => inode !== 0)
  for (const { inode, cookie } of held) {
    const holder = own.get(cookie)
    if (holder === 'broker') continue
    // The connections of a server that was closed have its port, too.
    const socket = call.target.ownSocket(inode, holder ?? -1)
    if (failed(socket)) return undefined
    socket.close()
  }
  return Endpoint.own(held.length === 0 ? 'free-port' : 'own-socket', bytes)
}
