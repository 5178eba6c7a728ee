import { expect, test, vi } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { AF_INET, SOCK_DGRAM } from '../../src/abi/socket.js'
import { Leases } from '../../src/broker/leases.js'
import { Own } from '../../src/broker/own.js'
import { Endpoint } from '../../src/syscalls/endpoint.js'
import { Fail } from '../../src/syscalls/outcome.js'
import { FakeKernel } from '../contracts/fake-kernel.js'
import { must } from '../contracts/kernel.contract.js'

const PORT = 3001
const to = Endpoint.own('own-socket', Uint8Array.from([AF_INET, 0, PORT >> 8, PORT & 0xff, 127, 0, 0, 1, ...Array(8)]))
const HERE = { host: '127.0.0.1', port: PORT }

test('a receiver is relied on for as long as somebody is connected to it', () => {
  const { sockets, ledger } = new FakeKernel()
  const leases = new Leases()
  const receiver = sockets.make(AF_INET, SOCK_DGRAM)
  const client = sockets.make(AF_INET, SOCK_DGRAM)
  must(sockets.bind(receiver, to, 0))
  must(sockets.connect(client, to))
  const [cookie, its] = [must(sockets.cookie(client)), must(sockets.cookie(receiver))]
  const port = 40_002
  leases.add({ cookie, port, peer: HERE, receivers: [receiver], cookies: new Set([its]) })
  expect(leases.reliedOn(its, sockets)).toEqual(['127.0.0.1'])
  expect(leases.reliedOn(cookie, sockets)).toEqual([])
  // Nobody told the broker that the client is connected no longer.
  must(sockets.connect(client, Endpoint.own('unspecified', new Uint8Array(16))))
  expect(leases.reliedOn(its, sockets)).toEqual([])
  expect(leases.areAny).toBe(false)
  client.close()
  expect(ledger.live.size).toBe(0)
})

test('what the broker holds is relied on by all workers, however many sockets this one has had', () => {
  const { sockets } = new FakeKernel()
  const own = new Own()
  own.addInternet('udp', PORT, 'shared', 'broker')
  for (let port = 1; port <= 5000; port++) own.addInternet('udp', port, `cookie-${port}`, 5)
  expect(own.reliedOn('shared', sockets)).toEqual(['0.0.0.0'])
  expect(own.reliedOn('cookie-1', sockets)).toEqual([])
})

test('all leases together hold a bounded number of receivers', () => {
  const { sockets } = new FakeKernel()
  const leases = new Leases()
  const receivers = Array.from({ length: 100 }, () => sockets.make(AF_INET, SOCK_DGRAM))
  for (const cookie of ['one', 'two'])
    leases.add({ cookie, port: PORT, peer: HERE, receivers, cookies: new Set([cookie]) })
  vi.spyOn(sockets, 'boundTo').mockReturnValue(Fail.of(Errno.ENOBUFS))
  expect(leases.hasRoom(sockets, 56)).toBe(true)
  expect(leases.hasRoom(sockets, 57)).toBe(false)
})
