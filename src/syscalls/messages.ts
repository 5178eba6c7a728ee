/** sendto, sendmsg, sendmmsg: a destination is decided, the data are copied once, and the broker sends on the target's socket. */
import { Errno } from '../abi/errno.js'
import { AF_NETLINK, MSG_DONTWAIT, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET } from '../abi/socket.js'
import { CMSGHDR, IOVEC, MMSGHDR, MSGHDR } from '../abi/structs.js'
import type { RawAddress } from './addresses.js'
import { onAddress, readAddress } from './addressing.js'
import { int, unsigned, word } from './args.js'
import { DONE, value, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import type { Endpoint } from './endpoint.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Descriptor } from './ports.js'

const family = 'sockets'
/** What one message carries at most here: the largest datagram of UDP, and for a stream a part, as send(2) may always do. */
const MAX_DATA = 65_507
/** UIO_MAXIOV and SCM_MAX_FD: include/uapi/linux/uio.h, include/net/scm.h. */
const MAX_SEGMENTS = 1024
const MAX_PASSED = 253
/** sendmmsg(2) as libuv uses it sends up to 20 at once. More are left for the next call. */
const MAX_MESSAGES = 64

interface Message {
  readonly address: RawAddress | undefined
  readonly data: Uint8Array
  /** There was more than fits: right for a stream only. */
  readonly cut: boolean
  /** Numbers of descriptors passed along, in the target. */
  readonly passed: readonly number[]
}

function word64(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}

function readMessage(call: Call, header: Uint8Array): Outcome<Message> {
  const namePointer = word64(header, MSGHDR.msg_name)
  const nameLength = new DataView(header.buffer, header.byteOffset).getInt32(MSGHDR.msg_namelen, true)
  const address = namePointer === 0 || nameLength === 0 ? undefined : readAddress(call, namePointer, nameLength)
  if (failed(address)) return address
  const data = gather(call, word64(header, MSGHDR.msg_iov), word64(header, MSGHDR.msg_iovlen))
  if (failed(data)) return data
  const passed = passedDescriptors(call, word64(header, MSGHDR.msg_control), word64(header, MSGHDR.msg_controllen))
  return failed(passed) ? passed : { address, ...data, passed }
}

function gather(call: Call, pointer: number, count: number): Outcome<{ data: Uint8Array; cut: boolean }> {
  if (count > MAX_SEGMENTS) return Fail.of(Errno.EMSGSIZE)
  if (count === 0) return { data: new Uint8Array(0), cut: false }
  const vector = call.target.readBytes(pointer, count * IOVEC.size)
  if (failed(vector)) return vector
  const parts: Uint8Array[] = []
  let room = MAX_DATA
  for (let index = 0; index < count; index++) {
    const length = word64(vector, index * IOVEC.size + IOVEC.iov_len)
    if (length === 0) continue
    const part = call.target.readBytes(word64(vector, index * IOVEC.size + IOVEC.iov_base), Math.min(length, room))
    if (failed(part)) return part
    parts.push(part)
    room -= part.length
    if (length > part.length) return { data: Buffer.concat(parts), cut: true }
  }
  return { data: Buffer.concat(parts), cut: false }
}

/** cmsg(3): descriptors are the only thing that may be sent along. */
function passedDescriptors(call: Call, pointer: number, length: number): Outcome<readonly number[]> {
  if (pointer === 0 || length === 0) return []
  if (length > 4096) return Fail.of(Errno.ENOBUFS)
  const control = call.target.readBytes(pointer, length)
  if (failed(control)) return control
  const view = new DataView(control.buffer, control.byteOffset, control.length)
  const numbers: number[] = []
  for (let at = 0; at + CMSGHDR.size <= length;) {
    const size = word64(control, at + CMSGHDR.cmsg_len)
    if (size < CMSGHDR.size || at + size > length) return Fail.of(Errno.EINVAL)
    if (
      view.getInt32(at + CMSGHDR.cmsg_level, true) !== SOL_SOCKET ||
      view.getInt32(at + CMSGHDR.cmsg_type, true) !== SCM_RIGHTS
    ) {
      return Fail.of(Errno.EPERM)
    }
    for (let item = at + CMSGHDR.size; item + 4 <= at + size; item += 4) numbers.push(view.getInt32(item, true))
    at += Math.ceil(size / 8) * 8
  }
  return numbers.length > MAX_PASSED ? Fail.of(Errno.EINVAL) : numbers
}

/** Where it has to wait, what it was decided on is kept, so that neither the socket nor what goes along is another by then. */
function send(call: Call, fd: number, message: Message, flags: number): Reply {
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
  if (message.cut && facts.type !== SOCK_STREAM) return finish(Fail.of(Errno.EMSGSIZE))
  if (facts.domain === AF_NETLINK && !onlyAsks(message.data)) return finish(Fail.of(Errno.EPERM))
  const refused = takePassed(call, held, message.passed, pass)
  if (refused !== undefined) return finish(refused)
  const isBlocking = (flags & MSG_DONTWAIT) === 0 && call.kernel.sockets.isBlocking(held)
  const deliver = (to?: Endpoint): Reply => {
    const sent = call.kernel.sockets.send(held, message.data, flags, to, pass)
    return failed(sent) ? sent : value(sent)
  }
  // A stream that is connected ignores an address; MSG_FASTOPEN makes it connect. Both are decided as a connect.
  const attempt = (): Reply =>
    message.address === undefined ? deliver() : onAddress(call, facts, message.address, 'connect', deliver)
  const again = (): Reply => {
    const reply = attempt()
    return failed(reply) && reply.errno === Errno.EAGAIN && isBlocking ? waiting : finish(reply)
  }
  const waiting: Reply = {
    kind: 'later',
    again,
    cancel: () => void finish(DONE),
    keeps: { descriptors: 1 + message.passed.length, bytes: message.data.length },
    // Of datagrams it is the receiver's queue that is full, which nothing tells.
    ...(facts.type === SOCK_STREAM ? { ready: { fd: held, direction: 'out' } } : {}),
  }
  return again()
}

/** The descriptors that go along; undefined where all may. */
function takePassed(call: Call, held: Descriptor, numbers: readonly number[], pass: Descriptor[]): Fail | undefined {
  const { sockets } = call.kernel
  for (const number of numbers) {
    const taken = call.target.descriptor(number)
    if (failed(taken)) return taken
    pass.push(taken)
    // Whoever gets an end of a pair could send descriptors in over it, past every decision.
    if (!sockets.takesDescriptors(held) && sockets.takesDescriptors(taken)) {
      call.record({
        kind: 'forbidden',
        violation: true,
        why: 'hands out a socket over which descriptors could come back',
      })
      return Fail.of(Errno.EPERM)
    }
  }
  return undefined
}

/** rtnetlink(7): the RTM_GET* messages, by which getifaddrs(3) lists what there is. */
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
  const size = Math.min(length, MAX_DATA)
  const bytes = size === 0 ? new Uint8Array(0) : call.target.readBytes(data, size)
  if (failed(bytes)) return bytes
  return send(call, fd, { address, data: bytes, cut: size < length, passed: [] }, flags)
}

function sendmsgCall(call: Call, { fd, header, flags }: { fd: number; header: number; flags: number }): Reply {
  const bytes = call.target.readBytes(header, MSGHDR.size)
  if (failed(bytes)) return bytes
  const message = readMessage(call, bytes)
  return failed(message) ? message : send(call, fd, message, flags)
}

/** sendmmsg(2): the number of messages sent; an error only if the first one failed. None of them waits. */
function sendmmsgCall(
  call: Call,
  { fd, headers, count, flags }: Record<'fd' | 'headers' | 'count' | 'flags', number>,
): Reply {
  let sent = 0
  for (; sent < Math.min(count, MAX_MESSAGES); sent++) {
    const at = headers + sent * MMSGHDR.size
    const bytes = call.target.readBytes(at, MSGHDR.size)
    const message = failed(bytes) ? bytes : readMessage(call, bytes)
    const reply = failed(message) ? message : send(call, fd, message, sent === 0 ? flags : flags | MSG_DONTWAIT)
    const one = tellLength(call, at + MMSGHDR.msg_len, reply)
    if (failed(one) || one.kind !== 'value') return sent === 0 ? one : value(sent)
  }
  return value(sent)
}

/** What was sent, into the message's own header; the call then counts one message. Also where it is sent only later. */
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
    answer: `${answer}; without a destination it does not come here`,
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
