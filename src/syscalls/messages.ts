/**
 * sendto, sendmsg, sendmmsg: the destination is decided, the data are copied once, and the broker sends on the target's
 * socket.
 */
import { Errno } from '../abi/errno.js'
import {
  AF_NETLINK,
  AF_UNIX,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_NOSIGNAL,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SOCK_STREAM,
  SOL_SOCKET,
  UDP_SEGMENT,
} from '../abi/socket.js'
import { CMSGHDR, IOVEC, MMSGHDR, MSGHDR } from '../abi/structs.js'
import { UIO_MAXIOV } from '../abi/uio.js'
import type { RawAddress } from './addresses.js'
import { onAddress, protocolOf, readAddress } from './addressing.js'
import { int, unsigned, word, word64 } from './args.js'
import { DONE, GONE, no, value, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import type { Endpoint } from './endpoint.js'
import { Fail, failed, type Outcome } from './outcome.js'
import { abandoned, queueFull } from './perform.js'
import type { ControlMessage, Descriptor, SocketFacts } from './ports.js'

const family = 'sockets'
/** The most data of one message: the largest datagram of UDP. A stream may send only a part, as send(2) always may. */
const MAX_DATA = 65_507
/**
 * The most data on a unix socket that keeps messages apart: the size of its buffer, which SO_SNDBUF sets as far as
 * wmem_max allows.
 */
const MAX_UNIX_MESSAGE = 425_984
/** The most bytes of one read. */
const PART = 65_536
/** libuv sends up to 20 messages at once with sendmmsg(2). Further ones are left for the next call. */
const MAX_MESSAGES = 64
/** SCM_MAX_FD: include/net/scm.h. */
const MAX_PASSED = 253

interface Message {
  readonly address: RawAddress | undefined
  readonly data: Uint8Array
  /** True if there was more than fits, which only a stream may send in part. */
  readonly cut: boolean
  /** The numbers, in the target, of descriptors that are passed along. */
  readonly passed: readonly number[]
  /** Other control messages, whole. */
  readonly control: readonly ControlMessage[]
}

function readMessage(call: Call, header: Uint8Array, most: number): Outcome<Message> {
  const namePointer = word64(header, MSGHDR.msg_name)
  const nameLength = new DataView(header.buffer, header.byteOffset).getInt32(MSGHDR.msg_namelen, true)
  const address = namePointer === 0 || nameLength === 0 ? undefined : readAddress(call, namePointer, nameLength)
  if (failed(address)) return address
  const data = gather(call, word64(header, MSGHDR.msg_iov), word64(header, MSGHDR.msg_iovlen), most)
  if (failed(data)) return data
  const along = readControl(call, word64(header, MSGHDR.msg_control), word64(header, MSGHDR.msg_controllen))
  return failed(along) ? along : { address, ...data, ...along }
}

function gather(call: Call, pointer: number, count: number, most: number): Outcome<{ data: Uint8Array; cut: boolean }> {
  if (count > UIO_MAXIOV) return Fail.of(Errno.EMSGSIZE)
  if (count === 0) return { data: new Uint8Array(0), cut: false }
  const vector = call.target.readBytes(pointer, count * IOVEC.size)
  if (failed(vector)) return vector
  const parts: Uint8Array[] = []
  let room = most
  for (let index = 0; index < count; index++) {
    const length = word64(vector, index * IOVEC.size + IOVEC.iov_len)
    const fits = Math.min(length, room)
    const failure = readParts(call, word64(vector, index * IOVEC.size + IOVEC.iov_base), fits, parts)
    if (failure !== undefined) return failure
    room -= fits
    if (length > fits) return { data: Buffer.concat(parts), cut: true }
  }
  return { data: Buffer.concat(parts), cut: false }
}

function readParts(call: Call, from: number, length: number, parts: Uint8Array[]): Fail | undefined {
  for (let at = 0; at < length; at += PART) {
    const part = call.target.readBytes(from + at, Math.min(PART, length - at))
    if (failed(part)) return part
    parts.push(part)
  }
  return undefined
}

/**
 * Control messages that may be sent (cmsg(3)), beside descriptors: the caller's own credentials, and settings of one
 * datagram, whose destination is decided all the same: IP_TOS, IP_TTL, IPV6_HOPLIMIT, IPV6_TCLASS, UDP_SEGMENT. A
 * choice of source address and interface (IP_PKTINFO) is not among them.
 */
const CONTROLS: readonly { readonly level: number; readonly type: number; readonly size: readonly number[] }[] = [
  { level: SOL_SOCKET, type: SCM_CREDENTIALS, size: [12] },
  { level: 0, type: 1, size: [1, 4] },
  { level: 0, type: 2, size: [4] },
  { level: 41, type: 52, size: [4] },
  { level: 41, type: 67, size: [4] },
  { level: IPPROTO_UDP, type: UDP_SEGMENT, size: [2] },
]

function readControl(
  call: Call,
  pointer: number,
  length: number,
): Outcome<{ readonly passed: readonly number[]; readonly control: readonly ControlMessage[] }> {
  if (pointer === 0 || length === 0) return { passed: [], control: [] }
  if (length > 4096) return Fail.of(Errno.ENOBUFS)
  const bytes = call.target.readBytes(pointer, length)
  if (failed(bytes)) return bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const passed: number[] = []
  const control: ControlMessage[] = []
  for (let at = 0; at + CMSGHDR.size <= length;) {
    const size = word64(bytes, at + CMSGHDR.cmsg_len)
    if (size < CMSGHDR.size || at + size > length) return Fail.of(Errno.EINVAL)
    const level = view.getInt32(at + CMSGHDR.cmsg_level, true)
    const type = view.getInt32(at + CMSGHDR.cmsg_type, true)
    const content = bytes.subarray(at + CMSGHDR.size, at + size)
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      for (let item = at + CMSGHDR.size; item + 4 <= at + size; item += 4) passed.push(view.getInt32(item, true))
    } else {
      const known = CONTROLS.find((one) => one.level === level && one.type === type)
      if (known === undefined) return Fail.of(Errno.EPERM)
      if (!known.size.includes(content.length)) return Fail.of(Errno.EINVAL)
      if (type === SCM_CREDENTIALS && level === SOL_SOCKET && !areOwn(call, content)) return Fail.of(Errno.EPERM)
      control.push({ level, type, content })
    }
    at += Math.ceil(size / 8) * 8
  }
  return passed.length > MAX_PASSED || control.length > CONTROLS.length ? Fail.of(Errno.EINVAL) : { passed, control }
}

/**
 * True if these are the caller's own credentials, a struct ucred. The caller may send no others; the broker may be
 * allowed to: unix(7).
 */
function areOwn(call: Call, credentials: Uint8Array): boolean {
  const view = new DataView(credentials.buffer, credentials.byteOffset)
  const { user, group } = call.kernel.ids
  return (
    view.getInt32(0, true) === call.target.pid() &&
    view.getUint32(4, true) === user &&
    view.getUint32(8, true) === group
  )
}

const isCredentials = ({ level, type }: ControlMessage): boolean => level === SOL_SOCKET && type === SCM_CREDENTIALS

/** The most bytes of one message on this socket. A message is only read once it is known to be for a socket. */
function mostFor({ domain, type }: SocketFacts): number {
  return domain === AF_UNIX && type !== SOCK_STREAM ? MAX_UNIX_MESSAGE : MAX_DATA
}

type ReadMessage = (most: number) => Outcome<Message>

/**
 * Sends a message. A call that waits keeps what it was decided on, so that neither its socket nor its descriptors can
 * be exchanged.
 */
function send(call: Call, fd: number, read: ReadMessage, flags: number): Reply {
  const held = call.target.descriptor(fd)
  if (failed(held)) return held
  const pass: Descriptor[] = []
  const finish = (reply: Reply): Reply => {
    for (const descriptor of pass) descriptor.close()
    held.close()
    return reply
  }
  const facts = call.kernel.sockets.facts(held)
  if (failed(facts)) return finish(facts)
  // Nobody would decide where it goes when it leaves.
  if (protocolOf(facts) === 'udp' && (flags & MSG_MORE) !== 0)
    return finish(no(call, Errno.EOPNOTSUPP, 'collects a datagram, to be sent later (MSG_MORE)'))
  const message = read(mostFor(facts))
  if (failed(message)) return finish(message)
  // The data must be sent for the thread that waits, not for a thread that has its number by now.
  if (!call.target.stillWaiting()) return finish(GONE)
  if (message.cut && facts.type !== SOCK_STREAM) return finish(Fail.of(Errno.EMSGSIZE))
  if (facts.domain === AF_NETLINK && !onlyAsks(message.data)) return finish(Fail.of(Errno.EPERM))
  const to = destination(call, held, facts, message.address, flags)
  if (failed(to)) return finish(to)
  const refused = takePassed(call, to === undefined && call.kernel.sockets.takesDescriptors(held), message.passed, pass)
  if (refused !== undefined) return finish(refused)
  const isBlocking = (flags & MSG_DONTWAIT) === 0 && call.kernel.sockets.isBlocking(held)
  const deliver = (endpoint?: Endpoint): Reply => {
    const sent = sendNow(call, held, message, flags, endpoint, pass)
    const isOwn = endpoint?.exemption === 'own-socket'
    return isOwn && abandoned(call.kernel.sockets, held, facts, sent) ? queueFull(call) : sent
  }
  const attempt = (): Reply => (to === undefined ? deliver() : onAddress(call, facts, to, 'connect', deliver))
  const again = (): Reply => {
    const reply = attempt()
    if (failed(reply) && reply.errno === Errno.EAGAIN && isBlocking) return waiting
    if (failed(reply) && breaksPipe(facts, flags, reply)) call.target.raise(SIGPIPE)
    return finish(reply)
  }
  const waiting: Reply = {
    kind: 'later',
    again,
    cancel: () => void finish(DONE),
    keeps: { descriptors: 1 + message.passed.length, bytes: message.data.length },
    // For datagrams, the receiver's queue is full, which no event reports.
    ...(facts.type === SOCK_STREAM ? { ready: { fd: held, direction: 'out' } } : {}),
  }
  return again()
}

/**
 * Takes the descriptors that go along. Returns undefined if all may. `toEnd`: the receiver is an end of a pair, which
 * is the peer of another end, and not whoever has an address.
 */
function takePassed(call: Call, toEnd: boolean, numbers: readonly number[], pass: Descriptor[]): Fail | undefined {
  const { sockets } = call.kernel
  for (const number of numbers) {
    const taken = call.target.descriptor(number)
    if (failed(taken)) return taken
    pass.push(taken)
    // The receiver of an end of a pair could send descriptors in over it, past every decision.
    if (!toEnd && sockets.takesDescriptors(taken)) {
      call.record({
        outcome: 'forbidden',
        violation: true,
        why: 'hands out a socket over which descriptors could come back',
      })
      return Fail.of(Errno.EPERM)
    }
  }
  return undefined
}

const SIGPIPE = 13

/**
 * True if the caller must get SIGPIPE, because it wrote to a stream without a reader and did not ask for no signal:
 * send(2). The broker itself never gets it.
 */
function breaksPipe({ type }: SocketFacts, flags: number, { errno }: Fail): boolean {
  return type === SOCK_STREAM && errno === Errno.EPIPE && (flags & MSG_NOSIGNAL) === 0
}

/** The address that the message goes to; undefined if it goes to the socket's own peer. */
function destination(
  call: Call,
  held: Descriptor,
  { domain, type }: SocketFacts,
  address: RawAddress | undefined,
  flags: number,
): Outcome<RawAddress> | undefined {
  // A stream ignores the address, unless MSG_FASTOPEN makes it connect: that is decided as a connect.
  if (address === undefined || type !== SOCK_STREAM || (flags & MSG_FASTOPEN) !== 0) return address
  if (domain !== AF_UNIX) return undefined
  return Fail.of(failed(call.kernel.sockets.remoteAddress(held)) ? Errno.EOPNOTSUPP : Errno.EISCONN)
}

function sendNow(
  call: Call,
  held: Descriptor,
  message: Message,
  flags: number,
  to: Endpoint | undefined,
  pass: readonly Descriptor[],
): Reply {
  const attempt = (control: readonly ControlMessage[]): Outcome<number> =>
    call.kernel.sockets.send(held, message.data, flags, to, pass, control)
  let sent = attempt(message.control)
  // A broker without privileges may send only its own credentials. If the receiver wants some, the kernel adds them
  // itself.
  if (failed(sent) && sent.errno === Errno.EPERM && message.control.some(isCredentials))
    sent = attempt(message.control.filter((one) => !isCredentials(one)))
  return failed(sent) ? sent : value(sent)
}

/** rtnetlink(7): the RTM_GET* messages, by which getifaddrs(3) lists interfaces and addresses. */
const QUESTIONS: ReadonlySet<number> = new Set([18, 22, 26])

function onlyAsks(data: Uint8Array): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  for (let at = 0; at < data.length;) {
    if (at + 16 > data.length) return false
    const length = view.getUint32(at, true)
    if (length < 16 || !QUESTIONS.has(view.getUint16(at + 4, true))) return false
    at += Math.ceil(length / 4) * 4
  }
  return data.length > 0
}

interface SendTo {
  readonly fd: number
  readonly data: number
  readonly length: number
  readonly flags: number
  readonly to: number
  readonly toLength: number
}

function sendtoCall(call: Call, { fd, data, length, flags, to, toLength }: SendTo): Reply {
  const address = to === 0 ? undefined : readAddress(call, to, toLength)
  if (failed(address)) return address
  const read: ReadMessage = (most) => {
    const size = Math.min(length, most)
    const parts: Uint8Array[] = []
    const failure = readParts(call, data, size, parts)
    return failure ?? { address, data: Buffer.concat(parts), cut: size < length, passed: [], control: [] }
  }
  return send(call, fd, read, flags)
}

function sendmsgCall(call: Call, { fd, header, flags }: { fd: number; header: number; flags: number }): Reply {
  const bytes = call.target.readBytes(header, MSGHDR.size)
  if (failed(bytes)) return bytes
  return send(call, fd, (most) => readMessage(call, bytes, most), flags)
}

/**
 * sendmmsg(2): returns the number of messages sent; an error only if the first one failed. Only the first one may wait.
 */
function sendmmsgCall(
  call: Call,
  { fd, headers, count, flags }: Record<'fd' | 'headers' | 'count' | 'flags', number>,
): Reply {
  let sent = 0
  for (; sent < Math.min(count, MAX_MESSAGES); sent++) {
    const at = headers + sent * MMSGHDR.size
    const bytes = call.target.readBytes(at, MSGHDR.size)
    const reply = failed(bytes)
      ? bytes
      : send(call, fd, (most) => readMessage(call, bytes, most), sent === 0 ? flags : flags | MSG_DONTWAIT)
    const one = tellLength(call, at + MMSGHDR.msg_len, reply)
    if (failed(one) || one.kind !== 'value') return sent === 0 ? one : value(sent)
  }
  return value(sent)
}

/**
 * Writes the sent length into the message's own header, also if the message is sent later; the call then counts one
 * message.
 */
function tellLength(call: Call, at: number, reply: Reply): Reply {
  if (failed(reply)) return reply
  if (reply.kind === 'later') return { ...reply, again: () => tellLength(call, at, reply.again()) }
  if (reply.kind !== 'value') return reply
  const length = Buffer.alloc(4)
  length.writeInt32LE(reply.value, 0)
  const written = call.target.writeBytes(at, length)
  return failed(written) ? written : value(1)
}

const answer = "destination decided by address, sent by the broker on the target's socket"

export const messageFamily: readonly Row[] = [
  defineSyscall({
    name: 'sendto',
    family,
    operation: 'send',
    answer: `${answer}; without a destination it does not come here, unless with \`MSG_MORE\`, which a datagram socket is refused`,
    args: { fd: int(0), data: word(1), length: word(2), flags: int(3), to: word(4), toLength: int(5) },
    handle: sendtoCall,
  }),
  defineSyscall({
    name: 'sendmsg',
    family,
    operation: 'send',
    answer,
    args: { fd: int(0), header: word(1), flags: int(2) },
    handle: sendmsgCall,
  }),
  defineSyscall({
    name: 'sendmmsg',
    family,
    operation: 'send',
    answer,
    args: { fd: int(0), headers: word(1), count: unsigned(2), flags: int(3) },
    handle: sendmmsgCall,
  }),
]
