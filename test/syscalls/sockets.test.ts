import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  MSG_MORE,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../src/abi/socket.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { auditGrant, compilePolicy, type PolicyData, type SocketRule } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { addressBytes, parseAddress } from '../../src/syscalls/addresses.js'
import type { Reply } from '../../src/syscalls/call.js'
import { Endpoint } from '../../src/syscalls/endpoint.js'
import { failed } from '../../src/syscalls/outcome.js'
import { Place } from '../../src/syscalls/place.js'
import { FakeFd } from '../contracts/fake-descriptors.js'
import { must } from '../contracts/kernel.contract.js'
import { named } from '../contracts/named.js'
import { policyData } from '../contracts/rules.js'
import type { House, Register } from './house.js'
import { FD, furnished, inet, unixAddress, words } from './templates.js'

const abstract = (name: string): Uint8Array => Uint8Array.from([AF_UNIX, 0, 0, ...Buffer.from(name)])
const inet6 = (port: number, host: readonly number[]): Uint8Array =>
  Uint8Array.from([AF_INET6, 0, port >> 8, port & 0xff, 0, 0, 0, 0, ...host, 0, 0, 0, 0])
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
const lengthOf = (address: Uint8Array): Register[] => [address, address.length]

/** The address for the title of a test. */
function nameOf(bytes: Uint8Array): string {
  const address = parseAddress(bytes)
  if (failed(address)) return `${bytes.length} bytes`
  return address.family === 'inet'
    ? `${address.host}:${address.port}`
    : address.family === 'unix'
      ? `unix:${address.text}`
      : address.family
}

/** A socket that the target holds and that listens at this address. */
function listening(house: House, number: number, address: Uint8Array, type = SOCK_STREAM): void {
  const domain = address[0] ?? 0
  house.target.hold(number, house.kernel.sockets.make(domain, type))
  expect(house.call('bind', number, ...lengthOf(address))).toBe('0')
  if (type === SOCK_STREAM) expect(house.call('listen', number, 5)).toBe('0')
}

describe('socket', () => {
  test.each<[number, number, number, string]>([
    [AF_INET, SOCK_STREAM, 0, 'fd'],
    [AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 6, 'fd'],
    [AF_INET6, SOCK_DGRAM, 17, 'fd'],
    [AF_UNIX, SOCK_STREAM, 0, 'fd'],
    [AF_NETLINK, SOCK_RAW, 0, 'fd'],
    [AF_INET, SOCK_RAW, 1, 'EPERM'],
    [AF_INET, SOCK_RAW, 0, 'EPROTONOSUPPORT'],
    [AF_INET, SOCK_STREAM, 132, 'EPROTONOSUPPORT'],
    [AF_INET, SOCK_STREAM, 262, 'EPROTONOSUPPORT'],
    [AF_INET, SOCK_DGRAM, 136, 'EPERM'],
    [AF_INET, 75, 0, 'EINVAL'],
    [AF_UNIX, SOCK_RAW, 0, 'fd'],
    [99, SOCK_STREAM, 0, 'EAFNOSUPPORT'],
    [AF_NETLINK, SOCK_RAW, 4, 'EAFNOSUPPORT'],
    [17, SOCK_RAW, 0, 'EAFNOSUPPORT'],
    [38, 5, 0, 'EAFNOSUPPORT'],
    [40, SOCK_STREAM, 0, 'EAFNOSUPPORT'],
    [29, SOCK_RAW, 1, 'EAFNOSUPPORT'],
    [AF_INET, 10, 0, 'EPERM'],
  ])('family %i, type %i, protocol %i is %s', (domain, type, protocol, expected) => {
    expect(furnished().call('socket', domain, type, protocol)).toMatch(new RegExp(`^${expected}`))
  })
})

describe('connect, bind, send: decided by the address', () => {
  test.each(
    (
      [
        ['connect', FD.tcp, inet(1000), 'ECONNREFUSED'],
        ['connect', FD.tcp, inet(80), 'EACCES'],
        ['connect', FD.tcp, inet(1000, [10, 0, 0, 1]), 'EACCES'],
        ['connect', FD.tcp, inet(1000, [127, 0, 0, 2]), 'EACCES'],
        ['connect', FD.tcp, inet6(1000, [...MAPPED, 127, 0, 0, 1]), 'ECONNREFUSED'],
        ['connect', FD.tcp, inet6(1000, [...MAPPED, 10, 0, 0, 1]), 'EACCES'],
        ['connect', FD.udp, inet(1000), 'EACCES'],
        ['connect', FD.tcp, unixAddress('/w/sock'), 'EAFNOSUPPORT'],
        ['connect', FD.unix, inet(1000), 'EAFNOSUPPORT'],
        ['connect', FD.unix, unixAddress('/o/sock'), 'EACCES'],
        ['connect', FD.unix, unixAddress('/r/sock'), 'EACCES'],
        ['connect', FD.unix, abstract('x'), 'EACCES'],
        ['connect', FD.unix, unixAddress(''), 'EACCES'],
        ['connect', FD.pipe, inet(1000), 'EBADF'],
        ['connect', FD.write, inet(1000), 'ENOTSOCK'],
        ['connect', FD.tcp, inet(1000).subarray(0, 10), 'EINVAL'],
        ['connect', FD.tcp, new Uint8Array(1), 'EINVAL'],
        ['bind', FD.tcp, inet(1001), '0'],
        ['bind', FD.tcp, inet(80), 'EACCES'],
        ['bind', FD.tcp, inet(1001, [0, 0, 0, 0]), 'EACCES'],
        ['bind', FD.tcp, inet(0), 'EACCES'],
        ['bind', FD.unix, unixAddress('/w/sock'), '0'],
        ['bind', FD.unix, unixAddress('/w/f'), 'EADDRINUSE'],
        ['bind', FD.unix, unixAddress('/o/sock'), 'EACCES'],
        ['bind', FD.unix, unixAddress('/w/out/sock'), 'EACCES'],
        ['bind', FD.unix, unixAddress('/w/keep/sock'), 'EACCES'],
        ['bind', FD.unix, abstract('mine'), 'EACCES'],
        ['bind', FD.unix, unixAddress('').subarray(0, 2), 'EACCES'],
      ] satisfies [SyscallName, number, Uint8Array, string][]
    ).map(([name, fd, address, expected]) => [name, fd, nameOf(address), expected, address] as const),
  )('%s of %i to %s is %s', (name, fd, _, expected, address) => {
    const house = furnished()
    expect(house.call(name, fd, ...lengthOf(address))).toBe(expected)
    expect(house.kernel.sockets.reached.filter((line) => line.startsWith('bind'))).toHaveLength(
      expected === '0' ? 1 : 0,
    )
    if (expected === 'EACCES' || expected === 'ENOENT') expect(house.kernel.sockets.reached).toEqual([])
  })

  test('a datagram socket binds to any port where an entry lets it send, and nobody above forbids it', () => {
    const sends: SocketRule = {
      access: 'connect',
      source: 'test',
      at: 'test',
      target: { family: 'inet', protocol: 'udp', host: { kind: 'any' }, ports: { from: 9, to: 9 } },
    }
    const bound = (data: Partial<PolicyData>): unknown =>
      furnished({ policy: compilePolicy({ ...policyData([]), ...data }) }).call(
        'bind',
        FD.udp,
        ...lengthOf(inet(0, [0, 0, 0, 0])),
      )
    expect(bound({ sockets: [sends] })).toBe('0')
    expect(bound({ sockets: [sends], ceiling: { lists: [], sockets: [sends] } })).toBe('0')
    expect(bound({ sockets: [sends], ceiling: { lists: [], sockets: [] } })).toBe('EACCES')
  })

  test('what the worker listens on itself needs no grant, as long as it is its own', () => {
    const house = furnished()
    listening(house, 30, inet(1002))
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(1002)))).toBe('0')
    listening(house, 31, unixAddress('/w/sock'))
    expect(house.call('connect', FD.unix, ...lengthOf(unixAddress('/w/sock')))).toBe('0')
    // Somebody else's listener at a port of which nothing is granted.
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3000)))).toBe('EACCES')
    house.own.addInternet('tcp', 3000, 'cookie-of-another', 5)
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3000)))).toBe('EACCES')
  })

  test("a port that was the worker's own is so on this machine only, and for as long as it listens", () => {
    const house = furnished()
    house.own.addInternet('tcp', 3001, 'cookie-of-one-that-is-closed', 5)
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3001)))).toBe('ECONNREFUSED')
    // At another host's port of that number anybody may listen.
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3001, [10, 0, 0, 1])))).toBe('EACCES')
    house.own.addInternet('udp', 3001, 'cookie-of-one-that-is-closed', 5)
    expect(house.call('connect', FD.udp, ...lengthOf(inet(3001)))).toBe('EACCES')
  })

  test("what listens on all addresses is reached on this machine's: the same port of another host is somebody else's", () => {
    const house = furnished()
    const own = house.kernel.sockets.make(AF_INET, SOCK_STREAM)
    const { socket } = own.description
    if (socket === undefined) throw new Error('not a socket')
    socket.listening = true
    house.own.addInternet('tcp', 3001, socket.cookie, 40)
    house.target.hold(40, own)
    for (const host of [
      [0, 0, 0, 0],
      [10, 0, 0, 1],
      [10, 0, 0, 2],
    ])
      house.kernel.sockets.bound.set(Buffer.from(inet(3001, host)).toString('hex'), socket)
    house.kernel.sockets.hosts.add('10.0.0.1')
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3001, [10, 0, 0, 1])))).toBe('0')
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3001, [10, 0, 0, 2])))).toBe('EACCES')
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3001, [239, 1, 2, 3])))).toBe('EACCES')
    expect(house.violations).toHaveLength(2)
  })

  test('0.0.0.0 is the loopback address, and not whatever address the socket has', () => {
    const house = furnished()
    const { sockets } = house.kernel
    listening(house, 30, inet(1002))
    const mapped = inet6(1002, [...MAPPED, 0, 0, 0, 0])
    house.target.hold(31, sockets.make(AF_INET6, SOCK_STREAM))
    sockets.reached.splice(0)
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(1002, [0, 0, 0, 0])))).toBe('0')
    house.call('connect', 31, ...lengthOf(mapped))
    const loopback = [inet(1002), inet6(1002, [...MAPPED, 127, 0, 0, 1])]
    expect(sockets.reached).toEqual(loopback.map((bytes) => `connect ${Buffer.from(bytes).toString('hex')}`))
  })

  test(':: is the loopback address of IPv6, for every socket', () => {
    const host = { kind: 'networks' as const, networks: [{ address: '::', prefix: 0 }] }
    const target: SocketRule['target'] = { family: 'inet', protocol: 'tcp', host, ports: { from: 1002, to: 1002 } }
    const rule: SocketRule = { access: 'connect', target, source: 'tcp:[::]/0:1002', at: 'test' }
    const house = furnished({ policy: compilePolicy({ ...policyData([]), sockets: [rule] }) })
    house.target.hold(31, house.kernel.sockets.make(AF_INET6, SOCK_STREAM))
    const any: readonly number[] = Array.from({ length: 16 }, () => 0)
    house.call('connect', 31, ...lengthOf(inet6(1002, any)))
    const loopback = inet6(1002, [...any.slice(1), 1])
    expect(house.kernel.sockets.reached).toEqual([`connect ${Buffer.from(loopback).toString('hex')}`])
  })

  test('a port that a connection left behind is no address to listen on', () => {
    const house = furnished()
    const left = house.kernel.sockets.make(AF_INET, SOCK_STREAM)
    if (left.description.socket === undefined) throw new Error('not a socket')
    left.description.socket.local = Buffer.from(inet(43_210, [0, 0, 0, 0])).toString('hex')
    house.target.hold(30, left)
    expect(house.call('listen', 30, 5)).toBe('EACCES')
    expect(house.violations).toEqual([expect.stringContaining('"port":0')])
    // What was bound by a decision may listen, and so may what listens already.
    expect(house.call('bind', FD.tcp, ...lengthOf(inet(1001)))).toBe('0')
    expect(house.call('listen', FD.tcp, 5)).toBe('0')
    const made = house.kernel.sockets.make(AF_INET, SOCK_STREAM)
    must(house.kernel.sockets.bind(made, Endpoint.own('own-socket', inet(3000, [127, 0, 0, 2])), 0))
    must(house.kernel.sockets.listen(made))
    house.target.hold(31, made)
    expect(house.call('listen', 31, 5)).toBe('0')
  })

  test('another socket that has the name of an own one by now is decided', () => {
    const house = furnished()
    listening(house, 31, unixAddress('/w/sock'))
    const other = house.kernel.sockets.make(AF_UNIX, SOCK_STREAM)
    house.call('unlink', '/w/sock')
    house.kernel.sockets.bound.delete('/w/sock')
    must(
      named(house.kernel).bind(
        other,
        new Place(
          auditGrant(compilePolicy(policyData([], 'audit')), {
            kind: 'path',
            access: 'write',
            path: rawPath('/w/sock'),
          }),
          0,
          false,
        ),
        0,
      ),
    )
    must(house.kernel.sockets.listen(other))
    expect(house.call('connect', FD.unix, ...lengthOf(unixAddress('/w/sock')))).toBe('EACCES')
    expect(house.violations).toHaveLength(1)
    other.close()
  })

  test('a route socket talks to the kernel, and to no other process', () => {
    const house = furnished()
    house.target.hold(30, house.kernel.sockets.make(AF_NETLINK, SOCK_RAW))
    const at = (port: number): Uint8Array => Uint8Array.from([AF_NETLINK, 0, 0, 0, port, 0, 0, 0, 0, 0, 0, 0])
    expect(house.call('bind', 30, ...lengthOf(at(7)))).toBe('0')
    expect(house.call('connect', 30, ...lengthOf(at(0)))).not.toBe('EPERM')
    expect(house.violations).toEqual([])
    expect(house.call('connect', 30, ...lengthOf(at(7)))).toBe('EPERM')
    expect(house.violations).toHaveLength(1)
  })

  test('a route socket asks, and changes nothing', () => {
    const message = (type: number): Uint8Array => {
      const bytes = new Uint8Array(32)
      const view = new DataView(bytes.buffer)
      view.setUint32(0, 32, true)
      view.setUint16(4, type, true)
      return bytes
    }
    const house = furnished()
    house.target.hold(30, house.kernel.sockets.make(AF_NETLINK, SOCK_RAW))
    const send = (data: Uint8Array): string =>
      house.call('sendto', 30, data, data.length, 0, Uint8Array.from([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 12)
    // RTM_GETADDR; RTM_NEWADDR, RTM_DELROUTE, and one of them behind a question.
    expect(send(message(22))).toMatch(/^(?:32|E(?!PERM))/)
    for (const data of [message(20), message(25), Buffer.concat([message(22), message(20)]), new Uint8Array(8)])
      expect(send(data)).toBe('EPERM')
  })

  test("a port that is shared with somebody else is not the worker's own", () => {
    const house = furnished()
    const key = (host: readonly number[], port: number): string => Buffer.from(inet(port, host)).toString('hex')
    const own = house.kernel.sockets.make(AF_INET, SOCK_STREAM)
    const { socket } = own.description
    if (socket === undefined) throw new Error('not a socket')
    socket.listening = true
    house.own.addInternet('tcp', 3000, socket.cookie, 40)
    house.target.hold(40, own)
    house.kernel.sockets.bound.set(key([0, 0, 0, 0], 3000), socket)
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3000)))).toBe('EACCES')
    house.kernel.sockets.bound.delete(key([127, 0, 0, 1], 3000))
    house.kernel.sockets.bound.set(key([127, 0, 0, 1], 3000), socket)
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(3000)))).toBe('0')
  })

  test('an abstract name of the broker is that of a stream', () => {
    const house = furnished()
    house.own.addAbstract(rawPath('shared'), 'broker')
    house.target.hold(30, house.kernel.sockets.make(AF_UNIX, SOCK_DGRAM))
    house.call('connect', FD.unix, ...lengthOf(abstract('shared')))
    expect(house.violations).toEqual([])
    expect(house.call('connect', 30, ...lengthOf(abstract('shared')))).toBe('EACCES')
  })

  test("an abstract name that was the worker's own may be somebody else's by now", () => {
    const house = furnished()
    const name = 'was-own'
    const bytes = must(addressBytes({ family: 'abstract', name: rawPath(name) }))
    const server = house.kernel.sockets.make(AF_UNIX, SOCK_STREAM)
    must(house.kernel.sockets.bind(server, Endpoint.own('own-socket', bytes), 0))
    must(house.kernel.sockets.listen(server))
    house.own.addAbstract(rawPath(name), 40)
    expect(house.call('connect', FD.unix, ...lengthOf(bytes))).toBe('EACCES')
    house.target.hold(40, server)
    expect(house.call('connect', FD.unix, ...lengthOf(bytes))).toBe('0')
  })

  test('datagram sockets that are connected to own ones are bounded, and hold what they send to', () => {
    const house = furnished()
    const server = house.kernel.sockets.make(AF_INET, SOCK_DGRAM)
    const to = inet(3001)
    must(house.kernel.sockets.bind(server, Endpoint.own('own-socket', to), 0))
    const { socket } = server.description
    if (socket === undefined) throw new Error('not a socket')
    must(house.kernel.sockets.share(server, 'address', true))
    house.target.hold(40, server)
    house.own.addInternet('udp', 3001, socket.cookie, 40)
    expect(house.call('connect', FD.udp, ...lengthOf(to))).toBe('0')
    expect([...socket.shares]).toEqual([])
    expect(house.kernel.ledger.live.size).toBe(1)
    // The same socket again, and then not connected any more.
    expect(house.call('connect', FD.udp, ...lengthOf(to))).toBe('0')
    expect(house.kernel.ledger.live.size).toBe(1)
    expect(house.call('connect', FD.udp, ...lengthOf(new Uint8Array(16)))).toBe('0')
    expect(house.kernel.ledger.live.size).toBe(0)
  })

  test('a datagram socket to which connected ones send keeps its port until it is closed', () => {
    const house = furnished()
    const server = (
      number: number,
      port: number,
      host: readonly number[],
      holder: 'broker' | number = number,
    ): void => {
      const made = house.kernel.sockets.make(AF_INET, SOCK_DGRAM)
      must(house.kernel.sockets.bind(made, Endpoint.own('own-socket', inet(port, host)), 0))
      house.own.addInternet('udp', port, must(house.kernel.sockets.cookie(made)), holder)
      house.target.hold(number, made)
    }
    const connect = (number: number, to: Uint8Array): string => house.call('connect', number, ...lengthOf(to))
    const [any, unspecified] = [[0, 0, 0, 0], new Uint8Array(16)]
    house.kernel.sockets.hosts.add('10.0.0.1')
    server(40, 3001, any)
    server(41, 3002, [127, 0, 0, 1])
    server(42, 3003, any)
    server(43, 3004, any, 'broker')
    house.target.hold(50, house.kernel.sockets.make(AF_INET, SOCK_DGRAM))
    expect(connect(40, unspecified)).toBe('0')
    expect(connect(FD.udp, inet(3001))).toBe('0')
    expect(connect(50, inet(3002))).toBe('0')
    // It gives its port up, or all of its addresses but one.
    expect(connect(40, unspecified)).toBe('ENOBUFS')
    expect(connect(40, inet(3003, [10, 0, 0, 1]))).toBe('ENOBUFS')
    expect(connect(41, unspecified)).toBe('ENOBUFS')
    // It keeps the address at which it is sent to.
    expect(connect(40, inet(3003))).toBe('0')
    expect(connect(41, inet(3003, [10, 0, 0, 1]))).toBe('0')
    // Workers may share it.
    expect(connect(43, unspecified)).toBe('ENOBUFS')
    expect(connect(43, inet(3003))).toBe('ENOBUFS')
    // Nobody sends to it any more.
    expect(connect(FD.udp, unspecified)).toBe('0')
    expect(connect(40, unspecified)).toBe('0')
  })

  test("no connection to an own listener is left under way: the port could be a stranger's when it is tried again", () => {
    const house = furnished()
    const server = house.kernel.sockets.make(AF_INET, SOCK_STREAM)
    must(house.kernel.sockets.bind(server, Endpoint.own('own-socket', inet(3001)), 0))
    must(house.kernel.sockets.listen(server))
    house.own.addInternet('tcp', 3001, must(house.kernel.sockets.cookie(server)), 40)
    house.target.hold(40, server)
    const listener = server.description.socket
    if (listener === undefined) throw new Error('not a socket')
    listener.isFull = true
    const client = (number: number, flags: number) => {
      const made = house.kernel.sockets.make(AF_INET, SOCK_STREAM | flags)
      house.target.hold(number, made)
      return { socket: made.description.socket, connect: () => house.run('connect', [number, ...lengthOf(inet(3001))]) }
    }
    const later = (reply: Reply): Reply =>
      !failed(reply) && reply.kind === 'later' ? reply.again() : expect.unreachable('it does not wait')
    // A call that is not to wait does so for a moment.
    const hasty = client(41, SOCK_NONBLOCK)
    let reply = hasty.connect()
    expect(hasty.socket?.isUnderWay).toBe(false)
    while (!failed(reply)) reply = later(reply)
    expect(reply.errno).toBe(Errno.ENOBUFS)
    expect(hasty.socket?.isUnderWay).toBe(false)
    const patient = client(42, 0)
    let waiting = patient.connect()
    for (let round = 0; round < 100; round++) waiting = later(waiting)
    expect(patient.socket?.isUnderWay).toBe(false)
    listener.isFull = false
    expect(later(waiting)).toEqual({ kind: 'value', value: 0 })
    listener.isFull = true
    const MSG_FASTOPEN = 0x2000_0000
    const fast = client(43, 0)
    expect(house.call('sendto', 43, 'data', 4, MSG_FASTOPEN, ...lengthOf(inet(3001)))).toBe('ENOBUFS')
    expect(fast.socket?.isUnderWay).toBe(false)
  })

  test('a link in the way of an own socket leads nowhere that is not decided', () => {
    const house = furnished()
    listening(house, 31, unixAddress('/w/sock'))
    house.call('symlink', '/w/sock', '/w/toSock')
    house.call('symlink', '/o/sock', '/w/toOther')
    expect(house.call('connect', FD.unix, ...lengthOf(unixAddress('/w/toSock')))).toBe('0')
    expect(house.call('connect', FD.unix, ...lengthOf(unixAddress('/w/toOther')))).not.toBe('0')
  })

  test('listen on a socket that was not bound asks for all addresses and any port', () => {
    expect(furnished().call('listen', FD.tcp, 5)).toBe('EACCES')
  })

  test('a datagram with an address is decided like a connection, one without is not looked at', () => {
    const house = furnished()
    expect(house.call('sendto', FD.udp, 'data', 4, 0, ...lengthOf(inet(1000)))).toBe('EACCES')
    expect(house.call('sendto', FD.client, 'data', 4, 0, 0, 0)).toBe('4')
    expect(house.kernel.sockets.reached).toEqual(['send connected'])
  })

  test('a datagram leaves when it was decided, or not at all', () => {
    const house = furnished()
    for (const to of [[0, 0] as const, [inet(80), 16] as const])
      expect(house.call('sendto', FD.udp, 'data', 4, MSG_MORE, ...to)).toBe('EOPNOTSUPP')
    expect(house.kernel.sockets.reached).toEqual([])
    expect(house.call('sendto', FD.client, 'data', 4, MSG_MORE, 0, 0)).toBe('4')
    // UDP_CORK.
    expect(house.call('setsockopt', FD.udp, 17, 1, words(1), 4)).toBe('ENOPROTOOPT')
  })

  test('a stream looks at no address, unless it is to connect by sending: that is decided', () => {
    const house = furnished()
    const MSG_FASTOPEN = 0x2000_0000
    expect(house.call('sendto', FD.client, 'data', 4, 0, ...lengthOf(inet(80)))).toBe('4')
    expect(house.call('sendto', FD.client, 'data', 4, 0, ...lengthOf(unixAddress('/o/sock')))).toBe('4')
    expect(house.call('sendto', FD.tcp, 'data', 4, MSG_FASTOPEN, ...lengthOf(inet(80)))).toBe('EACCES')
    expect(house.call('sendto', FD.unix, 'data', 4, 0, ...lengthOf(unixAddress('/w/sock')))).toBe('EOPNOTSUPP')
    expect(house.kernel.sockets.reached).toEqual(['send connected', 'send connected'])
  })
})

describe('options that could make the broker wait', () => {
  const [SO_LINGER, SO_SNDTIMEO] = [13, 21]
  const ints = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer)
  const socketAt = (house: House, number: number) => {
    const held = must(house.target.descriptor(number))
    const { socket } = held instanceof FakeFd ? held.description : {}
    held.close()
    return socket
  }

  test.each<[string, Uint8Array, boolean]>([
    ['without a time resets', ints(1, 0), true],
    ['with a time is as if it were off: no close waits', ints(1, 60), false],
    ['for ever as well', ints(1, -1), false],
    ['off is off', ints(0, 0), false],
    ['off is off, whatever the time', ints(0, 60), false],
  ])('a linger %s', (_, linger, resets) => {
    const house = furnished()
    for (const isOn of [true, false]) {
      must(house.kernel.sockets.resetOnClose(must(house.target.descriptor(FD.tcp)), isOn))
      expect(house.call('setsockopt', FD.tcp, SOL_SOCKET, SO_LINGER, linger, linger.length)).toBe('0')
      expect(socketAt(house, FD.tcp)?.resetsOnClose).toBe(resets)
    }
    expect(house.recorded).toEqual([])
  })

  test('a time for sending is set as it is', () => {
    const house = furnished()
    const time = ints(1, 0, 2, 0)
    expect(house.call('setsockopt', FD.tcp, SOL_SOCKET, SO_SNDTIMEO, time, 16)).toBe('0')
    expect(socketAt(house, FD.tcp)?.sendTimeout).toEqual(time)
    expect(house.call('setsockopt', FD.tcp, SOL_SOCKET, SO_SNDTIMEO, time, 8)).toBe('EINVAL')
    expect(house.recorded).toEqual([])
  })

  test('and no other option, nor half of it', () => {
    const house = furnished()
    expect(house.call('setsockopt', FD.tcp, SOL_SOCKET, SO_LINGER, ints(1), 4)).toBe('EINVAL')
    expect(house.call('setsockopt', FD.tcp, SOL_SOCKET, SO_LINGER, 0, 8)).toBe('EFAULT')
    expect(house.call('setsockopt', 99, SOL_SOCKET, SO_LINGER, ints(1, 0), 8)).toBe('EBADF')
    expect(house.recorded).toEqual([])
    const [SO_ATTACH_BPF, SOL_TCP] = [50, 6]
    expect(house.call('setsockopt', FD.tcp, SOL_SOCKET, SO_ATTACH_BPF, ints(1, 0), 8)).toBe('ENOPROTOOPT')
    expect(house.call('setsockopt', FD.tcp, SOL_TCP, SO_LINGER, ints(1, 0), 8)).toBe('ENOPROTOOPT')
    expect(house.recorded).toHaveLength(2)
    expect(socketAt(house, FD.tcp)?.resetsOnClose).toBe(false)
  })
})

function datagramsAt(host: string, port: number): SocketRule {
  return {
    access: 'listen',
    source: 'test',
    at: 'test',
    target: {
      family: 'inet',
      protocol: 'udp',
      host: { kind: 'networks', networks: [{ address: host, prefix: 32 }] },
      ports: { from: port, to: port },
    },
  }
}

describe('sharing a port', () => {
  const [SO_REUSEADDR, SO_REUSEPORT] = [2, 15]
  const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)
  const udp = (port: number): SocketRule => datagramsAt('127.0.0.1', port)
  const scene = (type = SOCK_DGRAM) => {
    const house = furnished({ policy: compilePolicy({ ...policyData([]), sockets: [udp(0), udp(5000)] }) })
    const made = house.kernel.sockets.make(AF_INET, type)
    house.target.hold(30, made)
    const { socket } = made.description
    if (socket === undefined) throw new Error('not a socket')
    const set = (option: number, isOn: boolean): string =>
      house.call('setsockopt', 30, SOL_SOCKET, option, int(isOn ? 1 : 0), 4)
    const bind = (port: number): string => house.call('bind', 30, ...lengthOf(inet(port)))
    return { house, socket, set, bind }
  }

  test('a datagram socket shares the port that it is bound to, and none that the kernel chooses in any call', () => {
    const { house, socket, set, bind } = scene()
    expect([set(SO_REUSEADDR, true), set(SO_REUSEPORT, true), set(SO_REUSEPORT, false)]).toEqual(['0', '0', '0'])
    expect([...socket.shares]).toEqual([])
    expect(bind(5000)).toBe('0')
    expect([...socket.shares]).toEqual(['address'])
    // It keeps its port without its peer.
    expect(house.call('connect', 30, ...lengthOf(new Uint8Array(16)))).toBe('0')
    expect([...socket.shares]).toEqual(['address'])
    socket.local = undefined
    expect(house.call('connect', 30, ...lengthOf(new Uint8Array(16)))).toBe('0')
    expect([...socket.shares]).toEqual([])
  })

  test('bound already, it gets none; where it could not be bound, it has none', () => {
    const { socket, set, bind, house } = scene()
    expect(bind(5000)).toBe('0')
    expect(set(SO_REUSEADDR, true)).toBe('0')
    expect([...socket.shares]).toEqual([])
    const other = house.kernel.sockets.make(AF_INET, SOCK_DGRAM)
    house.target.hold(31, other)
    expect(house.call('setsockopt', 31, SOL_SOCKET, SO_REUSEADDR, int(1), 4)).toBe('0')
    expect(house.call('bind', 31, ...lengthOf(inet(5000)))).toBe('EADDRINUSE')
    expect([...(other.description.socket?.shares ?? [])]).toEqual([])
  })

  test('a stream has what was set', () => {
    const { socket, set } = scene(SOCK_STREAM)
    expect(set(SO_REUSEADDR, true)).toBe('0')
    expect([...socket.shares]).toEqual(['address'])
  })
})

describe('joining a multicast group', () => {
  const mayListen = (...sockets: SocketRule[]): House =>
    furnished({ policy: compilePolicy({ ...policyData([]), sockets }) })
  const group = Uint8Array.from([239, 1, 2, 3, 127, 0, 0, 1])
  const [IPPROTO_IP, ADD_MEMBERSHIP, ADD_SOURCE, IPPROTO_IPV6, JOIN_GROUP, JOIN_SOURCE] = [0, 35, 39, 41, 20, 46]
  const MCAST_JOIN = 42
  const bytesWith = (length: number, at: number, content: ArrayLike<number>): Uint8Array => {
    const bytes = new Uint8Array(length)
    bytes.set(content, at)
    return bytes
  }

  test.each<[string, number, number, Uint8Array]>([
    ['IP_ADD_MEMBERSHIP', IPPROTO_IP, ADD_MEMBERSHIP, group],
    ['IP_ADD_SOURCE_MEMBERSHIP', IPPROTO_IP, ADD_SOURCE, Uint8Array.from([...group, 10, 0, 0, 1])],
    ['IPV6_JOIN_GROUP', IPPROTO_IPV6, JOIN_GROUP, Uint8Array.from([0xff, 2, ...Array(18).fill(0)])],
    ['MCAST_JOIN_GROUP', IPPROTO_IP, MCAST_JOIN, bytesWith(136, 12, group.subarray(0, 4))],
    ['MCAST_JOIN_GROUP of IPv6', IPPROTO_IPV6, MCAST_JOIN, bytesWith(136, 16, [0xff, 2])],
    ['MCAST_JOIN_SOURCE_GROUP', IPPROTO_IP, JOIN_SOURCE, bytesWith(264, 12, group.subarray(0, 4))],
    [
      'MCAST_JOIN_SOURCE_GROUP of IPv6',
      IPPROTO_IPV6,
      JOIN_SOURCE,
      Uint8Array.from({ length: 264 }, (_, at) => (at === 16 ? 0xff : 0)),
    ],
  ])('%s makes the kernel send, so it is decided', (_, level, option, request) => {
    const house = furnished()
    expect(house.call('setsockopt', FD.udp, level, option, request, request.length)).toBe('EACCES')
    expect(house.violations).toHaveLength(1)
    expect(house.call('setsockopt', FD.udp, level, option, request, request.length - 1)).toBe('EINVAL')
    expect(house.call('setsockopt', FD.tcp, level, option, request, request.length)).toBe('ENOPROTOOPT')
    expect(house.kernel.sockets.reached).toEqual([])
  })

  test.each([
    ['its address', '239.1.2.3', 0],
    ['all addresses', '0.0.0.0', 0],
  ])('%s granted, it is joined', (_, host, port) => {
    const house = mayListen(datagramsAt(host, port))
    expect(house.call('setsockopt', FD.udp, IPPROTO_IP, ADD_MEMBERSHIP, group, group.length)).toBe('0')
    expect(house.kernel.sockets.reached).toEqual(['join 0 35'])
    expect(house.violations).toEqual([])
  })

  test.each([
    ['an address', '239.1.2.3', '0'],
    ['another', '239.1.2.4', 'EACCES'],
  ])('MCAST_JOIN_GROUP is decided by the group in it: %s', (_, host, answer) => {
    const house = mayListen(datagramsAt(host, 0))
    const request = bytesWith(136, 12, group.subarray(0, 4))
    expect(house.call('setsockopt', FD.udp, IPPROTO_IP, MCAST_JOIN, request, request.length)).toBe(answer)
  })

  test('of the port that the kernel chose, if any port is granted', () => {
    const house = mayListen(datagramsAt('0.0.0.0', 0))
    const bound = house.kernel.sockets.make(AF_INET, SOCK_DGRAM)
    if (bound.description.socket === undefined) throw new Error('not a socket')
    bound.description.socket.local = Buffer.from(inet(43_210, [0, 0, 0, 0])).toString('hex')
    house.own.addInternet('udp', 43_210, bound.description.socket.cookie, 30)
    house.target.hold(30, bound)
    expect(house.call('setsockopt', 30, IPPROTO_IP, ADD_MEMBERSHIP, group, group.length)).toBe('0')
  })
})

describe('messages', () => {
  const header = (
    house: House,
    address: Uint8Array | undefined,
    data: Uint8Array,
    control: Uint8Array | undefined,
  ): Uint8Array => {
    const at = (bytes: Uint8Array | undefined): number => (bytes === undefined ? 0 : house.target.put(bytes))
    return words(
      at(address),
      address?.length ?? 0,
      at(words(at(data), data.length)),
      1,
      at(control),
      control?.length ?? 0,
      0,
    )
  }
  const rights = (...numbers: number[]): Uint8Array => {
    const bytes = Buffer.alloc(16 + Math.ceil(numbers.length / 2) * 8)
    bytes.writeUInt32LE(16 + numbers.length * 4, 0)
    bytes.writeInt32LE(SOL_SOCKET, 8)
    bytes.writeInt32LE(SCM_RIGHTS, 12)
    for (const [index, number] of numbers.entries()) bytes.writeInt32LE(number, 16 + index * 4)
    return bytes
  }
  const data = Buffer.from('data')

  test('are read whole before anything is sent: an unreadable part is EFAULT and never let through', () => {
    for (const spoil of [0, 16, 32]) {
      const house = furnished()
      const message = Buffer.from(header(house, inet(1000), data, rights(FD.read)))
      message.writeBigUInt64LE(0x10n, spoil)
      expect(house.call('sendmsg', FD.client, message, 0)).toBe('EFAULT')
      expect(house.kernel.sockets.reached).toEqual([])
    }
    expect(furnished().call('sendmsg', FD.client, 0, 0)).toBe('EFAULT')
  })

  test('carry descriptors, credentials of the caller alone, and how a datagram is sent', () => {
    const house = furnished()
    expect(house.call('sendmsg', FD.client, header(house, undefined, data, rights(FD.read, FD.write)), 0)).toBe('4')
    expect(house.call('sendmsg', FD.client, header(house, undefined, data, rights(99)), 0)).toBe('EBADF')
    expect(house.call('sendmsg', FD.client, header(house, undefined, data, rights(FD.read, 99)), 0)).toBe('EBADF')
    const other = (level: number, type: number, ...values: number[]): Uint8Array => {
      const bytes = Buffer.from(rights(...values))
      bytes.writeInt32LE(level, 8)
      bytes.writeInt32LE(type, 12)
      return bytes
    }
    const sends = (control: Uint8Array): string =>
      house.call('sendmsg', FD.client, header(house, undefined, data, control), 0)
    const SCM_CREDENTIALS = 2
    expect(sends(other(SOL_SOCKET, SCM_CREDENTIALS, 100, 0, 0))).toBe('4')
    for (const forged of [
      [1, 0, 0],
      [101, 0, 0],
      [100, 1, 0],
      [100, 0, 1],
    ])
      expect(sends(other(SOL_SOCKET, SCM_CREDENTIALS, ...forged)), forged.join()).toBe('EPERM')
    expect(sends(other(SOL_SOCKET, SCM_CREDENTIALS, 100, 0))).toBe('EINVAL')
    expect(sends(other(0, 1, 0x10))).toBe('4')
    // IP_PKTINFO: which address and interface it leaves by.
    expect(sends(other(0, 8, 1, 0, 0))).toBe('EPERM')
    const tooLong = Buffer.from(rights(1))
    tooLong.writeUInt32LE(500, 0)
    expect(house.call('sendmsg', FD.client, header(house, undefined, data, tooLong), 0)).toBe('EINVAL')
    expect(house.kernel.ledger.live.size).toBe(0)
  })

  test('an end of a pair is handed to its own kin, and to nobody outside', () => {
    const house = furnished()
    const [first, second] = must(house.kernel.sockets.pair())
    house.takePair(30, first)
    house.takePair(31, second)
    expect(house.call('sendmsg', 30, header(house, undefined, data, rights(31)), 0)).toBe('4')
    expect(house.violations).toEqual([])
    expect(house.call('sendmsg', FD.client, header(house, undefined, data, rights(31)), 0)).toBe('EPERM')
    expect(house.violations).toHaveLength(1)
  })

  test('an end of a pair keeps its peer and has no name, and what it sends to an address goes outside', () => {
    const house = furnished()
    const { sockets } = house.kernel
    const [first, second] = must(sockets.pair(SOCK_DGRAM))
    house.takePair(30, first)
    house.takePair(31, second)
    const [unspecified, path] = [Buffer.alloc(16), unixAddress('/run/yes')]
    const named = [unspecified, path].map((to) => house.call('connect', 30, to, to.length))
    expect(named).toEqual(['EISCONN', 'EISCONN'])
    expect(house.call('bind', 30, path, path.length)).toBe('EPERM')
    expect(sockets.reached).toEqual([])
    expect(house.call('sendmsg', 30, header(house, path, data, rights(31)), 0)).toBe('EPERM')
    expect(house.recorded.at(-1)).toMatch(/^forbidden hands out a socket/)
  })

  test('several at once: as many as could be sent', () => {
    const house = furnished()
    const two = Buffer.concat([
      header(house, undefined, data, undefined),
      words(0),
      header(house, undefined, data, rights(99)),
      words(0),
    ])
    const pointer = house.target.put(two)
    expect(house.call('sendmmsg', FD.client, pointer, 2, 0)).toBe('1')
    expect(Buffer.from(house.target.bytesAt(pointer)).readUInt32LE(56)).toBe(4)
  })
})

describe('accept', () => {
  test('waits for who connects, alone, and gives the address once there is one', () => {
    const house = furnished()
    listening(house, 30, inet(1002))
    const [to, size] = [house.target.put(new Uint8Array(16)), house.target.put(words(16).subarray(0, 4))]
    const waiting = house.run('accept4', [30, to, size, 0])
    if (failed(waiting) || waiting.kind !== 'later') throw new Error('it does not wait')
    expect(house.show(waiting.again())).toBe('later')
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(1002)))).toBe('0')
    const reply = waiting.again()
    if (failed(reply) || reply.kind !== 'descriptor' || !(reply.fd instanceof FakeFd)) throw new Error('no socket')
    reply.fd.close()
    expect(house.target.bytesAt(to)[0]).toBe(AF_INET)
    expect(house.kernel.ledger.live.size).toBe(0)
  })

  test('a connection whose address cannot be told is closed', () => {
    const house = furnished()
    listening(house, 30, inet(1002))
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(1002)))).toBe('0')
    expect(house.call('accept4', 30, 1, house.target.put(words(16).subarray(0, 4)), 0)).toBe('EFAULT')
    expect(house.kernel.ledger.live.size).toBe(0)
  })

  test('given up, it leaves nothing behind', () => {
    const house = furnished()
    const waiting = house.run('accept4', [FD.listener, 0, 0, 0])
    if (failed(waiting) || waiting.kind !== 'later') throw new Error('it does not wait')
    waiting.cancel()
    expect(house.kernel.ledger.live.size).toBe(0)
  })
})

describe('a call that waits, and whose number means another socket by then', () => {
  /** A listener's queue that is full gives EAGAIN; here it is the connect call of the port that does. */
  function waitingConnect(house: House, fd: number): Extract<Reply, { kind: 'later' }> {
    for (let at = 0; at < 100; at++) {
      const reply = house.run('connect', [fd, ...lengthOf(unixAddress('/w/sock'))], { at, errno: Errno.EAGAIN })
      if (!failed(reply) && reply.kind === 'later') return reply
    }
    throw new Error('it does not wait')
  }

  test('connects the one that it was decided for', () => {
    const house = furnished()
    listening(house, 30, unixAddress('/w/sock'))
    const own = house.kernel.sockets.make(AF_UNIX, SOCK_STREAM)
    const other = house.kernel.sockets.make(AF_UNIX, SOCK_STREAM)
    const waits = house.target.hold(31, own)
    const waiting = waitingConnect(house, waits)
    house.target.hold(waits, other)
    expect(house.show(waiting.again())).toBe('0')
    expect(own.description.socket?.connected).toBe(true)
    expect(other.description.socket?.connected).toBe(false)
    expect(house.kernel.ledger.live.size).toBe(0)
  })

  test('accepts on the one that listened', () => {
    const house = furnished()
    listening(house, 30, inet(1002))
    const waiting = house.run('accept4', [30, 0, 0, 0])
    if (failed(waiting) || waiting.kind !== 'later') throw new Error('it does not wait')
    expect(waiting.keeps).toEqual({ descriptors: 1, bytes: 0 })
    house.target.hold(30, house.kernel.sockets.make(AF_INET, SOCK_STREAM))
    expect(house.call('connect', FD.tcp, ...lengthOf(inet(1002)))).toBe('0')
    const reply = waiting.again()
    if (failed(reply) || reply.kind !== 'descriptor') throw new Error('no socket')
    reply.fd.close()
    expect(house.kernel.ledger.live.size).toBe(0)
  })
})
