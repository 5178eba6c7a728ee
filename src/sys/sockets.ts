/** The socket port on the real kernel. */
import { readFileSync } from 'node:fs'
import { Errno } from '../abi/errno.js'
import { F_GETFL, F_SETFL } from '../abi/fcntl.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_EMPTY_PATH, AT_FDCWD } from '../abi/path-flags.js'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_ACCEPTCONN,
  SO_ATTACH_FILTER,
  SO_COOKIE,
  SO_DETACH_FILTER,
  SO_DOMAIN,
  SO_LINGER,
  SO_PASSCRED,
  SO_PASSRIGHTS,
  SO_PEERCRED,
  SO_PROTOCOL,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDTIMEO,
  SO_TYPE,
  UDP_CORK,
} from '../abi/socket.js'
import { CMSGHDR, IOVEC, MSGHDR, OPEN_HOW, SOCK_FILTER, SOCK_FPROG, SOCKADDR_IN } from '../abi/structs.js'
import { OP } from '../bpf/instruction.js'
import type { BytePath } from '../policy/request.js'
import { addressBytes, hostOf, parseAddress } from '../syscalls/addresses.js'
import type { Endpoint } from '../syscalls/endpoint.js'
import type { Reception } from '../syscalls/filter.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import type { ControlMessage, Descriptor, Receipt, Room, SocketAt, SocketFacts, Sockets } from '../syscalls/ports.js'
import { TYPE_MASK } from '../syscalls/socket-kinds.js'
import type { Creation } from './creation.js'
import { hostArch } from './host.js'
import { Identities } from './identity.js'
import { Inbox } from './inbox.js'
import type { InodeLocks, Turn } from './inode-locks.js'
import { NameInDirectory } from './name-in-directory.js'
import { isOwnEnd } from './own-ends.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const N = {
  socket: numberOf('socket'),
  connect: numberOf('connect'),
  bind: numberOf('bind'),
  listen: numberOf('listen'),
  accept4: numberOf('accept4'),
  getsockopt: numberOf('getsockopt'),
  setsockopt: numberOf('setsockopt'),
  getsockname: numberOf('getsockname'),
  getpeername: numberOf('getpeername'),
  sendmsg: numberOf('sendmsg'),
  sendto: numberOf('sendto'),
  recvfrom: numberOf('recvfrom'),
  fcntl: numberOf('fcntl'),
  ppoll: numberOf('ppoll'),
  fchdir: numberOf('fchdir'),
  fchmod: numberOf('fchmod'),
  fchmodat: numberOf('fchmodat'),
  openat2: numberOf('openat2'),
  socketpair: numberOf('socketpair'),
}
const O = openFlags(hostArch())
/** The mode of a socket's own inode: net/socket.c, sock_alloc. */
const SOCKET_MODE = 0o777
const STRICT = 0x6
/** struct timeval, and one of a microsecond, which the kernel rounds up to one tick of its clock. */
const TIMEVAL_SIZE = 16
const SHORTEST = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
/** The size of struct ucred. */
const UCRED_SIZE = 12
/** Any port would do: nothing is sent there. */
const DISCARD_PORT = 9
const SOCK_DIAG_BY_FAMILY = 20
const NLM_F_DUMP = 0x301
const NETLINK_SOCK_DIAG = 4
/**
 * Bits of states: include/net/tcp_states.h. ANY_STATE includes sockets that are only bound, which have a state since
 * Linux 6.8.
 */
const LISTENING = 1 << 10
const ANY_STATE = 0x3fff
/**
 * The size of a list that is whole for sure. A longer one may come in parts, and the kernel counts the sockets of the
 * former parts to find where to go on: if one of these is closed meanwhile, it passes over another (net/ipv4/udp_diag.c,
 * udp_dump; inet_diag.c). A part has room for NLMSG_GOODSIZE bytes at least, and a socket takes some 100.
 */
const ONE_PART = 3000

/** A line of /proc/net/unix: type and inode. */
const UNIX_SOCKET = /^[0-9a-f]+: [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{4}) [0-9A-F]{2} +(\d+)/

interface Dump {
  readonly family: number
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly states: number
  /** True for a list that may come in parts, and then lack sockets. */
  readonly inParts: boolean
}

function fdOf(descriptor: Descriptor): number {
  if (!(descriptor instanceof OwnedFd)) throw new TypeError('a descriptor of another kernel')
  return descriptor.number
}

function ok(result: number): Outcome<true> {
  return result < 0 ? Fail.of(result) : true
}

function isDatagram(domain: number, type: number): boolean {
  return (domain === AF_INET || domain === AF_INET6) && type === SOCK_DGRAM
}

/** True if data sent there reach somebody, who may answer. */
function mayAnswer({ exemption }: Endpoint): boolean {
  return exemption !== 'unspecified' && exemption !== 'no-packet'
}

/** A filter that drops everything: struct sock_fprog, and its one instruction. */
function filterOfNothing(): Pinned {
  const memory = new Pinned(SOCK_FPROG.size + SOCK_FILTER.size)
  memory.bytes.writeUInt16LE(1, SOCK_FPROG.len)
  memory.setWord(SOCK_FPROG.filter, memory.address + SOCK_FPROG.size)
  memory.bytes.writeUInt16LE(OP.return, SOCK_FPROG.size + SOCK_FILTER.code)
  return memory
}

export class LinuxSockets implements Sockets {
  readonly #nothing = filterOfNothing()
  readonly #option = new Pinned(16)
  readonly #time = new Pinned(TIMEVAL_SIZE + 8)
  readonly #address = new Pinned(160)
  readonly #data = new Pinned(66_000)
  readonly #message = new Pinned(MSGHDR.size + IOVEC.size)
  readonly #control = new Pinned(2048)
  readonly #path = new Pinned(4096 + 256)
  readonly #how = new Pinned(OPEN_HOW.size)
  readonly #poll = new Pinned(32)
  readonly #identities = new Identities()

  #inbox: Inbox | undefined

  constructor(
    readonly creation: Creation,
    readonly locks: InodeLocks,
    readonly reception: Reception = 'kernel',
  ) {}

  create(domain: number, type: number, protocol: number): Outcome<OwnedFd> {
    const made = sys3(N.socket, domain, type | SOCK_CLOEXEC, protocol)
    if (made < 0) return Fail.of(made)
    const fd = new OwnedFd(made)
    if (!isDatagram(domain, type & TYPE_MASK)) return this.#closedToDescriptors(fd, domain)
    const deaf = this.#deafen(made)
    if (deaf === 0) return fd
    fd.close()
    return Fail.of(deaf)
  }

  /**
   * Makes a datagram socket drop what comes in, until an address has been decided: write(2) gives it a port on all
   * addresses before it fails for lack of a destination (net/ipv4/af_inet.c, inet_autobind), and is never mediated.
   */
  #deafen(socket: number): number {
    return sys6(N.setsockopt, socket, SOL_SOCKET, SO_ATTACH_FILTER, this.#nothing.address, SOCK_FPROG.size)
  }

  /** A socket that is disconnected may lose its port, and then gets another one by write(2). */
  #deafenIfDatagram(socket: number): number {
    return isDatagram(this.#number(socket, SO_DOMAIN), this.#number(socket, SO_TYPE)) ? this.#deafen(socket) : 0
  }

  hear(fd: Descriptor): void {
    this.#hear(fdOf(fd))
  }

  /** Lets a datagram socket receive. Other sockets have no filter. */
  #hear(socket: number): void {
    sys6(N.setsockopt, socket, SOL_SOCKET, SO_DETACH_FILTER, this.#option.address, 4)
  }

  /**
   * Closes a unix socket to descriptors: a peer outside could hand them in, past every decision. unix(7), SCM_RIGHTS.
   */
  #closedToDescriptors(fd: OwnedFd, domain: number): Outcome<OwnedFd> {
    if (domain !== AF_UNIX || this.reception === 'broker') return fd
    this.#option.bytes.writeInt32LE(0, 0)
    const set = sys6(N.setsockopt, fd.number, SOL_SOCKET, SO_PASSRIGHTS, this.#option.address, 4)
    if (set === 0) return fd
    fd.close()
    return Fail.of(Errno.EACCES)
  }

  takesDescriptors(fd: Descriptor): boolean {
    return this.reception === 'broker' ? isOwnEnd(fdOf(fd)) : this.#number(fdOf(fd), SO_PASSRIGHTS) > 0
  }

  /** True for an address of this machine: by the kernel's routes, data sent to it come from that very address. */
  isHere(host: string): boolean {
    const bytes = addressBytes({ family: 'inet', protocol: 'udp', host, port: DISCARD_PORT })
    if (failed(bytes)) return false
    const made = this.create(bytes.length === SOCKADDR_IN.size ? AF_INET : AF_INET6, SOCK_DGRAM, 0)
    if (failed(made)) return false
    using probe = made
    this.#address.bytes.set(bytes)
    if (sys3(N.connect, probe.number, this.#address.address, bytes.length) < 0) return false
    const local = this.localAddress(probe)
    const from = failed(local) ? local : parseAddress(local)
    return !failed(from) && from.family === 'inet' && from.host === host
  }

  pair(): Outcome<readonly [OwnedFd, OwnedFd]> {
    const made = sys6(N.socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, this.#option.address)
    if (made < 0) return Fail.of(made)
    const [first, second] = [
      new OwnedFd(this.#option.bytes.readInt32LE(0)),
      new OwnedFd(this.#option.bytes.readInt32LE(4)),
    ]
    const closed = this.#closedToDescriptors(first, AF_UNIX)
    const also = this.#closedToDescriptors(second, AF_UNIX)
    if (!failed(closed) && !failed(also)) return [closed, also]
    first.close()
    second.close()
    return failed(closed) ? closed : Fail.of(Errno.EACCES)
  }

  isOver(fd: Descriptor): boolean {
    return sys6(N.recvfrom, fdOf(fd), this.#option.address, 1, MSG_PEEK | MSG_DONTWAIT, 0, 0) === 0
  }

  #number(fd: number, option: number): number {
    this.#option.bytes.writeInt32LE(4, 8)
    const got = sys6(N.getsockopt, fd, SOL_SOCKET, option, this.#option.address, this.#option.address + 8)
    return got < 0 ? got : this.#option.bytes.readInt32LE(0)
  }

  facts(fd: Descriptor): Outcome<SocketFacts> {
    const domain = this.#number(fdOf(fd), SO_DOMAIN)
    if (domain < 0) return Fail.of(domain)
    return { domain, type: this.#number(fdOf(fd), SO_TYPE), protocol: this.#number(fdOf(fd), SO_PROTOCOL) }
  }

  cookie(fd: Descriptor): Outcome<string> {
    this.#option.bytes.writeInt32LE(8, 8)
    const got = sys6(N.getsockopt, fdOf(fd), SOL_SOCKET, SO_COOKIE, this.#option.address, this.#option.address + 8)
    return got < 0 ? Fail.of(got) : this.#option.bytes.readBigUInt64LE(0).toString()
  }

  localAddress(fd: Descriptor): Outcome<Uint8Array> {
    this.#address.bytes.writeInt32LE(128, 128)
    const got = sys3(N.getsockname, fdOf(fd), this.#address.address, this.#address.address + 128)
    return got < 0 ? Fail.of(got) : this.#addressRead()
  }

  remoteAddress(fd: Descriptor): Outcome<Uint8Array> {
    this.#address.bytes.writeInt32LE(128, 128)
    const got = sys3(N.getpeername, fdOf(fd), this.#address.address, this.#address.address + 128)
    return got < 0 ? Fail.of(got) : this.#addressRead()
  }

  peerCredentials(fd: Descriptor): Outcome<Uint8Array> {
    this.#option.bytes.writeInt32LE(UCRED_SIZE, UCRED_SIZE)
    const { address, bytes } = this.#option
    const got = sys6(N.getsockopt, fdOf(fd), SOL_SOCKET, SO_PEERCRED, address, address + UCRED_SIZE)
    return got < 0 ? Fail.of(got) : Uint8Array.prototype.slice.call(bytes, 0, UCRED_SIZE)
  }

  passCredentials(fd: Descriptor, isOn: boolean): Outcome<true> {
    this.#option.bytes.writeInt32LE(isOn ? 1 : 0, 0)
    return ok(sys6(N.setsockopt, fdOf(fd), SOL_SOCKET, SO_PASSCRED, this.#option.address, 4))
  }

  #addressRead(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#address.bytes, 0, Math.min(128, this.#address.bytes.readInt32LE(128)))
  }

  // --- modes

  isBlocking(fd: Descriptor): boolean {
    const flags = sys3(N.fcntl, fdOf(fd), F_GETFL)
    return flags >= 0 && (flags & O.O_NONBLOCK) === 0
  }

  isReady(fd: Descriptor, direction: 'in' | 'out'): boolean {
    const { bytes, address } = this.#poll
    bytes.writeInt32LE(fdOf(fd), 0)
    bytes.writeUInt32LE(direction === 'in' ? 1 : 4, 4)
    bytes.fill(0, 8)
    return sys6(N.ppoll, address, 1, address + 16, 0, 8) > 0
  }

  resetOnClose(fd: Descriptor, isOn: boolean): Outcome<true> {
    this.#option.bytes.writeInt32LE(isOn ? 1 : 0, 0)
    this.#option.bytes.writeInt32LE(0, 4)
    return ok(sys6(N.setsockopt, fdOf(fd), SOL_SOCKET, SO_LINGER, this.#option.address, 8))
  }

  /**
   * Runs a call without waiting. connect(2) has no flag for that, so the socket's own mode is changed for the time of
   * the call. The target may change it back meanwhile, so the socket also gets the shortest timeout there is, which the
   * target cannot change: only the broker sets SO_SNDTIMEO.
   */
  #withoutWaiting(fd: number, act: () => number): number {
    const flags = sys3(N.fcntl, fd, F_GETFL)
    if (flags < 0) return flags
    const time = this.#sendTimeout(fd)
    if (failed(time)) return -time.errno
    this.#setSendTimeout(fd, SHORTEST)
    const waits = (flags & O.O_NONBLOCK) === 0
    if (waits) sys3(N.fcntl, fd, F_SETFL, flags | O.O_NONBLOCK)
    const result = act()
    if (waits) sys3(N.fcntl, fd, F_SETFL, flags)
    this.#setSendTimeout(fd, time)
    return result
  }

  #sendTimeout(fd: number): Outcome<Uint8Array> {
    this.#time.bytes.writeInt32LE(TIMEVAL_SIZE, TIMEVAL_SIZE)
    const got = sys6(N.getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, this.#time.address, this.#time.address + TIMEVAL_SIZE)
    return got < 0 ? Fail.of(got) : Uint8Array.prototype.slice.call(this.#time.bytes, 0, TIMEVAL_SIZE)
  }

  #setSendTimeout(fd: number, time: Uint8Array): number {
    this.#time.bytes.set(time)
    return sys6(N.setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, this.#time.address, TIMEVAL_SIZE)
  }

  sendTimeout(fd: Descriptor, time: Uint8Array): Outcome<true> {
    return ok(this.#setSendTimeout(fdOf(fd), time))
  }

  join(fd: Descriptor, level: number, option: number, request: Uint8Array): Outcome<true> {
    this.#data.bytes.set(request)
    return ok(sys6(N.setsockopt, fdOf(fd), level, option, this.#data.address, request.length))
  }

  // --- addresses

  #open(path: string, flags: number, from = AT_FDCWD): Outcome<OwnedFd> {
    const { bytes, address } = this.#how
    bytes.writeUInt32LE((flags | O.O_PATH | O.O_CLOEXEC) >>> 0, OPEN_HOW.flags)
    bytes.writeUInt32LE(STRICT, OPEN_HOW.resolve)
    const fd = sys6(N.openat2, from, this.#path.text(path), address, OPEN_HOW.size)
    return fd < 0 ? Fail.of(fd) : new OwnedFd(fd)
  }

  #unixAddress(text: string): number {
    if (text.length > 107) return -Errno.ENAMETOOLONG
    this.#address.bytes.fill(0, 0, 112)
    this.#address.bytes.writeUInt16LE(AF_UNIX, 0)
    this.#address.bytes.write(text, 2, 'latin1')
    return 2 + text.length + 1
  }

  /** Lays out the address and calls with its length. A unix path is reached by a handle of its own, through no link. */
  #with(to: Endpoint, act: (address: number, length: number) => number): number {
    if (to.place === undefined) {
      this.#address.bytes.set(to.bytes)
      return act(this.#address.address, to.bytes.length)
    }
    const handle = this.#open(to.place.path, 0)
    if (failed(handle)) return -handle.errno
    using there = handle
    if (to.file !== undefined && this.#identities.of(there.number, this.#path.text(''), AT_EMPTY_PATH) !== to.file)
      return -Errno.ECONNREFUSED
    const length = this.#unixAddress(`/proc/thread-self/fd/${there.number}`)
    return length < 0 ? length : act(this.#address.address, length)
  }

  connect(fd: Descriptor, to: Endpoint): Outcome<true> {
    const socket = fdOf(fd)
    return ok(
      this.#with(to, (address, length) => {
        const deaf = to.exemption === 'unspecified' ? this.#deafenIfDatagram(socket) : 0
        if (deaf < 0) return deaf
        const connected = this.#withoutWaiting(socket, () => sys3(N.connect, socket, address, length))
        if (connected === 0) {
          this.#uncork(socket)
          if (mayAnswer(to)) this.#hear(socket)
        }
        return connected
      }),
    )
  }

  /**
   * Lets a datagram go that was collected for the former peer (sendfile(2) and splice(2) do so by themselves), before
   * that peer's port may pass to somebody else. Other sockets do not know the option.
   */
  #uncork(socket: number): void {
    this.#option.bytes.writeInt32LE(0, 0)
    sys6(N.setsockopt, socket, IPPROTO_UDP, UDP_CORK, this.#option.address, 4)
  }

  bind(fd: Descriptor, to: Endpoint, umask: number): Outcome<true> {
    if (to.place !== undefined) return this.#bindName(fdOf(fd), NameInDirectory.of(to.name), umask)
    const socket = fdOf(fd)
    return ok(
      this.#with(to, (address, length) => {
        const bind = (): number => sys3(N.bind, socket, address, length)
        const bound = to.exemption === 'free-port' ? this.#alone(socket, bind) : bind()
        if (bound === 0) this.#hear(socket)
        return bound
      }),
    )
  }

  /**
   * Binds a port that was free a moment ago, without the options that would share it with a socket that has come
   * meanwhile. A stream keeps SO_REUSEADDR, which lets it take the port of a connection that is over.
   */
  #alone(socket: number, bind: () => number): number {
    const isStream = this.#number(socket, SO_TYPE) === SOCK_STREAM
    const options = isStream ? [SO_REUSEPORT] : [SO_REUSEPORT, SO_REUSEADDR]
    const shared = options.filter((option) => this.#number(socket, option) > 0)
    const set = (isOn: number): void => {
      this.#option.bytes.writeInt32LE(isOn, 0)
      for (const option of shared) sys6(N.setsockopt, socket, SOL_SOCKET, option, this.#option.address, 4)
    }
    set(0)
    const bound = bind()
    set(1)
    return bound
  }

  /**
   * Binds a unix socket to a name. Binding makes a file, by a path in which the kernel follows links, so it is done by
   * the name alone, from its directory; getsockname(2) then shows only the name, too. If the working directory belongs
   * to the whole process, the directory's descriptor stands before the name. The last part of a bound path is never
   * followed (fs/namei.c, kern_path_create).
   */
  #bindName(socket: number, { directory, name }: NameInDirectory, umask: number): Outcome<true> {
    if (this.creation.state === 'own') {
      const entered = sys3(N.fchdir, directory.number)
      if (entered < 0) return Fail.of(entered)
    }
    const from = this.creation.state === 'own' ? '' : `/proc/self/fd/${directory.number}/`
    const length = this.#unixAddress(from + name)
    if (length < 0) return Fail.of(length)
    // The file gets the socket's mode, less the umask (net/unix/af_unix.c, unix_bind_bsd).
    const { mode, lost } = this.creation.modeFor(SOCKET_MODE, umask)
    if (mode !== SOCKET_MODE) sys3(N.fchmod, socket, mode)
    const bound = ok(sys3(N.bind, socket, this.#address.address, length))
    if (mode !== SOCKET_MODE) sys3(N.fchmod, socket, SOCKET_MODE)
    return failed(bound) || lost === 0 ? bound : this.#chmod(directory, name, mode)
  }

  /** Sets the mode by a handle, so that no link is followed. */
  #chmod(directory: OwnedFd, name: string, mode: number): Outcome<true> {
    const opened = this.#open(name, O.O_NOFOLLOW, directory.number)
    if (failed(opened)) return opened
    using handle = opened
    return ok(sys6(N.fchmodat, AT_FDCWD, this.#path.text(`/proc/self/fd/${handle.number}`), mode))
  }

  listen(fd: Descriptor, backlog: number): Outcome<true> {
    return ok(sys3(N.listen, fdOf(fd), backlog))
  }

  hold(fd: Descriptor): Outcome<Turn> | 'taken' {
    return this.locks.takeHere(fdOf(fd))
  }

  accept(fd: Descriptor, flags: number): Outcome<{ fd: OwnedFd; address: Uint8Array }> {
    const socket = fdOf(fd)
    // The socket's mode, which the target may change at any time, decides if accept4(2) waits: so call it only if a
    // connection is there.
    if (this.#number(socket, SO_ACCEPTCONN) === 1 && !this.isReady(fd, 'in')) return Fail.of(Errno.EAGAIN)
    this.#address.bytes.writeInt32LE(128, 128)
    const { address } = this.#address
    const got = sys6(N.accept4, socket, address, address + 128, (flags & SOCK_NONBLOCK) | SOCK_CLOEXEC)
    if (got < 0) return Fail.of(got)
    const from = this.#addressRead()
    const accepted = this.#closedToDescriptors(new OwnedFd(got), this.#number(got, SO_DOMAIN))
    return failed(accepted) ? accepted : { fd: accepted, address: from }
  }

  send(
    fd: Descriptor,
    data: Uint8Array,
    flags: number,
    to: Endpoint | undefined,
    pass: readonly Descriptor[],
    control: readonly ControlMessage[] = [],
  ): Outcome<number> {
    // Few messages are larger than the largest of UDP.
    const buffer = data.length <= this.#data.size ? this.#data : new Pinned(data.length)
    buffer.bytes.set(data)
    const along = this.#layOutControl(pass, control)
    // The answer may come before the call returns.
    if (to !== undefined && mayAnswer(to)) this.#hear(fdOf(fd))
    const deliver = (address: number, length: number): number =>
      sys3(
        N.sendmsg,
        fdOf(fd),
        this.#layOut(address, length, buffer.address, data.length, along),
        (flags | MSG_DONTWAIT | MSG_NOSIGNAL) >>> 0,
      )
    const sent = to === undefined ? deliver(0, 0) : this.#with(to, deliver)
    return sent < 0 ? Fail.of(sent) : sent
  }

  receive(fd: Descriptor, room: Room, flags: number): Outcome<Receipt> {
    this.#inbox ??= new Inbox()
    return this.#inbox.receive(fdOf(fd), room, flags)
  }

  now(): number {
    return performance.now()
  }

  receiveLimits(fd: Descriptor): { readonly timeout: number | undefined; readonly lowest: number } {
    const { bytes, address } = this.#time
    bytes.writeInt32LE(TIMEVAL_SIZE, TIMEVAL_SIZE)
    const got = sys6(N.getsockopt, fdOf(fd), SOL_SOCKET, SO_RCVTIMEO, address, address + TIMEVAL_SIZE)
    const timeout = got < 0 ? 0 : Number(bytes.readBigInt64LE(0)) * 1000 + Number(bytes.readBigInt64LE(8)) / 1000
    return { timeout: timeout > 0 ? timeout : undefined, lowest: Math.max(1, this.#number(fdOf(fd), SO_RCVLOWAT)) }
  }

  #layOut(address: number, length: number, from: number, size: number, along: number): number {
    const { bytes } = this.#message
    bytes.fill(0)
    bytes.writeBigUInt64LE(BigInt(address), MSGHDR.msg_name)
    bytes.writeInt32LE(length, MSGHDR.msg_namelen)
    bytes.writeBigUInt64LE(BigInt(this.#message.address + MSGHDR.size), MSGHDR.msg_iov)
    bytes.writeBigUInt64LE(1n, MSGHDR.msg_iovlen)
    bytes.writeBigUInt64LE(BigInt(from), MSGHDR.size + IOVEC.iov_base)
    bytes.writeBigUInt64LE(BigInt(size), MSGHDR.size + IOVEC.iov_len)
    if (along > 0) {
      bytes.writeBigUInt64LE(BigInt(this.#control.address), MSGHDR.msg_control)
      bytes.writeBigUInt64LE(BigInt(along), MSGHDR.msg_controllen)
    }
    return this.#message.address
  }

  /** Lays out control messages and returns their size in `#control`: cmsg(3). */
  #layOutControl(pass: readonly Descriptor[], control: readonly ControlMessage[]): number {
    const { bytes } = this.#control
    let at = 0
    const add = (level: number, type: number, length: number): number => {
      bytes.writeBigUInt64LE(BigInt(CMSGHDR.size + length), at + CMSGHDR.cmsg_len)
      bytes.writeInt32LE(level, at + CMSGHDR.cmsg_level)
      bytes.writeInt32LE(type, at + CMSGHDR.cmsg_type)
      const content = at + CMSGHDR.size
      at += Math.ceil((CMSGHDR.size + length) / 8) * 8
      return content
    }
    if (pass.length > 0) {
      const content = add(SOL_SOCKET, SCM_RIGHTS, pass.length * 4)
      pass.forEach((fd, index) => bytes.writeInt32LE(fdOf(fd), content + index * 4))
    }
    for (const { level, type, content } of control) bytes.set(content, add(level, type, content.length))
    return at
  }

  // --- sock_diag(7)

  receivers(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]> {
    return this.#at(protocol, port, protocol === 'tcp' ? LISTENING : ANY_STATE)
  }

  boundTo(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]> {
    // A server has any number of connections.
    return this.#at(protocol, port, ANY_STATE, protocol === 'tcp')
  }

  #at(protocol: 'tcp' | 'udp', port: number, states: number, inParts = false): Outcome<readonly SocketAt[]> {
    const made = sys3(N.socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    if (made < 0) return Fail.of(made)
    using netlink = new OwnedFd(made)
    const found: SocketAt[] = []
    for (const family of [AF_INET, AF_INET6]) {
      const failure = this.#dump(netlink.number, { family, protocol, port, states, inParts }, found)
      if (failure !== undefined) return failure
    }
    return found
  }

  /** Lists sockets: struct inet_diag_req_v2 and struct inet_diag_msg, include/uapi/linux/inet_diag.h. */
  #dump(netlink: number, { family, protocol, port, states, inParts }: Dump, found: SocketAt[]): Fail | undefined {
    const { bytes, address } = this.#data
    bytes.fill(0, 0, 72)
    bytes.writeUInt32LE(72, 0)
    bytes.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4)
    bytes.writeUInt16LE(NLM_F_DUMP, 6)
    bytes[16] = family
    bytes[17] = protocol === 'tcp' ? 6 : 17
    bytes.writeUInt32LE(states, 20)
    bytes.writeUInt16BE(port, 24)
    const asked = sys6(N.sendto, netlink, address, 72, 0, 0, 0)
    if (asked < 0) return Fail.of(asked)
    for (;;) {
      const got = sys6(N.recvfrom, netlink, address, 32_768, 0, 0, 0)
      if (got < 0) return Fail.of(got)
      if (!inParts && got > ONE_PART) return Fail.of(Errno.ENOBUFS)
      for (let at = 0; at + 16 <= got;) {
        const length = bytes.readUInt32LE(at)
        const type = bytes.readUInt16LE(at + 4)
        if (type === 3) return undefined
        if (type === 2) return Fail.of(-bytes.readInt32LE(at + 16))
        if (type === SOCK_DIAG_BY_FAMILY && bytes.readUInt16BE(at + 20) === port) {
          const from = bytes.subarray(at + 24, at + 24 + (family === AF_INET ? 4 : 16))
          found.push({
            host: hostOf(from),
            cookie: bytes.readBigUInt64LE(at + 60).toString(),
            inode: bytes.readUInt32LE(at + 84),
            peerPort: bytes.readUInt16BE(at + 22),
          })
        }
        at += Math.max(16, Math.ceil(length / 4) * 4)
      }
    }
  }

  /**
   * The inodes of the sockets with this abstract name. /proc/net/unix shows each NUL of the name as @, the first one
   * and any other: unix(7). A connection that waits to be accepted has no inode yet; the socket that listens has one.
   */
  named(abstract: BytePath, type: number): Outcome<readonly number[]> {
    const wanted = ` @${abstract.replaceAll('\0', '@')}`
    const lines = readFileSync('/proc/thread-self/net/unix', 'latin1').split('\n')
    return lines.flatMap((line) => {
      const [, kind = '', inode = '0'] = UNIX_SOCKET.exec(line) ?? []
      const isMeant = line.endsWith(wanted) && Number.parseInt(kind, 16) === type && inode !== '0'
      return isMeant ? [Number(inode)] : []
    })
  }

  share(fd: Descriptor, option: 'address' | 'port', isOn: boolean): Outcome<true> {
    this.#option.bytes.writeInt32LE(isOn ? 1 : 0, 0)
    return ok(
      sys6(
        N.setsockopt,
        fdOf(fd),
        SOL_SOCKET,
        option === 'address' ? SO_REUSEADDR : SO_REUSEPORT,
        this.#option.address,
        4,
      ),
    )
  }
}
