/** Sockets in memory: enough to see which address a call reached, on which socket, and what it carried. */
import { Errno } from '../../src/abi/errno.js'
import { S_IFSOCK } from '../../src/abi/mode.js'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  MSG_CTRUNC,
  MSG_PEEK,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOL_SOCKET,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../../src/abi/socket.js'
import { CMSGHDR } from '../../src/abi/structs.js'
import type { BytePath } from '../../src/policy/request.js'
import { parseAddress } from '../../src/syscalls/addresses.js'
import type { Endpoint } from '../../src/syscalls/endpoint.js'
import { Fail, failed, type Outcome } from '../../src/syscalls/outcome.js'
import type { Place } from '../../src/syscalls/place.js'
import type { Descriptor, Receipt, Room, SocketAt, SocketFacts, Sockets } from '../../src/syscalls/ports.js'
import { description, FakeFd, type Description, type Ledger } from './fake-descriptors.js'

export class FakeSocket {
  local: string | undefined
  listening = false
  /** The queue of a listener is: what connects to it is under way. */
  isFull = false
  connected = false
  /** The address that it is connected to, of an internet socket. */
  remote: Uint8Array | undefined
  isUnderWay = false
  resetsOnClose = false
  takesCredentials = false
  sendTimeout: Uint8Array | undefined
  readonly queue: FakeSocket[] = []
  readonly received: Uint8Array[] = []
  /** What came along with each of `received`. */
  readonly handed: (readonly Description[])[] = []
  /** Of a pair: the descriptor of the other end. */
  peer: FakeFd | undefined

  readonly shares = new Set<'address' | 'port'>()

  constructor(
    readonly facts: SocketFacts,
    readonly cookie: string,
    readonly inode: number,
  ) {}
}

/** The files of unix sockets, which are the kernel port's. */
export interface SocketNodes {
  make(place: Place, mode: number, umask: number): Outcome<true>
  look(place: Place): Outcome<true>
  identityOf(path: Place['path']): Outcome<string>
}

/** struct cmsghdr, with room for the numbers; its space ends where the receiver's does. */
function rightsMessage(count: number, room: number): Uint8Array {
  const size = CMSGHDR.size + count * 4
  const bytes = Buffer.alloc(Math.min(room, Math.ceil(size / 8) * 8))
  bytes.writeBigUInt64LE(BigInt(size), CMSGHDR.cmsg_len)
  bytes.writeInt32LE(SOL_SOCKET, CMSGHDR.cmsg_level)
  bytes.writeInt32LE(SCM_RIGHTS, CMSGHDR.cmsg_type)
  return bytes
}

function keyOf({ bytes, place }: Endpoint): string {
  return place === undefined ? Buffer.from(bytes).toString('hex') : place.path
}

export class FakeSockets implements Sockets {
  readonly bound = new Map<string, FakeSocket>()
  /** What this machine has besides the loopback address. */
  readonly hosts = new Set<string>()
  /** What was reached, in order: `connect <key>`, `bind <key>`, `send <key>`. */
  readonly reached: string[] = []
  #made = 0
  #clock = 0

  constructor(
    readonly ledger: Ledger,
    readonly nodes: SocketNodes,
  ) {}

  /** A socket as the target may hold one. */
  make(domain: number, type: number, protocol = 0): FakeFd {
    const socket = new FakeSocket({ domain, type: type & 0xf, protocol }, `cookie-${++this.#made}`, this.#made)
    return new FakeFd(
      this.ledger,
      description({ label: `socket:[${this.#made}]`, socket, flags: type & SOCK_NONBLOCK }),
    )
  }

  create(domain: number, type: number, protocol: number): Outcome<Descriptor> {
    if (![AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].includes(domain)) return Fail.of(Errno.EAFNOSUPPORT)
    return this.make(domain, type, protocol)
  }

  pair(type = SOCK_STREAM): Outcome<readonly [FakeFd, FakeFd]> {
    const [first, second] = [this.make(AF_UNIX, type | SOCK_NONBLOCK), this.make(AF_UNIX, type | SOCK_NONBLOCK)]
    for (const [end, peer] of [
      [first, second],
      [second, first],
    ] as const) {
      const socket = this.#of(end)
      if (socket === undefined) continue
      socket.connected = true
      socket.peer = peer
    }
    return [first, second]
  }

  isOver(fd: Descriptor): boolean {
    const socket = this.#of(fd)
    return socket?.peer?.isOpen === false && socket.received.length === 0
  }

  #of(fd: Descriptor): FakeSocket | undefined {
    return fd instanceof FakeFd && fd.isOpen ? fd.description.socket : undefined
  }

  facts(fd: Descriptor): Outcome<SocketFacts> {
    return this.#of(fd)?.facts ?? Fail.of(Errno.ENOTSOCK)
  }

  localAddress(fd: Descriptor): Outcome<Uint8Array> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    const { domain } = socket.facts
    const size = domain === AF_INET ? 16 : domain === AF_INET6 ? 28 : 2
    const bytes = socket.local?.startsWith('/') === false ? Buffer.from(socket.local, 'hex') : Buffer.alloc(size)
    if (socket.local === undefined || size === 2) bytes.writeUInt16LE(domain)
    return bytes
  }

  remoteAddress(fd: Descriptor): Outcome<Uint8Array> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    return socket.connected ? (socket.remote ?? Buffer.from([socket.facts.domain, 0])) : Fail.of(Errno.ENOTCONN)
  }

  /** Everything was made by the broker, which is process 1. */
  peerCredentials(fd: Descriptor): Outcome<Uint8Array> {
    return this.#of(fd) === undefined ? Fail.of(Errno.ENOTSOCK) : Uint8Array.from([1, 0, 0, 0, ...Buffer.alloc(8)])
  }

  passCredentials(fd: Descriptor, isOn: boolean): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    socket.takesCredentials = isOn
    return true
  }

  cookie(fd: Descriptor): Outcome<string> {
    return this.#of(fd)?.cookie ?? Fail.of(Errno.ENOTSOCK)
  }

  receivers(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]> {
    return this.boundTo(protocol, port)
  }

  named(abstract: BytePath, type: number): Outcome<readonly number[]> {
    const key = Buffer.from(`\x01\0\0${abstract}`, 'latin1').toString('hex')
    const socket = this.bound.get(key)
    return socket?.facts.type === type ? [socket.inode] : []
  }

  share(fd: Descriptor, option: 'address' | 'port', isOn: boolean): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (isOn) socket.shares.add(option)
    else socket.shares.delete(option)
    return true
  }

  hear(): void {}

  boundTo(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]> {
    const found: SocketAt[] = []
    for (const [key, socket] of this.bound) {
      if (key.startsWith('/') || (socket.facts.type === SOCK_DGRAM) !== (protocol === 'udp')) continue
      const address = parseAddress(Buffer.from(key, 'hex'))
      if (failed(address) || address.family !== 'inet' || address.port !== port) continue
      const peer = socket.remote === undefined ? undefined : parseAddress(socket.remote)
      const peerPort = peer !== undefined && !failed(peer) && peer.family === 'inet' ? peer.port : 0
      found.push({ host: address.host, cookie: socket.cookie, inode: socket.inode, peerPort })
    }
    return found
  }

  /** Ends of pairs that were made outside. */
  readonly strangers = new Set<Description>()

  takesDescriptors(fd: Descriptor): boolean {
    return this.#of(fd)?.peer !== undefined && fd instanceof FakeFd && !this.strangers.has(fd.description)
  }

  isHere(host: string): boolean {
    return host === '127.0.0.1' || this.hosts.has(host)
  }

  isBlocking(fd: Descriptor): boolean {
    return fd instanceof FakeFd && (fd.description.flags & SOCK_NONBLOCK) === 0
  }

  isReady(fd: Descriptor): boolean {
    return this.#of(fd)?.isUnderWay !== true
  }

  resetOnClose(fd: Descriptor, isOn: boolean): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    socket.resetsOnClose = isOn
    return true
  }

  sendTimeout(fd: Descriptor, time: Uint8Array): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    socket.sendTimeout = time
    return true
  }

  join(fd: Descriptor, level: number, option: number): Outcome<true> {
    if (this.#of(fd) === undefined) return Fail.of(Errno.ENOTSOCK)
    this.reached.push(`join ${level} ${option}`)
    return true
  }

  connect(fd: Descriptor, address: Endpoint): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    const there = address.place === undefined ? true : this.nodes.look(address.place)
    if (failed(there)) return there
    if (!this.#isSame(address)) return Fail.of(Errno.ECONNREFUSED)
    this.reached.push(`connect ${keyOf(address)}`)
    const peer = this.bound.get(keyOf(address))
    socket.isUnderWay = false
    if (socket.facts.type !== SOCK_DGRAM && address.exemption !== 'unspecified') {
      if (peer?.isFull === true) {
        socket.isUnderWay = true
        return Fail.of(Errno.EINPROGRESS)
      }
      if (peer?.listening !== true) return Fail.of(Errno.ECONNREFUSED)
      peer.queue.push(socket)
    }
    socket.connected = address.exemption !== 'unspecified'
    socket.remote = socket.connected && address.place === undefined ? address.bytes : undefined
    if (socket.remote?.[0] === AF_INET && socket.facts.type === SOCK_DGRAM) this.#bindAlone(socket)
    return true
  }

  /** Binds a datagram socket that has no port to one that is free. */
  #bindAlone(socket: FakeSocket): void {
    if (socket.local !== undefined) return
    const address = Buffer.alloc(16)
    address.writeUInt16LE(AF_INET)
    address.writeUInt16BE(40_000 + socket.inode, 2)
    socket.local = address.toString('hex')
    this.bound.set(socket.local, socket)
  }

  #isSame({ place, file }: Endpoint): boolean {
    return place === undefined || file === undefined || this.nodes.identityOf(place.path) === file
  }

  /** Another broker thread accepts. */
  isTaken = false

  hold(): Outcome<Disposable> | 'taken' {
    if (this.isTaken) return 'taken'
    return { [Symbol.dispose]() {} }
  }

  bind(fd: Descriptor, address: Endpoint, umask: number): Outcome<true> {
    if (address.place !== undefined && address.name === undefined) throw new TypeError('a name that is not held')
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (socket.local !== undefined) return Fail.of(Errno.EINVAL)
    const key = keyOf(address)
    if (this.bound.has(key)) return Fail.of(Errno.EADDRINUSE)
    const made = address.place === undefined ? true : this.nodes.make(address.place, S_IFSOCK | 0o777, umask)
    if (failed(made)) return Fail.of(made.errno === Errno.EEXIST ? Errno.EADDRINUSE : made.errno)
    this.reached.push(`bind ${key}`)
    socket.local = key
    this.bound.set(key, socket)
    return true
  }

  listen(fd: Descriptor): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (socket.facts.type === SOCK_DGRAM) return Fail.of(Errno.EOPNOTSUPP)
    socket.listening = true
    return true
  }

  accept(fd: Descriptor, flags: number): Outcome<{ readonly fd: Descriptor; readonly address: Uint8Array }> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (!socket.listening) return Fail.of(Errno.EINVAL)
    const peer = socket.queue.shift()
    if (peer === undefined) return Fail.of(Errno.EAGAIN)
    const accepted = this.make(socket.facts.domain, socket.facts.type | (flags & SOCK_NONBLOCK))
    const address = Buffer.alloc(16)
    address.writeUInt16LE(socket.facts.domain)
    return { fd: accepted, address }
  }

  receive(fd: Descriptor, room: Room, flags: number): Outcome<Receipt> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    const [message] = socket.received
    if (message === undefined) {
      if (socket.peer === undefined || socket.peer.description.users > 0) return Fail.of(Errno.EAGAIN)
      return {
        length: 0,
        data: new Uint8Array(0),
        address: new Uint8Array(0),
        flags: 0,
        control: new Uint8Array(0),
        rights: undefined,
      }
    }
    const handed = socket.handed[0] ?? []
    if ((flags & MSG_PEEK) === 0) {
      socket.received.shift()
      socket.handed.shift()
    }
    const fits = Math.max(0, Math.floor((room.control - CMSGHDR.size) / 4))
    const fds = handed.slice(0, fits).map((what) => new FakeFd(this.ledger, what))
    const data = message.subarray(0, room.data)
    return {
      length: data.length,
      data,
      address: new Uint8Array(0),
      flags: (data.length < message.length ? MSG_TRUNC : 0) | (fds.length < handed.length ? MSG_CTRUNC : 0),
      control: fds.length === 0 ? new Uint8Array(0) : rightsMessage(fds.length, room.control),
      rights: fds.length === 0 ? undefined : { at: 0, fds },
    }
  }

  now(): number {
    return ++this.#clock
  }

  receiveLimits(): { readonly timeout: number | undefined; readonly lowest: number } {
    return { timeout: undefined, lowest: 1 }
  }

  send(
    fd: Descriptor,
    data: Uint8Array,
    _flags: number,
    to: Endpoint | undefined,
    pass: readonly Descriptor[],
  ): Outcome<number> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (to === undefined && !socket.connected)
      return Fail.of(socket.facts.type === SOCK_DGRAM ? Errno.EDESTADDRREQ : Errno.EPIPE)
    if (to !== undefined && !this.#isSame(to)) return Fail.of(Errno.ECONNREFUSED)
    this.reached.push(`send ${to === undefined ? 'connected' : keyOf(to)}`)
    if (to !== undefined && this.bound.get(keyOf(to))?.isFull === true) {
      const begun = this.connect(fd, to)
      return failed(begun) ? begun : data.length
    }
    const peer = to === undefined ? socket.peer?.description.socket : this.bound.get(keyOf(to))
    peer?.received.push(data)
    peer?.handed.push(pass.flatMap((one) => (one instanceof FakeFd ? [one.description] : [])))
    return data.length
  }
}
