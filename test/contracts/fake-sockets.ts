/** Sockets in memory: enough to see which address a call reached, on which socket, and what it carried. */
import { Errno } from '../../src/abi/errno.js'
import { S_IFSOCK } from '../../src/abi/mode.js'
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/abi/socket.js'
import type { BytePath } from '../../src/policy/request.js'
import { parseAddress } from '../../src/syscalls/addresses.js'
import type { Endpoint } from '../../src/syscalls/endpoint.js'
import { Fail, failed, type Outcome } from '../../src/syscalls/outcome.js'
import type { Place } from '../../src/syscalls/place.js'
import type { Descriptor, SocketAt, SocketFacts, Sockets } from '../../src/syscalls/ports.js'
import { description, FakeFd, type Ledger } from './fake-descriptors.js'

export class FakeSocket {
  local: string | undefined
  listening = false
  connected = false
  resetsOnClose = false
  takesCredentials = false
  sendTimeout: Uint8Array | undefined
  readonly queue: FakeSocket[] = []
  readonly received: Uint8Array[] = []
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

  pair(): Outcome<readonly [FakeFd, FakeFd]> {
    const [first, second] = [
      this.make(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK),
      this.make(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK),
    ]
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
    return socket.connected ? Buffer.from([socket.facts.domain, 0]) : Fail.of(Errno.ENOTCONN)
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

  named(abstract: BytePath): Outcome<readonly number[]> {
    const key = Buffer.from(`\x01\0\0${abstract}`, 'latin1').toString('hex')
    const socket = this.bound.get(key)
    return socket === undefined ? [] : [socket.inode]
  }

  share(fd: Descriptor, option: 'address' | 'port', isOn: boolean): Outcome<true> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (isOn) socket.shares.add(option)
    else socket.shares.delete(option)
    return true
  }

  boundTo(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]> {
    const found: SocketAt[] = []
    for (const [key, socket] of this.bound) {
      if (key.startsWith('/') || (socket.facts.type === SOCK_DGRAM) !== (protocol === 'udp')) continue
      const address = parseAddress(Buffer.from(key, 'hex'))
      if (!failed(address) && address.family === 'inet' && address.port === port)
        found.push({ host: address.host, cookie: socket.cookie, inode: socket.inode, peerPort: 0 })
    }
    return found
  }

  takesDescriptors(fd: Descriptor): boolean {
    return this.#of(fd)?.peer !== undefined
  }

  isHere(host: string): boolean {
    return host === '127.0.0.1' || this.hosts.has(host)
  }

  isBlocking(fd: Descriptor): boolean {
    return fd instanceof FakeFd && (fd.description.flags & SOCK_NONBLOCK) === 0
  }

  isReady(): boolean {
    return true
  }

  pendingError(): number {
    return 0
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
    if (socket.facts.type !== SOCK_DGRAM) {
      if (peer?.listening !== true) return Fail.of(Errno.ECONNREFUSED)
      peer.queue.push(socket)
    }
    socket.connected = true
    return true
  }

  #isSame({ place, file }: Endpoint): boolean {
    return place === undefined || file === undefined || this.nodes.identityOf(place.path) === file
  }

  bind(fd: Descriptor, address: Endpoint, umask: number): Outcome<true> {
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

  send(fd: Descriptor, data: Uint8Array, _flags: number, to: Endpoint | undefined): Outcome<number> {
    const socket = this.#of(fd)
    if (socket === undefined) return Fail.of(Errno.ENOTSOCK)
    if (to === undefined && !socket.connected)
      return Fail.of(socket.facts.type === SOCK_DGRAM ? Errno.EDESTADDRREQ : Errno.EPIPE)
    if (to !== undefined && !this.#isSame(to)) return Fail.of(Errno.ECONNREFUSED)
    this.reached.push(`send ${to === undefined ? 'connected' : keyOf(to)}`)
    if (to !== undefined) this.bound.get(keyOf(to))?.received.push(data)
    else if (socket.peer !== undefined) this.#of(socket.peer)?.received.push(data)
    return data.length
  }
}
