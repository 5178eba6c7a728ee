/** Ports are used again: by the worker, and by strangers that a test must never reach. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import * as fc from 'fast-check'
import { afterAll, describe, expect } from 'vitest'
import type { SocketRule } from '../../src/policy/policy.js'
import { policyData } from '../contracts/rules.js'
import { liveLaw } from '../laws/law.js'
import { confine, missing } from './confined.js'

const HOST = '127.0.0.1'

const anyPort = (protocol: 'tcp' | 'udp'): SocketRule => ({
  access: 'listen',
  target: {
    family: 'inet',
    protocol,
    ports: { from: 0, to: 0 },
    host: { kind: 'networks', networks: [{ address: HOST, prefix: 32 }] },
  },
  source: `${protocol}:${HOST}:0`,
  at: 'test',
})

interface Step {
  readonly does:
    | 'bind'
    | 'bind again'
    | 'connect'
    | 'send'
    | 'write'
    | 'share'
    | 'close'
    | 'stranger'
    | 'stranger leaves'
  readonly protocol: 'tcp' | 'udp'
  readonly how: 'no' | 'address' | 'port'
}

const step: fc.Arbitrary<Step> = fc.record({
  does: fc.constantFrom(
    'bind',
    'bind again',
    'connect',
    'send',
    'write',
    'share',
    'close',
    'stranger',
    'stranger leaves',
  ),
  protocol: fc.constantFrom('udp', 'udp', 'tcp'),
  how: fc.constantFrom('no', 'address', 'port'),
})

/** What leads somewhere, which steps at random seldom are. */
const WAYS: readonly (readonly Step['does'][])[] = [
  ['bind', 'connect', 'close', 'stranger', 'write'],
  ['bind', 'close', 'stranger', 'bind again', 'connect', 'write'],
  ['bind', 'connect', 'share', 'stranger', 'write'],
  ['bind', 'connect', 'close', 'bind again', 'close', 'stranger', 'write', 'send'],
  ['bind', 'close', 'stranger', 'connect', 'send', 'write'],
]
const way: fc.Arbitrary<readonly Step[]> = fc
  .tuple(fc.constantFrom(...WAYS), step)
  .map(([way, like]) => way.map((does) => ({ ...like, does })))
const steps = fc
  .array(
    fc.oneof(
      step.map((one) => [one]),
      way,
    ),
    { minLength: 1, maxLength: 10 },
  )
  .map((parts) => parts.flat())

/** Servers that the worker knows nothing of. Each counts whom it met. */
class Strangers {
  #met: string[] = []
  #open: (Socket | Server)[] = []

  /** Where the port is free, or can be shared. */
  async come(protocol: 'tcp' | 'udp', port: number, how: Step['how']): Promise<void> {
    const server =
      protocol === 'udp'
        ? createSocket({ type: 'udp4', reuseAddr: how === 'address' }, (data) =>
            this.#met.push(`datagram ${data.toString()}`),
          ).bind({
            port,
            address: HOST,
            exclusive: true,
          })
        : createServer((socket) => {
            this.#met.push('connection')
            socket.destroy()
          }).listen({ port, host: HOST, exclusive: true })
    // Rejects where an error comes first.
    const came = await once(server, 'listening').then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'EADDRINUSE' })
        return false
      },
    )
    if (came) this.#open.push(server)
  }

  async leave(): Promise<void> {
    for (const server of this.#open.splice(0)) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  /** What was sent to it before lies in its queue by now: loopback delivers in the call. */
  async met(): Promise<readonly string[]> {
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    return this.#met
  }
}

describe.skipIf(missing !== undefined)(`ports used again (${missing ?? 'live'})`, async () => {
  if (missing !== undefined) return
  const worker = await confine({
    runtime: 'broker/ports.mjs',
    policy: {
      ...policyData([['read +/proc/self/'], ['read +/dev/null'], ['read +/proc/sys/vm/overcommit_memory']]),
      sockets: [anyPort('tcp'), anyPort('udp')],
    },
  })
  afterAll(() => worker.worker.stop())

  liveLaw(
    "whatever a worker does with ports that were its own, a stranger's server meets nobody",
    { cases: 60 },
    [steps],
    async (steps) => {
      const strangers = new Strangers()
      const ports = { udp: 0, tcp: 0 }
      try {
        for (const { does, protocol, how } of steps) {
          const [server, client] = protocol === 'udp' ? [0, 1] : [2, 3]
          const port = ports[protocol]
          if (does === 'stranger') {
            if (port !== 0) await strangers.come(protocol, port, how)
          } else if (does === 'stranger leaves') await strangers.leave()
          else if (does === 'bind') {
            const bound = await worker.value('bind', server, protocol, 0, how)
            if (typeof bound === 'number') ports[protocol] = bound
          } else if (does === 'bind again') {
            if (port !== 0) await worker.value('bind', server, protocol, port, how)
          } else if (does === 'connect') {
            if (port !== 0) await worker.value('connect', client, protocol, port)
          } else if (does === 'send') {
            if (port !== 0 && protocol === 'udp') await worker.value('send', client, port)
          } else if (does === 'write') await worker.value('write', client)
          else if (does === 'share') await worker.value('share', server, how)
          else await worker.value('close', server)
        }
        expect(await strangers.met()).toEqual([])
      } finally {
        await strangers.leave()
        for (let slot = 0; slot < 4; slot++) await worker.value('close', slot)
      }
      expect(worker.faults).toEqual([])
    },
  )

  liveLaw(
    'what a worker listens on is its own to reach, however often the port was used before',
    { cases: 20 },
    [fc.constantFrom('udp' as const, 'tcp' as const), fc.nat(4)],
    async (protocol, again) => {
      let port = await worker.value('bind', 0, protocol, 0, 'no')
      for (let round = 0; round < again; round++) {
        expect(await worker.value('connect', 4, protocol, port)).toBe(protocol === 'udp' ? 'done' : 'EINPROGRESS')
        await worker.value('close', 4)
        await worker.value('close', 0)
        port = await worker.value('bind', 0, protocol, port, 'address')
        expect(port).toEqual(expect.any(Number))
      }
      expect(await worker.value('connect', 4, protocol, port)).toBe(protocol === 'udp' ? 'done' : 'EINPROGRESS')
      expect(await worker.value('write', 4)).toBe('done')
      for (const slot of [0, 4]) await worker.value('close', slot)
    },
  )
})
