/** Which addresses a worker may use: read once, decided, and handed on as an endpoint. */
import { Errno } from '../abi/errno.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_STREAM } from '../abi/socket.js'
import { auditGrant, decide } from '../policy/policy.js'
import type { SocketAddress, SocketRequest } from '../policy/request.js'
import { isAnyAddress, isLoopback, MAX_ADDRESS, parseAddress, type RawAddress } from './addresses.js'
import { int, word, type Arg } from './args.js'
import type { Call, Reply } from './call.js'
import { Endpoint } from './endpoint.js'
import { onPath, refuse } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { SocketFacts } from './ports.js'

/** The address argument of connect, bind and sendto: pointer and length. */
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

type Access = SocketRequest['access']

/** Decides on an address and hands it on as an endpoint. A unix path is resolved first, like any path. */
export function onAddress(
  call: Call,
  facts: SocketFacts,
  raw: RawAddress,
  access: Access,
  act: (to: Endpoint, place?: Place) => Reply,
): Reply {
  switch (raw.family) {
    case 'inet': {
      const protocol = protocolOf(facts)
      if (protocol === undefined) return Fail.of(Errno.EAFNOSUPPORT)
      const address: SocketAddress = { family: 'inet', protocol, host: raw.host, port: raw.port }
      if (access === 'connect' && isSourceProbe(address) && !isLoopback(address.host)) return noRoute(call, address)
      const exempt = access === 'connect' ? ownOrIdle(call, address) : ownBinding(call, address)
      if (exempt === 'nobody') return Fail.of(Errno.ECONNREFUSED)
      return exempt === undefined
        ? decided(call, address, access, raw.bytes, act)
        : act(Endpoint.own(exempt, raw.bytes))
    }
    case 'abstract': {
      if (facts.domain !== AF_UNIX) return Fail.of(Errno.EAFNOSUPPORT)
      const address: SocketAddress = { family: 'abstract', name: raw.name }
      if (access === 'connect' && call.own.hasAbstract(raw.name)) return act(Endpoint.own('own-socket', raw.bytes))
      return decided(call, address, access, raw.bytes, act)
    }
    case 'unix':
      if (facts.domain !== AF_UNIX) return Fail.of(Errno.EAFNOSUPPORT)
      // unix(7), "Autobind": an abstract name that everyone on the machine can connect to.
      if (raw.text === '') return Fail.of(access === 'listen' ? Errno.EACCES : Errno.ECONNREFUSED)
      return onUnixPath(call, raw.text, access, act)
    case 'netlink':
      if (facts.domain !== AF_NETLINK) return Fail.of(Errno.EAFNOSUPPORT)
      if (raw.groups !== 0) return Fail.of(Errno.EPERM)
      // Port 0 is the kernel. Any other is a process, which only a capability may write to: the broker may have it.
      if (access === 'connect' && raw.port !== 0) {
        call.record({
          kind: 'forbidden',
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

function decided(
  call: Call,
  address: SocketAddress,
  access: Access,
  bytes: Uint8Array,
  act: (to: Endpoint, place?: Place) => Reply,
): Reply {
  const request: SocketRequest = { kind: 'socket', access, address }
  const verdict = decide(call.policy, request)
  if (verdict.allowed) {
    call.record({ kind: 'used', request, granted: verdict.granted })
    return act(Endpoint.of(verdict.granted, bytes))
  }
  return refuse(call, request, verdict.reason) ?? act(Endpoint.of(auditGrant(call.policy, request), bytes))
}

function onUnixPath(call: Call, text: string, access: Access, act: (to: Endpoint, place?: Place) => Reply): Reply {
  const where = { text, dirfd: AT_FDCWD }
  const last = access === 'connect' ? ('follow' as const) : ('entry' as const)
  return onPath(
    call,
    where,
    { access: access === 'connect' ? 'look' : 'write', last, socket: access, makes: access === 'listen' },
    (place) => act(Endpoint.at(place, ownFile(call, place)), place),
  )
}

/** getaddrinfo(3) connects a datagram socket to port 0 of each address, to learn the source address and sort by it. */
function isSourceProbe({ protocol, port }: SocketAddress & { family: 'inet' }): boolean {
  return protocol === 'udp' && port === 0
}

/** Where it is an own socket that was found, and not an entry that covers it: the file that it has to be. */
function ownFile({ own }: Call, { decided, granted }: Place): string | undefined {
  const bound = own.boundAt(decided)
  return bound?.granted === granted ? bound.file : undefined
}

/** A connected socket could send to port 0, and a packet is a packet. Without a source address, the order stays as it is. */
function noRoute(call: Call, address: SocketAddress): Fail {
  call.record({ kind: 'quiet', request: { kind: 'socket', access: 'connect', address } })
  return Fail.of(Errno.ENETUNREACH)
}

/** Reasons for which connecting needs no grant. */
function ownOrIdle(
  call: Call,
  address: SocketAddress & { family: 'inet' },
): 'own-socket' | 'no-packet' | 'nobody' | undefined {
  // On the loopback interface nobody has port 0, and nothing leaves the machine.
  if (isSourceProbe(address) && isLoopback(address.host)) return 'no-packet'
  const own = call.own.at(address.protocol, address.port)
  if (own.size === 0) return undefined
  // What listens on all addresses does so on this machine's: another host's port of that number is somebody else's.
  if (!isAnyAddress(address.host) && !isLoopback(address.host) && !call.kernel.sockets.isHere(address.host))
    return undefined
  const receivers = call.kernel.sockets.receivers(address.protocol, address.port)
  if (failed(receivers)) return undefined
  // Everyone who could get it must be the worker's own: another process may have taken the port over since.
  const reached = receivers.filter(
    ({ host }) => isAnyAddress(host) || host === address.host || (isAnyAddress(address.host) && isLoopback(host)),
  )
  // A port that was its own and is free: what the kernel would say, without asking it.
  if (reached.length === 0 && address.protocol === 'tcp' && isLoopback(address.host)) return 'nobody'
  return reached.length > 0 && reached.every(({ cookie }) => own.has(cookie)) ? 'own-socket' : undefined
}

/** A socket that only connects or sends binds to a port of the kernel's choice first; so does libuv for each UDP socket. */
function ownBinding(call: Call, address: SocketAddress & { family: 'inet' }): 'own-socket' | 'no-packet' | undefined {
  const listens = (port: number): boolean =>
    decide(call.policy, { kind: 'socket', access: 'listen', address: { ...address, port } }).allowed
  // A free port that the kernel chose for it before is the worker's to bind again: as servers do that restart.
  if (address.port !== 0 && call.own.at(address.protocol, address.port).size > 0 && listens(0)) return 'own-socket'
  if (address.port !== 0 || address.protocol !== 'udp' || !isAnyAddress(address.host)) return undefined
  if (listens(0)) return undefined
  const sends = call.own.uses('udp') || call.policy.sockets.connect.inet.some(({ target }) => target.protocol === 'udp')
  return sends ? 'no-packet' : undefined
}
