/**
 * recvmsg and recvmmsg, for a kernel on which a unix socket cannot be closed to descriptors (before Linux 6.16). The
 * broker receives on the target's socket and writes into the target's memory; docs/decisions/0011-who-receives.md says
 * why it does so for every socket.
 */
import { Errno } from '../abi/errno.js'
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  MSG_WAITFORONE,
  SOCK_STREAM,
} from '../abi/socket.js'
import { CMSGHDR, IOVEC, MMSGHDR, MSGHDR, TIMESPEC } from '../abi/structs.js'
import { UIO_MAXIOV } from '../abi/uio.js'
import { int, struct, unsigned, word, word64 } from './args.js'
import { value, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { onOwn } from './handle.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Descriptor, Receipt } from './ports.js'

const family = 'sockets'
/** The flag of a 32-bit caller; EINVAL for any other caller: include/linux/socket.h. */
const MSG_CMSG_COMPAT = 0x8000_0000
/** sizeof(struct sockaddr_storage): a longer msg_namelen counts as that. */
const MAX_NAME = 128
/** The most bytes that one call of the target port writes. */
const CHUNK = 65_536
/**
 * The most messages of one recvmmsg(2), which may always return fewer than asked for: other calls of the worker wait
 * meanwhile.
 */
const MAX_MESSAGES = 64

interface Segment {
  readonly at: number
  readonly length: number
}

/** A struct msghdr of the target, read once. */
interface MessageHeader {
  readonly at: number
  readonly name: number
  readonly nameRoom: number
  readonly segments: readonly Segment[]
  readonly room: number
  readonly control: number
  readonly controlRoom: number
}

function readHeader(call: Call, at: number): Outcome<MessageHeader> {
  const bytes = call.target.readBytes(at, MSGHDR.size)
  if (failed(bytes)) return bytes
  const name = word64(bytes, MSGHDR.msg_name)
  const nameRoom = new DataView(bytes.buffer, bytes.byteOffset).getInt32(MSGHDR.msg_namelen, true)
  if (name !== 0 && nameRoom < 0) return Fail.of(Errno.EINVAL)
  const count = word64(bytes, MSGHDR.msg_iovlen)
  if (count > UIO_MAXIOV) return Fail.of(Errno.EMSGSIZE)
  const segments = readSegments(call, word64(bytes, MSGHDR.msg_iov), count)
  if (failed(segments)) return segments
  const control = word64(bytes, MSGHDR.msg_control)
  const controlRoom = word64(bytes, MSGHDR.msg_controllen)
  // net/socket.c, ____sys_recvmsg and put_cmsg: a pointer without room, or room without a pointer, counts as none.
  if (controlRoom > 0x7fff_ffff) return Fail.of(Errno.ENOBUFS)
  return {
    at,
    name,
    nameRoom: name === 0 ? 0 : Math.min(nameRoom, MAX_NAME),
    segments,
    room: segments.reduce((sum, { length }) => sum + length, 0),
    control,
    controlRoom: control === 0 ? 0 : controlRoom,
  }
}

function readSegments(call: Call, pointer: number, count: number): Outcome<readonly Segment[]> {
  if (count === 0) return []
  const vector = call.target.readBytes(pointer, count * IOVEC.size)
  if (failed(vector)) return vector
  const segments: Segment[] = []
  for (let index = 0; index < count; index++) {
    const length = word64(vector, index * IOVEC.size + IOVEC.iov_len)
    // A length is a ssize_t and must not be negative: lib/iov_iter.c.
    if (length >= 2 ** 63) return Fail.of(Errno.EINVAL)
    segments.push({ at: word64(vector, index * IOVEC.size + IOVEC.iov_base), length })
  }
  return segments
}

/** Writes data into the segments, from their `skip`th byte on. */
function scatter(call: Call, segments: readonly Segment[], skip: number, data: Uint8Array): Outcome<true> {
  let from = 0
  let before = skip
  for (const { at, length } of segments) {
    if (from === data.length) break
    const start = Math.min(before, length)
    before -= start
    const end = Math.min(data.length, from + length - start)
    for (let into = at + start; from < end;) {
      const part = data.subarray(from, Math.min(end, from + CHUNK))
      const written = call.target.writeBytes(into, part)
      if (failed(written)) return written
      from += part.length
      into += part.length
    }
  }
  return true
}

/** A receive under way: a call with MSG_WAITALL takes several. */
interface Taking {
  readonly header: MessageHeader
  readonly flags: number
  readonly cloexec: boolean
  /** True if descriptors may come in over this socket. */
  readonly takes: boolean
  /** The bytes that the call waits for: SO_RCVLOWAT, MSG_WAITALL. */
  readonly target: number
  got: number
}

type Taken = Extract<Reply, { kind: 'received' | 'value' }> | Fail

/** Makes one recvmsg(2), without waiting: EAGAIN if nothing has arrived, or not enough. */
function take(call: Call, held: Descriptor, taking: Taking): Taken {
  const { header, flags } = taking
  const receipt = call.kernel.sockets.receive(
    held,
    { data: header.room - taking.got, control: taking.takes ? header.controlRoom : 0 },
    flags,
  )
  if (failed(receipt))
    return taking.got > 0 && receipt.errno !== Errno.EAGAIN ? { kind: 'value', value: taking.got } : receipt
  // There was no room for descriptors that came along: the kernel closed them, and says so.
  if (!taking.takes && header.controlRoom > 0 && (receipt.flags & MSG_CTRUNC) !== 0) tellStranger(call)
  const isMore = taking.got + receipt.length < taking.target && receipt.length > 0 && receipt.rights === undefined
  const written = scatter(call, header.segments, taking.got, receipt.data)
  const named = failed(written) ? written : giveName(call, header, receipt.address)
  if (failed(named)) {
    for (const fd of receipt.rights?.fds ?? []) fd.close()
    return named
  }
  taking.got += receipt.length
  const { rights } = receipt
  if (rights !== undefined) {
    return {
      kind: 'received',
      fds: rights.fds,
      cloexec: taking.cloexec,
      finish: (numbers) => finish(call, header, receipt, numbers, taking.got),
    }
  }
  const done = finish(call, header, receipt, [], taking.got)
  return isMore && !failed(done) ? Fail.of(Errno.EAGAIN) : done
}

function tellStranger(call: Call): void {
  call.record({
    outcome: 'forbidden',
    violation: true,
    why: 'would take a descriptor that another process sends over a unix socket',
  })
}

/** recvmsg(2): writes as much of the address as there is room for, and its whole length. */
function giveName(call: Call, { at, name, nameRoom }: MessageHeader, address: Uint8Array): Outcome<true> {
  if (name === 0) return true
  const written = call.target.writeBytes(name, address.subarray(0, nameRoom))
  return failed(written) ? written : call.target.writeBytes(at + MSGHDR.msg_namelen, int32(address.length))
}

/**
 * Writes control messages and flags, at the end. `numbers`: those of the descriptors, as many as the target had room
 * for.
 */
function finish(
  call: Call,
  header: MessageHeader,
  receipt: Receipt,
  numbers: readonly number[],
  result: number,
): Fail | { readonly kind: 'value'; readonly value: number } {
  const { control, flags } = withNumbers(receipt, numbers)
  const length = Buffer.alloc(8)
  length.writeUInt32LE(control.length, 0)
  for (const [pointer, bytes] of [
    [header.control, control],
    [header.at + MSGHDR.msg_controllen, length],
    [header.at + MSGHDR.msg_flags, int32(flags)],
  ] as const) {
    const written = call.target.writeBytes(pointer, bytes)
    if (failed(written)) return written
  }
  return { kind: 'value', value: result }
}

/** net/core/scm.c, scm_detach_fds: descriptors without room are left out, and MSG_CTRUNC says so. */
function withNumbers(
  { control, rights, flags }: Receipt,
  numbers: readonly number[],
): Pick<Receipt, 'control' | 'flags'> {
  if (rights === undefined) return { control, flags }
  const lost = numbers.length < rights.fds.length
  const told = lost ? flags | MSG_CTRUNC : flags
  if (numbers.length === 0) return { control: control.subarray(0, rights.at), flags: told }
  const size = CMSGHDR.size + numbers.length * 4
  const bytes = Buffer.from(lost ? control.subarray(0, rights.at + Math.ceil(size / 8) * 8) : control)
  bytes.writeBigUInt64LE(BigInt(size), rights.at + CMSGHDR.cmsg_len)
  numbers.forEach((number, index) => bytes.writeInt32LE(number, rights.at + CMSGHDR.size + index * 4))
  return { control: bytes, flags: told }
}

function int32(number: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(number | 0)
  return bytes
}

// --- waiting

/** The way in which a socket waits in recvmsg(2), read once. */
interface Patience {
  readonly waits: boolean
  readonly until: number
  /** True if poll(2) reports everything to wait for: not so with a timeout, or with TCP and an SO_RCVLOWAT above 1. */
  readonly isTold: boolean
}

const NO_PATIENCE: Patience = { waits: false, until: 0, isTold: false }

function patienceOf(call: Call, held: Descriptor, flags: number): Patience {
  const { sockets } = call.kernel
  // MSG_ERRQUEUE never waits: recv(2).
  if ((flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) !== 0 || !sockets.isBlocking(held)) return NO_PATIENCE
  const { timeout, lowest } = sockets.receiveLimits(held)
  const until = timeout === undefined ? Infinity : sockets.now() + timeout
  return { waits: true, until, isTold: timeout === undefined && lowest === 1 }
}

function takingOn(call: Call, held: Descriptor, header: MessageHeader, flags: number): Outcome<Taking> {
  const { sockets } = call.kernel
  const facts = sockets.facts(held)
  if (failed(facts)) return facts
  const isWhole = facts.type === SOCK_STREAM && (flags & (MSG_PEEK | MSG_OOB | MSG_TRUNC)) === 0
  const waits = isWhole && (flags & MSG_DONTWAIT) === 0 && sockets.isBlocking(held)
  const least = (flags & MSG_WAITALL) === 0 ? sockets.receiveLimits(held).lowest : header.room
  return {
    header,
    flags: flags & ~MSG_WAITALL,
    cloexec: (flags & MSG_CMSG_CLOEXEC) !== 0,
    takes: facts.domain !== AF_UNIX || sockets.takesDescriptors(held),
    target: waits ? Math.min(least, header.room) : 0,
    got: 0,
  }
}

interface Step {
  /** Receives; EAGAIN while it has to wait. */
  readonly now: () => Reply
  /** The reply once the socket's own timeout is over. */
  readonly late: () => Reply
  readonly patience: Patience
  /** The header of the present message, whose data are kept while it waits. */
  readonly header: () => MessageHeader | undefined
}

/**
 * Receives now, or as soon as it can be done. It stays with one and the same socket, because its settings were read
 * from that one.
 */
function whenThere(call: Call, fd: number, begin: (on: Descriptor) => Outcome<Step>): Reply {
  return onOwn(call, fd, (held) => {
    const step = begin(held)
    if (failed(step)) return step
    const { now, late, patience, header } = step
    const orLater = (reply: Reply): Reply => {
      if (!failed(reply) || reply.errno !== Errno.EAGAIN) return reply
      return patience.waits && call.kernel.sockets.now() < patience.until ? waiting() : late()
    }
    const waiting = (): Reply => ({
      kind: 'later',
      again: () => orLater(now()),
      cancel: () => {},
      keeps: { descriptors: 0, bytes: (header()?.segments.length ?? 0) * IOVEC.size },
      ...(patience.isTold ? { ready: { fd: held, direction: 'in' } } : {}),
    })
    return orLater(now())
  })
}

const NOTHING = Fail.of(Errno.EAGAIN)

function recvmsgCall(call: Call, { fd, at, flags }: { fd: number; at: number; flags: number }): Reply {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return Fail.of(Errno.EINVAL)
  const header = readHeader(call, at)
  if (failed(header)) return header
  return whenThere(call, fd, (held) => {
    const taking = takingOn(call, held, header, flags)
    if (failed(taking)) return taking
    return {
      now: () => take(call, held, taking),
      late: () => (taking.got > 0 ? value(taking.got) : NOTHING),
      patience: patienceOf(call, held, flags),
      header: () => header,
    }
  })
}

interface Several {
  readonly fd: number
  readonly at: number
  readonly count: number
  readonly flags: number
  readonly timeoutAt: number
  readonly timeout: Uint8Array | undefined
}

/**
 * recvmmsg(2): returns the number of messages; an error only if there is none. Its timeout is checked after each
 * message. A message with descriptors is the last of its call.
 */
function recvmmsgCall(call: Call, { fd, at, count, flags, timeoutAt, timeout }: Several): Reply {
  if ((flags & MSG_CMSG_COMPAT) !== 0) return Fail.of(Errno.EINVAL)
  const limit = timeout === undefined ? Infinity : milliseconds(timeout)
  if (limit === undefined) return Fail.of(Errno.EINVAL)
  const began = call.kernel.sockets.now()
  const most = Math.min(count, MAX_MESSAGES)
  const isFull = (): boolean => got >= most
  let got = 0
  let taking: Taking | undefined
  const counted = (reply: Taken): Taken => {
    if (failed(reply)) return reply
    const told = (result: Fail | Extract<Taken, { kind: 'value' }>): Fail | Extract<Taken, { kind: 'value' }> => {
      const length = failed(result)
        ? result
        : call.target.writeBytes(at + got * MMSGHDR.size + MMSGHDR.msg_len, int32(result.value))
      if (failed(length) || failed(result)) return failed(length) ? length : NOTHING
      got++
      taking = undefined
      return { kind: 'value', value: got }
    }
    return reply.kind === 'value' ? told(reply) : { ...reply, finish: (numbers) => left(told(reply.finish(numbers))) }
  }
  const left = <T extends Reply>(reply: T): T | Fail => {
    if (timeout === undefined || failed(reply)) return reply
    const written = call.target.writeBytes(
      timeoutAt,
      timespec(Math.max(0, limit - (call.kernel.sockets.now() - began))),
    )
    return failed(written) ? written : reply
  }
  const all = (): Reply => left(value(got))
  const step = (on: Descriptor): Reply => {
    while (!isFull()) {
      const again = (flags & MSG_WAITFORONE) !== 0 && got > 0 ? flags | MSG_DONTWAIT : flags
      if (taking === undefined) {
        const header = readHeader(call, at + got * MMSGHDR.size)
        const made = failed(header) ? header : takingOn(call, on, header, again & ~MSG_WAITFORONE)
        if (failed(made)) return got > 0 ? all() : made
        taking = made
      }
      const reply = counted(take(call, on, taking))
      if (failed(reply)) {
        if (reply.errno === Errno.EAGAIN && (again & MSG_DONTWAIT) === 0) return reply
        return got > 0 ? all() : reply
      }
      if (reply.kind === 'received') return reply
      if (call.kernel.sockets.now() - began >= limit) break
    }
    return all()
  }
  return whenThere(call, fd, (held) => ({
    now: () => step(held),
    late: () => (got > 0 ? all() : NOTHING),
    patience: patienceOf(call, held, flags),
    header: () => taking?.header,
  }))
}

/** Reads a struct timespec; undefined for an invalid one. */
function milliseconds(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [seconds, nanoseconds] = [view.getBigInt64(0, true), view.getBigInt64(8, true)]
  if (seconds < 0n || nanoseconds < 0n || nanoseconds >= 1_000_000_000n) return undefined
  return Number(seconds) * 1000 + Number(nanoseconds) / 1_000_000
}

function timespec(left: number): Uint8Array {
  const bytes = Buffer.alloc(TIMESPEC.size)
  bytes.writeBigInt64LE(BigInt(Math.floor(left / 1000)), TIMESPEC.tv_sec)
  bytes.writeBigInt64LE(BigInt(Math.floor((left % 1000) * 1_000_000)), TIMESPEC.tv_nsec)
  return bytes
}

const answer =
  'before Linux 6.16: received by the broker; descriptors come in only over the ends of a pair of the own tree. Since then it does not come here'

export const receivingFamily: readonly Row[] = [
  defineSyscall({
    name: 'recvmsg',
    family,
    operation: 'receive',
    answer,
    args: { fd: int(0), at: word(1), flags: int(2) },
    handle: recvmsgCall,
  }),
  defineSyscall({
    name: 'recvmmsg',
    family,
    operation: 'receive',
    answer,
    args: {
      fd: int(0),
      at: word(1),
      count: unsigned(2),
      flags: int(3),
      timeoutAt: word(4),
      timeout: struct(4, TIMESPEC.size),
    },
    handle: recvmmsgCall,
  }),
]
