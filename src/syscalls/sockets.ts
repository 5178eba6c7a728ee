/** Sockets: the broker makes them, and decides every address that one is bound, connected or sent to. */
import { Errno } from '../abi/errno.js'
import { AF_INET, AF_INET6, AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../abi/socket.js'
import { QUEUE_FULL_MS } from '../limits.js'
import { isAnyAddress, parseAddress, type RawAddress } from './addresses.js'
import { addressArg, onAddress, protocolOf } from './addressing.js'
import { alone } from './alone.js'
import { constant, int, word } from './args.js'
import { done, DONE, no, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { Endpoint } from './endpoint.js'
import { onOwn } from './handle.js'
import { Fail, failed, type Outcome } from './outcome.js'
import { bindName, finishConnecting, abandoned, noteInternet, noteUnix, queueFull } from './perform.js'
import type { Descriptor, NameHeld, PortSharing, SocketFacts } from './ports.js'
import { socketKind, TYPE_MASK } from './socket-kinds.js'
import { asSpelled, giveAddress, roomAt } from './socket-names.js'
import { hasPort } from './socket-options.js'

const family = 'sockets'
const TYPE_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK

// --- socket(2)

function socketCall(call: Call, { domain, type, protocol }: Record<'domain' | 'type' | 'protocol', number>): Reply {
  const kind = socketKind(domain, type, protocol)
  if (failed(kind)) return kind
  if (kind === 'refused') {
    call.record({
      outcome: 'forbidden',
      violation: true,
      why: `a socket of family ${domain}, type ${type & TYPE_MASK}, protocol ${protocol}`,
    })
    return Fail.of(domain === AF_INET || domain === AF_INET6 ? Errno.EPERM : Errno.EAFNOSUPPORT)
  }
  const made = call.kernel.sockets.create(domain, type, protocol)
  return failed(made) ? made : { kind: 'descriptor', fd: made, cloexec: (type & SOCK_CLOEXEC) !== 0 }
}

// --- connect, bind, listen, accept

function onSocket(call: Call, fd: number, act: (held: Descriptor, facts: SocketFacts) => Reply): Reply {
  return onOwn(call, fd, (held) => {
    const facts = call.kernel.sockets.facts(held)
    return failed(facts) ? facts : act(held, facts)
  })
}

/**
 * Refuses to give an end of a pair a name or another peer: it takes descriptors because its peer is an end, too, and
 * nobody else may send to it.
 */
function keepsPeer(call: Call, held: Descriptor, { domain }: SocketFacts, errno: Errno): Fail | undefined {
  if (domain !== AF_UNIX || !call.kernel.sockets.takesDescriptors(held)) return undefined
  return no(call, errno, 'an end of a pair has no name, and no other peer: descriptors could come from there')
}

function connectCall(call: Call, { fd, address }: { fd: number; address: RawAddress }): Reply {
  return onSocket(call, fd, (held, facts) => {
    const kept = keepsPeer(call, held, facts, Errno.EISCONN)
    if (kept !== undefined) return kept
    const reply = connectOn(call, held, facts, address)
    return typeof reply === 'string' ? connectLater(call, held, facts, address, reply) : reply
  })
}

/** `full`: the listener's queue is, and nothing is under way. */
type NotYet = 'under way' | 'full'

/** Connects once. A call on a blocking socket waits, and any call while the queue of an own TCP listener is full. */
function connectOn(call: Call, held: Descriptor, facts: SocketFacts, address: RawAddress): Reply | NotYet {
  const { sockets } = call.kernel
  const isUdp = protocolOf(facts) === 'udp'
  const cookie = isUdp ? sockets.cookie(held) : ''
  if (failed(cookie)) return cookie
  const stays = isUdp ? staysReachable(call, held, cookie, address) : true
  if (failed(stays)) return stays
  if (address.family === 'unspec') {
    return isUdp
      ? disconnectDatagrams(call, held, cookie, address.bytes)
      : done(sockets.connect(held, unspecified(address.bytes)))
  }
  let notYet: NotYet | undefined
  const reply = onAddress(call, facts, address, 'connect', (to) => {
    if (isUdp) return connectDatagrams(call, held, cookie, to)
    const connected = sockets.connect(held, to)
    if (!failed(connected)) return DONE
    if (to.exemption === 'own-socket' && abandoned(sockets, held, facts, connected)) notYet = 'full'
    else if (!sockets.isBlocking(held)) return connected
    else if (connected.errno === Errno.EINPROGRESS) notYet = 'under way'
    else if (connected.errno === Errno.EAGAIN) notYet = 'full'
    return connected
  })
  return notYet ?? reply
}

function unspecified(bytes: Uint8Array = new Uint8Array(16)): Endpoint {
  return Endpoint.own('unspecified', bytes)
}

/**
 * Ends the connection of a datagram socket. It may have no port then, and has no option either by which it shares one.
 * It receives only at a port that was decided.
 */
function disconnectDatagrams(call: Call, held: Descriptor, cookie: string, bytes?: Uint8Array): Reply {
  const { sockets } = call.kernel
  const alone = share(call, held, ['address', 'port'], false)
  if (failed(alone)) return alone
  const ended = sockets.connect(held, unspecified(bytes))
  if (!failed(ended)) call.own.endLease(cookie)
  const local = sockets.localAddress(held)
  const own = failed(local) ? local : parseAddress(local)
  const port = failed(own) || own.family !== 'inet' ? 0 : own.port
  if (port !== 0) share(call, held, call.own.sharing(cookie), true)
  if (call.own.at('udp', port).has(cookie)) sockets.hear(held)
  return done(ended)
}

function share(call: Call, held: Descriptor, options: Iterable<PortSharing>, isOn: boolean): Outcome<true> {
  for (const option of options) {
    const set = call.kernel.sockets.share(held, option, isOn)
    if (failed(set)) return set
  }
  return true
}

/**
 * Refuses to connect a datagram socket that connected ones send to, if it would give its port up without being closed:
 * the unspecified address releases a port that the kernel chose, and a socket on all addresses keeps but one of them,
 * when it is connected.
 */
function staysReachable(call: Call, held: Descriptor, cookie: string, to: RawAddress): Outcome<true> {
  const { sockets } = call.kernel
  const hosts = call.own.reliedOn(cookie, sockets)
  if (hosts.length === 0) return true
  if (to.family === 'inet') {
    const local = sockets.localAddress(held)
    const own = failed(local) ? local : parseAddress(local)
    if (failed(own)) return own
    if (own.family === 'inet' && !isAnyAddress(own.host)) return true
    // It keeps the address that it sends from, which is that of a destination on this machine.
    if (hosts.every((host) => host === to.host) && sockets.isHere(to.host)) return true
  }
  return no(call, Errno.ENOBUFS, 'gives up a port to which a connected datagram socket sends, or which workers share')
}

/**
 * Connects a datagram socket. Nothing sees the data sent on it from here on, so own sockets that receive them are held
 * as long.
 */
function connectDatagrams(call: Call, held: Descriptor, cookie: string, to: Endpoint): Reply {
  const { sockets } = call.kernel
  const isToOwn = to.exemption === 'own-socket'
  if (isToOwn && !call.own.mayLease(sockets, to.receivers.length)) return Fail.of(Errno.ENOBUFS)
  const cookies = new Set<string>()
  if (isToOwn)
    for (const receiver of to.receivers) {
      const its = sockets.cookie(receiver)
      if (failed(its)) return its
      cookies.add(its)
      const alone = share(call, receiver, ['address', 'port'], false)
      if (failed(alone)) return alone
    }
  const connected = sockets.connect(held, to)
  if (failed(connected)) return connected
  call.own.endLease(cookie)
  if (!isToOwn) return DONE
  const local = sockets.localAddress(held)
  const address = failed(local) ? local : parseAddress(local)
  const remote = sockets.remoteAddress(held)
  const peer = failed(remote) ? remote : parseAddress(remote)
  if (failed(address) || failed(peer) || address.family !== 'inet' || peer.family !== 'inet') {
    disconnectDatagrams(call, held, cookie)
    return failed(address) ? address : Fail.of(Errno.ENOBUFS)
  }
  call.own.lease({ cookie, port: address.port, peer, receivers: to.takeReceivers(), cookies })
  return DONE
}

/** Waits for a connection: connect(2). The call waits, the broker does not. */
function connectLater(
  call: Call,
  held: Descriptor,
  facts: SocketFacts,
  address: RawAddress,
  notYet: NotYet,
  since = call.kernel.sockets.now(),
): Reply {
  const { sockets } = call.kernel
  const isPatient = (): boolean => sockets.isBlocking(held) || sockets.now() - since < QUEUE_FULL_MS
  return {
    kind: 'later',
    cancel: () => {},
    // No event reports room in a full queue.
    ...(notYet === 'under way' ? { ready: { fd: held, direction: 'out' } } : {}),
    again() {
      const reply =
        notYet === 'under way' ? finishConnecting(sockets, held, facts.domain) : connectOn(call, held, facts, address)
      if (reply === true) return DONE
      if (typeof reply !== 'string') return reply
      return reply === 'under way' || isPatient()
        ? connectLater(call, held, facts, address, reply, since)
        : queueFull(call)
    },
  }
}

function bindCall(call: Call, { fd, address }: { fd: number; address: RawAddress }): Reply {
  return onSocket(
    call,
    fd,
    (held, facts) => keepsPeer(call, held, facts, Errno.EPERM) ?? bindOn(call, fd, held, facts, address),
  )
}

function bindOn(call: Call, fd: number, held: Descriptor, facts: SocketFacts, address: RawAddress): Reply {
  return onAddress(call, facts, address, 'listen', (to, place) => {
    if (place !== undefined)
      return alone(
        call,
        place,
        (name) => bindTo(call, held, name, address),
        () => bindOn(call, fd, held, facts, address),
      )
    const bound =
      address.family === 'inet' && protocolOf(facts) === 'udp'
        ? bindDatagrams(call, held, to, address.port)
        : call.kernel.sockets.bind(held, to, 0)
    if (failed(bound)) return bound
    if (address.family === 'abstract') call.own.addAbstract(address.name, fd)
    const protocol = protocolOf(facts)
    if (protocol !== undefined) noteInternet(call, held, protocol, fd)
    return DONE
  })
}

/**
 * Binds a datagram socket, which gets the options by which it shares its port only here: a port that the kernel chooses
 * it would share with a stranger, in bind(2) as in every call that sends. `port`: the wanted one, 0 for any.
 */
function bindDatagrams(call: Call, held: Descriptor, to: Endpoint, port: number): Outcome<true> {
  const { sockets } = call.kernel
  const cookie = sockets.cookie(held)
  const before = hasPort(call, held)
  if (failed(cookie)) return cookie
  if (failed(before)) return before
  if (before) return sockets.bind(held, to, 0)
  const options = call.own.sharing(cookie)
  const shares = port !== 0 && to.exemption !== 'free-port' && options.size > 0
  const shared = shares ? share(call, held, options, true) : true
  const bound = failed(shared) ? shared : sockets.bind(held, to, 0)
  if (failed(bound) && shares) {
    share(call, held, ['address', 'port'], false)
    // Another thread may have sent meanwhile, so that the kernel chose a port.
    sockets.connect(held, unspecified())
  }
  const after = hasPort(call, held)
  if (!failed(bound) && !failed(after) && after) share(call, held, options, true)
  return bound
}

function bindTo(call: Call, held: Descriptor, name: NameHeld, address: RawAddress): Reply {
  const umask = call.target.umask()
  if (failed(umask)) return umask
  const bound = bindName(call.kernel, held, name, umask)
  if (failed(bound)) return bound
  const file = failed(bound.file) ? undefined : bound.file
  if (address.family === 'unix') noteUnix(call, held, name.place, address.text, file)
  return DONE
}

function listenCall(call: Call, { fd, backlog }: { fd: number; backlog: number }): Reply {
  return onSocket(call, fd, (held, facts) => {
    const { sockets } = call.kernel
    const listen = (): Reply => {
      const listening = sockets.listen(held, backlog)
      if (failed(listening)) return listening
      if (protocolOf(facts) === 'tcp') noteInternet(call, held, 'tcp', fd)
      return DONE
    }
    if (protocolOf(facts) !== 'tcp') return listen()
    const local = sockets.localAddress(held)
    if (failed(local)) return local
    const address = parseAddress(local)
    if (failed(address)) return address
    if (address.family !== 'inet' || isBound(call, held, address.port)) return listen()
    // The kernel would now choose a port, on all addresses.
    return onAddress(call, facts, { ...address, port: 0 }, 'listen', listen)
  })
}

/**
 * True if the socket's address was decided when it was bound. The port that a socket shows proves little: a connection
 * that has ended leaves its port there, which the kernel counts as none.
 */
function isBound(call: Call, held: Descriptor, port: number): boolean {
  const { sockets } = call.kernel
  const cookie = sockets.cookie(held)
  if (failed(cookie) || port === 0) return false
  if (call.own.at('tcp', port).has(cookie)) return true
  // A socket that was made for the worker listens already.
  const listening = sockets.receivers('tcp', port)
  return !failed(listening) && listening.some((receiver) => receiver.cookie === cookie)
}

interface AcceptArgs {
  readonly fd: number
  readonly to: number
  readonly sizeAt: number
  readonly flags: number
}

function acceptCall(call: Call, { fd, to, sizeAt, flags }: AcceptArgs): Reply {
  if ((flags & ~TYPE_FLAGS) !== 0) return Fail.of(Errno.EINVAL)
  const room = to === 0 ? 0 : roomAt(call, sizeAt)
  if (failed(room)) return room
  return onOwn(call, fd, (held) => {
    const attempt = (): Reply => {
      const turn = call.kernel.sockets.hold(held)
      if (failed(turn)) return turn
      if (turn === 'taken') return { kind: 'later', again: () => orLater(attempt()), cancel: () => {} }
      using _turn = turn
      return acceptOne(call, held, { to, sizeAt, flags }, room)
    }
    const orLater = (reply: Reply): Reply =>
      failed(reply) && reply.errno === Errno.EAGAIN && call.kernel.sockets.isBlocking(held) ? waiting : reply
    const waiting: Reply = {
      kind: 'later',
      again: () => orLater(attempt()),
      cancel: () => {},
      ready: { fd: held, direction: 'in' },
    }
    return orLater(attempt())
  })
}

function acceptOne(call: Call, held: Descriptor, { to, sizeAt, flags }: Omit<AcceptArgs, 'fd'>, room: number): Reply {
  const accepted = call.kernel.sockets.accept(held, flags)
  if (failed(accepted)) return accepted
  const written = to === 0 ? true : giveAddress(call, asSpelled(call, accepted.address), to, sizeAt, room)
  if (failed(written)) {
    accepted.fd.close()
    return written
  }
  return { kind: 'descriptor', fd: accepted.fd, cloexec: (flags & SOCK_CLOEXEC) !== 0 }
}

const NO_FLAGS = constant(0)

export const socketFamily: readonly Row[] = [
  defineSyscall({
    name: 'socket',
    family,
    operation: 'create-socket',
    answer: 'made by the broker: unix, TCP, UDP, and route sockets for getifaddrs',
    args: { domain: int(0), type: int(1), protocol: int(2) },
    handle: socketCall,
  }),
  defineSyscall({
    name: 'connect',
    family,
    operation: 'connect',
    answer: "decided by address, performed on the target's socket",
    args: { fd: int(0), address: addressArg(1, 2) },
    handle: connectCall,
  }),
  defineSyscall({
    name: 'bind',
    family,
    operation: 'listen',
    answer: "decided by address, performed on the target's socket",
    args: { fd: int(0), address: addressArg(1, 2) },
    handle: bindCall,
  }),
  defineSyscall({
    name: 'listen',
    family,
    operation: 'listen',
    answer: "performed on the target's socket; the address was decided by bind, or is now",
    args: { fd: int(0), backlog: int(1) },
    handle: listenCall,
  }),
  defineSyscall({
    name: 'accept',
    family,
    operation: 'accept',
    answer: "performed on the target's socket, the new one injected",
    args: { fd: int(0), to: word(1), sizeAt: word(2), flags: NO_FLAGS },
    handle: acceptCall,
  }),
  defineSyscall({
    name: 'accept4',
    family,
    operation: 'accept',
    answer: "performed on the target's socket, the new one injected",
    args: { fd: int(0), to: word(1), sizeAt: word(2), flags: int(3) },
    handle: acceptCall,
  }),
]
