/**
 * Performs open(2), connect(2) and bind(2) once they are decided: for a trapped call, and for a resource that a test
 * acquires by its name.
 */
import { Errno } from '../abi/errno.js'
import type { OpenFlags } from '../abi/open-flags.js'
import { AF_INET6 } from '../abi/socket.js'
import { addressBytes, parseAddress } from './addresses.js'
import { protocolOf } from './addressing.js'
import { no, type Call, type Holder } from './call.js'
import { Endpoint } from './endpoint.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, Kernel, NameHeld, OpenHow, SocketFacts, Sockets } from './ports.js'

/**
 * Opens a file so that the broker never waits for a FIFO or a device, and no terminal becomes its own. `setFlags` then
 * sets the requested flags.
 */
export function openWithoutWaiting(
  kernel: Kernel,
  O: OpenFlags,
  place: Place,
  { flags, ...how }: OpenHow,
): Outcome<Descriptor> {
  return kernel.open(place, { flags: withoutWaiting(O, flags), ...how })
}

export function withoutWaiting(O: OpenFlags, flags: number): number {
  return flags | O.O_NONBLOCK | O.O_NOCTTY | O.O_LARGEFILE
}

/** Sets the requested status flags. Returns the descriptor, or closes it on failure. */
export function setFlags(kernel: Kernel, O: OpenFlags, opened: Descriptor, flags: number): Outcome<Descriptor> {
  const set = kernel.setStatusFlags(opened, flags | O.O_LARGEFILE)
  if (!failed(set)) return opened
  opened.close()
  return set
}

/**
 * Checks on a connection that was under way. connect(2) must be called once more: it says how the attempt ended, and
 * only then does the kernel take the socket for connected (EISCONN). While an attempt is under way, the address is
 * ignored (net/ipv4/af_inet.c, __inet_stream_connect). If another thread has aborted it meanwhile, the call would begin
 * a new one, so its address is one where nothing is: port 0 of the loopback interface.
 */
export function finishConnecting(sockets: Sockets, held: Descriptor, domain: number): Outcome<true> | 'under way' {
  if (!sockets.isReady(held, 'out')) return 'under way'
  const host = domain === AF_INET6 ? '::1' : '127.0.0.1'
  const nowhere = addressBytes({ family: 'inet', protocol: 'tcp', host, port: 0 })
  const connected = failed(nowhere) ? nowhere : sockets.connect(held, Endpoint.own('no-packet', nowhere))
  if (!failed(connected) || connected.errno === Errno.EISCONN) return true
  return isUnderWay(connected) ? 'under way' : connected
}

/**
 * Ends a TCP connection to an own listener that was not made at once, because its queue is full. The kernel would try
 * again by itself, and reach whoever has the port then: shutdown(2) gives it up, and is no call that anybody decides.
 * Returns true if it has ended one. `result`: what connecting, or sending with MSG_FASTOPEN, came to.
 */
export function abandoned(sockets: Sockets, held: Descriptor, facts: SocketFacts, result: Outcome<unknown>): boolean {
  if (protocolOf(facts) !== 'tcp') return false
  if (failed(result) && result.errno !== Errno.EINPROGRESS && result.errno !== Errno.EINTR) return false
  // A socket has no peer before it is connected, nor when it was refused: that is to be told.
  if (!failed(sockets.remoteAddress(held))) return false
  const isOver = sockets.isReady(held, 'out')
  sockets.connect(held, Endpoint.own('unspecified', new Uint8Array(16)))
  return !isOver
}

export function queueFull(call: Call): Fail {
  return no(call, Errno.ENOBUFS, "connects to a listener of the test's own whose queue is full")
}

/** True if the connection goes on by itself: connect(2). */
export function isUnderWay({ errno }: Fail): boolean {
  return errno === Errno.EINPROGRESS || errno === Errno.EALREADY
}

/** Binds a socket to a held name: bind(2). Returns the identity of the file that it made. */
export function bindName(
  kernel: Kernel,
  socket: Descriptor,
  name: NameHeld,
  umask: number,
): Outcome<{ readonly file: Outcome<string> }> {
  const bound = kernel.sockets.bind(socket, Endpoint.making(name), umask)
  return failed(bound) ? bound : { file: kernel.identityAt(name) }
}

type Owner = Pick<Call, 'kernel' | 'own'>

/** Notes an own unix socket: its spelling, and the file at its path, by which it may be reached. */
export function noteUnix(
  { kernel, own }: Owner,
  socket: Descriptor,
  { decided, granted }: Place,
  spelled: string,
  file: string | undefined,
): void {
  const cookie = kernel.sockets.cookie(socket)
  if (!failed(cookie)) own.addName(spelled, cookie)
  if (file !== undefined) own.addUnix(decided, granted, file)
}

/**
 * Notes an own socket whose address was decided: a connection to it reaches the worker's own. Returns its local
 * address.
 */
export function noteInternet(
  { kernel: { sockets }, own }: Owner,
  socket: Descriptor,
  protocol: 'tcp' | 'udp',
  holder: Holder,
): Outcome<{ readonly host: string; readonly port: number }> {
  const bytes = sockets.localAddress(socket)
  if (failed(bytes)) return bytes
  const cookie = sockets.cookie(socket)
  if (failed(cookie)) return cookie
  const local = parseAddress(bytes)
  if (failed(local)) return local
  if (local.family !== 'inet') return Fail.of(Errno.EAFNOSUPPORT)
  own.addInternet(protocol, local.port, cookie, holder)
  return local
}
