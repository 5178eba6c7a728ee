/** What every socket port does. Run against the fake and against the real one. */
import { expect, test } from 'vitest'
import { S_IFDIR } from '../../src/abi/mode.js'
import { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/abi/socket.js'
import { STAT } from '../../src/abi/stat-structs.js'
import { rawPath } from '../../src/policy/request.js'
import { addressBytes, parseAddress } from '../../src/syscalls/addresses.js'
import { Endpoint } from '../../src/syscalls/endpoint.js'
import { failed, type Outcome } from '../../src/syscalls/outcome.js'
import type { Place } from '../../src/syscalls/place.js'
import type { Descriptor } from '../../src/syscalls/ports.js'
import { must, placeIn, told, type Subject } from './kernel.contract.js'
import { named } from './named.js'

const LOOPBACK = [127, 0, 0, 1]

function inet(port: number): Endpoint {
  return Endpoint.own(
    'own-socket',
    Uint8Array.from([AF_INET, 0, port >> 8, port & 0xff, ...LOOPBACK, 0, 0, 0, 0, 0, 0, 0, 0]),
  )
}

export function socketsContract(make: () => Subject): void {
  const contract = (
    name: string,
    body: (subject: Subject, at: (name: string) => Place, keep: <T extends Descriptor>(made: Outcome<T>) => T) => void,
  ): void => {
    test(name, () => {
      const subject = make()
      const kept: Descriptor[] = []
      body(
        subject,
        (path) => placeIn(subject, path),
        (made) => {
          const fd = must(made)
          kept.push(fd)
          return fd
        },
      )
      for (const fd of kept) fd.close()
    })
  }
  const portOf = ({ kernel }: Subject, fd: Descriptor): number => {
    const address = parseAddress(must(kernel.sockets.localAddress(fd)))
    return !failed(address) && address.family === 'inet' ? address.port : -1
  }

  contract('a socket knows what it is, whether it waits, and who it is', (subject, _at, keep) => {
    const {
      kernel,
      kernel: { sockets },
    } = subject
    const tcp = keep(sockets.create(AF_INET, SOCK_STREAM, 0))
    const udp = keep(sockets.create(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0))
    expect(must(sockets.facts(tcp))).toMatchObject({ domain: AF_INET, type: SOCK_STREAM })
    expect(must(sockets.facts(udp))).toMatchObject({ domain: AF_INET, type: SOCK_DGRAM })
    expect([sockets.isBlocking(tcp), sockets.isBlocking(udp)]).toEqual([true, false])
    expect(must(sockets.cookie(tcp))).not.toBe(must(sockets.cookie(udp)))
    expect(must(sockets.cookie(tcp))).toBe(must(sockets.cookie(tcp)))
    expect(must(kernel.textOf(tcp))).toMatch(/^socket:\[\d+\]$/)
    const [end] = must(kernel.pipe(0))
    expect(told(sockets.facts(keep(end)))).toBe('ENOTSOCK')
  })

  contract(
    'how a socket closes, and how long it sends, can be said of sockets',
    ({ kernel, kernel: { sockets } }, _at, keep) => {
      const tcp = keep(sockets.create(AF_INET, SOCK_STREAM, 0))
      for (const isOn of [true, false]) expect(must(sockets.resetOnClose(tcp, isOn))).toBe(true)
      const [end, other] = must(kernel.pipe(0))
      keep(other)
      keep(end)
      expect(told(sockets.resetOnClose(end, true))).toBe('ENOTSOCK')
      const second = Uint8Array.from([1, ...Array(15).fill(0)])
      expect(must(sockets.sendTimeout(tcp, second))).toBe(true)
      expect(told(sockets.sendTimeout(end, second))).toBe('ENOTSOCK')
    },
  )

  contract('a pair: two ends of one connection, and when it is over', ({ kernel: { sockets } }, _at, keep) => {
    const [first, second] = must(sockets.pair())
    keep(first)
    expect(must(sockets.facts(second))).toMatchObject({ domain: AF_UNIX, type: SOCK_STREAM })
    expect([
      sockets.isBlocking(first),
      sockets.isBlocking(second),
      sockets.isOver(first),
      sockets.isOver(second),
    ]).toEqual([false, false, false, false])
    expect(must(sockets.send(second, Buffer.from('words'), 0, undefined, []))).toBe(5)
    second.close()
    // What was said is still to be read.
    expect(sockets.isOver(first)).toBe(false)
    const [third, fourth] = must(sockets.pair())
    keep(third)
    fourth.close()
    expect(sockets.isOver(third)).toBe(true)
  })

  contract('over TCP: nobody listens, somebody does, and what accept gives', (subject, _at, keep) => {
    const { sockets } = subject.kernel
    const server = keep(sockets.create(AF_INET, SOCK_STREAM, 0))
    must(sockets.bind(server, inet(0), 0))
    const port = portOf(subject, server)
    expect(told(sockets.connect(keep(sockets.create(AF_INET, SOCK_STREAM, 0)), inet(port)))).toMatch(
      /ECONNREFUSED|EINPROGRESS/,
    )
    must(sockets.listen(server, 5))
    expect(told(sockets.accept(server, 0))).toBe('EAGAIN')
    const client = keep(sockets.create(AF_INET, SOCK_STREAM, 0))
    expect(told(sockets.connect(client, inet(port)))).toMatch(/ok|EINPROGRESS/)
    expect(sockets.isReady(client, 'out')).toBe(true)
    const accepted = must(sockets.accept(server, SOCK_NONBLOCK))
    expect(sockets.isBlocking(keep(accepted.fd))).toBe(false)
    expect(accepted.address[0]).toBe(AF_INET)
    expect(sockets.send(client, Buffer.from('hello'), 0, undefined, [])).toBe(5)
    // The mode that was changed for the time of the call is as before.
    expect([sockets.isBlocking(client), sockets.isBlocking(server)]).toEqual([true, true])
  })

  contract('a socket is bound once, an address to one socket', (subject, _at, keep) => {
    const { sockets } = subject.kernel
    const [one, two] = [keep(sockets.create(AF_INET, SOCK_STREAM, 0)), keep(sockets.create(AF_INET, SOCK_STREAM, 0))]
    must(sockets.bind(one, inet(0), 0))
    expect(told(sockets.bind(one, inet(0), 0))).toBe('EINVAL')
    must(sockets.listen(one, 1))
    expect(told(sockets.bind(two, inet(portOf(subject, one)), 0))).toBe('EADDRINUSE')
  })

  contract('a unix socket makes a file under the umask, and none where there is one', (subject, at, keep) => {
    const {
      kernel,
      kernel: { sockets },
    } = subject
    const server = keep(sockets.create(AF_UNIX, SOCK_STREAM, 0))
    must(named(kernel).bind(server, at('s'), 0o077))
    expect(kernel.kindOf(at('s').path)).toBe('socket')
    const handle = keep(kernel.handle(at('s'), 'keep'))
    expect(Buffer.from(must(kernel.stat(handle))).readUInt32LE(STAT[subject.arch].st_mode.at) & 0o777).toBe(0o700)
    subject.write('f', 'x')
    expect(told(named(kernel).bind(keep(sockets.create(AF_UNIX, SOCK_STREAM, 0)), at('f'), 0))).toBe('EADDRINUSE')
    expect(told(sockets.connect(keep(sockets.create(AF_UNIX, SOCK_STREAM, 0)), Endpoint.at(at('s'))))).toBe(
      'ECONNREFUSED',
    )
    must(sockets.listen(server, 1))
    expect(told(sockets.connect(keep(sockets.create(AF_UNIX, SOCK_STREAM, 0)), Endpoint.at(at('s'))))).toBe('ok')
    keep(must(sockets.accept(server, 0)).fd)
  })

  contract('an own socket is reached by its file alone: another that has its name is not', (subject, at, keep) => {
    const {
      kernel,
      kernel: { sockets },
    } = subject
    const listen = (name: string): void => {
      const server = keep(sockets.create(AF_UNIX, SOCK_STREAM, 0))
      must(named(kernel).bind(server, at(name), 0))
      must(sockets.listen(server, 1))
    }
    listen('own')
    listen('other')
    const own = must(kernel.identityOf(at('own').path))
    expect(must(kernel.identityOf(at('own').path))).toBe(own)
    expect(must(kernel.identityOf(at('other').path))).not.toBe(own)
    expect(told(kernel.identityOf(at('nothing').path))).toBe('ENOENT')
    const reach = (name: string): string =>
      told(sockets.connect(keep(sockets.create(AF_UNIX, SOCK_STREAM, 0)), Endpoint.at(at(name), own)))
    expect([reach('own'), reach('other')]).toEqual(['ok', 'ECONNREFUSED'])
  })

  contract(
    'no descriptor comes in over a socket, or over the ends of a pair that is granted',
    ({ kernel: { sockets } }, _at, keep) => {
      const [tcp, unix] = [keep(sockets.create(AF_INET, SOCK_STREAM, 0)), keep(sockets.create(AF_UNIX, SOCK_STREAM, 0))]
      expect([sockets.takesDescriptors(tcp), sockets.takesDescriptors(unix)]).toEqual([false, false])
    },
  )

  contract('an abstract name is that of the sockets that have it now', (subject, _at, keep) => {
    const { sockets } = subject.kernel
    const server = keep(sockets.create(AF_UNIX, SOCK_STREAM, 0))
    const name = rawPath(`contract-${process.pid}`)
    const bytes = must(addressBytes({ family: 'abstract', name }))
    expect(must(sockets.named(name, SOCK_STREAM))).toEqual([])
    must(sockets.bind(server, Endpoint.own('own-socket', bytes), 0))
    expect(must(sockets.named(name, SOCK_STREAM))).toEqual([expect.any(Number)])
    expect(must(sockets.named(name, SOCK_DGRAM))).toEqual([])
    expect(must(sockets.named(rawPath(`${name}-other`), SOCK_STREAM))).toEqual([])
  })

  contract('which addresses are here', ({ kernel: { sockets } }) => {
    expect(
      ['127.0.0.1', '192.0.2.1', '239.1.2.3', '255.255.255.255', '2001:db8::1', 'no address'].map((host) =>
        sockets.isHere(host),
      ),
    ).toEqual([true, false, false, false, false, false])
  })

  contract('no link leads to a unix socket, neither to connect to it nor to make it', (subject, at, keep) => {
    const {
      kernel,
      kernel: { sockets },
    } = subject
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    must(named(kernel).symlink('d', at('l')))
    const server = keep(sockets.create(AF_UNIX, SOCK_STREAM, 0))
    expect(told(named(kernel).bind(server, at('l/s'), 0))).toMatch(/ELOOP|ENOTDIR/)
    must(named(kernel).bind(server, at('d/s'), 0))
    must(sockets.listen(server, 1))
    must(named(kernel).symlink('d/s', at('ls')))
    for (const name of ['ls', 'l/s']) {
      const outcome = told(sockets.connect(keep(sockets.create(AF_UNIX, SOCK_STREAM, 0)), Endpoint.at(at(name))))
      expect([name, outcome]).toEqual([name, 'ELOOP'])
    }
  })

  contract('a socket bound under another umask leaves what is made next alone', (subject, at, keep) => {
    const {
      kernel,
      kernel: { sockets },
    } = subject
    must(named(kernel).mkdir(at('before'), 0o777, 0o022))
    must(named(kernel).bind(keep(sockets.create(AF_UNIX, SOCK_STREAM, 0)), at('s'), 0))
    must(named(kernel).mkdir(at('after'), 0o777, 0o022))
    const handle = keep(kernel.handle(at('after'), 'keep'))
    expect(Buffer.from(must(kernel.stat(handle))).readUInt32LE(STAT[subject.arch].st_mode.at)).toBe(S_IFDIR | 0o755)
  })

  contract('datagrams go to an address, or nowhere', (subject, _at, keep) => {
    const { sockets } = subject.kernel
    const [from, to] = [keep(sockets.create(AF_INET, SOCK_DGRAM, 0)), keep(sockets.create(AF_INET, SOCK_DGRAM, 0))]
    must(sockets.bind(to, inet(0), 0))
    expect(sockets.send(from, Buffer.from('hello'), 0, inet(portOf(subject, to)), [])).toBe(5)
    expect(told(sockets.send(from, Buffer.from('hello'), 0, undefined, []))).toBe('EDESTADDRREQ')
    expect(must(sockets.receivers('udp', portOf(subject, to))).map(({ cookie }) => cookie)).toEqual([
      must(sockets.cookie(to)),
    ])
    expect(must(sockets.receivers('tcp', portOf(subject, to)))).toEqual([])
    expect(must(sockets.boundTo('udp', portOf(subject, to)))).toMatchObject([
      { cookie: must(sockets.cookie(to)), host: '127.0.0.1', peerPort: 0, inode: expect.any(Number) },
    ])
    expect(told(sockets.listen(to, 1))).toBe('EOPNOTSUPP')
  })
}
