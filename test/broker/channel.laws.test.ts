/** Whatever a worker does with its channel: it is answered well-formed or not any more, nothing leaks, and nobody else notices. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PolicyData } from '../../src/policy/policy.js'
import {
  acquireFrame,
  decodeFrame,
  encodeFrame,
  ErrorCode,
  frameText,
  markFrame,
  Opcode,
  readRefused,
  reportFrame,
} from '../../src/protocol.js'
import { bytes, frame } from '../arbitraries/frames.js'
import { policyData, rule } from '../contracts/rules.js'
import { liveLaw } from '../laws/law.js'
import { confine, missing, SOON, within, type Confined } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'

/** What the parent sends, once a worker is up. */
const FROM_PARENT = new Set<number>(
  Object.entries(Opcode)
    .filter(([name]) => /^(?:acquired|reported|error)$/.test(name))
    .map(([, number]) => number),
)

type Deed = readonly [
  deed: 'send' | 'flood' | 'attach' | 'shut' | 'read' | 'look',
  ...args: readonly (string | number)[],
]

const packet = fc
  .oneof({ weight: 2, arbitrary: frame.map((one) => encodeFrame(one)) }, { weight: 2, arbitrary: bytes })
  .map((some) => Buffer.from(some).toString('hex'))
/** Two that are granted, and what is none of them. */
const asks = fc.oneof(
  fc
    .tuple(
      fc.nat(0xffff_ffff),
      fc.constantFrom('seed', 'web', 'seed', 'web', 'outside', 'Seed', 'seed2', '../seed', ''),
    )
    .map(([id, name]) => acquireFrame(id, name)),
  fc.tuple(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 2, 0xffff_ffff)).map(([id, from]) => reportFrame(id, from)),
  fc.oneof(fc.constantFrom(0, 1, 3, 4, 2 ** 31), fc.nat()).map((descriptor) => markFrame(descriptor)),
)
/** Frames that leave the channel open, so that it goes on: the replay of one, thousands in flight. */
const harmless = fc
  .oneof(
    { weight: 2, arbitrary: asks },
    frame
      .filter(
        ({ opcode }) =>
          opcode !== Opcode.setup && opcode !== Opcode.welcome && opcode !== Opcode.hello && !FROM_PARENT.has(opcode),
      )
      .map((one) => encodeFrame(one)),
  )
  .map((one) => Buffer.from(one).toString('hex'))
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: harmless.map((hex): Deed => ['send', hex]) },
  { weight: 1, arbitrary: packet.map((hex): Deed => ['send', hex]) },
  {
    weight: 2,
    arbitrary: fc.tuple(harmless, fc.constantFrom(2, 100, 5000)).map(([hex, count]): Deed => ['flood', hex, count]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.oneof(harmless, packet), fc.constantFrom(1, 2, 20))
      .map(([hex, count]): Deed => ['attach', hex, count]),
  },
  { weight: 1, arbitrary: fc.constantFrom<Deed>(['shut', 0], ['shut', 1], ['shut', 2]) },
  { weight: 2, arbitrary: fc.constantFrom(1, 10, 10_000).map((count): Deed => ['read', count]) },
  { weight: 1, arbitrary: fc.constant<Deed>(['look', '/proc/self/status']) },
)

interface Received {
  readonly packet: string
  readonly fds: readonly string[]
}

let scratch: string
let file: string
/** Outside of what the worker may read by its path. */
let seed: string
let bystander: Confined
let hostile: Confined | undefined
let before: readonly string[] = []

function policy(): PolicyData {
  const listens = {
    access: 'listen',
    source: 'tcp:127.0.0.1:0',
    at: 'test',
    target: {
      family: 'inet',
      protocol: 'tcp',
      host: { kind: 'networks', networks: [{ address: '127.0.0.1', prefix: 32 }] },
      ports: { from: 0, to: 0 },
    },
  } as const
  const address = { family: 'inet', protocol: 'tcp', host: '127.0.0.1', port: 0 } as const
  return {
    ...policyData([[`read +${scratch}/`], ['read +/proc/self/']]),
    resources: [
      {
        name: 'seed',
        at: 'test',
        use: {
          how: 'open',
          access: 'read',
          rule: rule(`read +${seed}`),
          create: false,
          truncate: false,
          append: false,
        },
      },
      { name: 'web', at: 'test', use: { how: 'listen', rule: listens, address, backlog: 5, share: 'worker' } },
    ],
  }
}

const worker = (): Promise<Confined> => within(SOON, 'start', confine({ runtime: 'laws/peer.mjs', policy: policy() }))

async function isServed(who: string, confined: Confined): Promise<void> {
  expect(await within(SOON, who, confined.value('readFile', file))).toBe('content')
}

async function stop(confined: Confined): Promise<void> {
  await within(SOON, 'stop', confined.worker.stop())
  expect(confined.faults.length, confined.faults.join()).toBeLessThanOrEqual(1)
}

function wellFormed(received: readonly Received[]): void {
  for (const { packet: hex, fds } of received) {
    const decoded = decodeFrame(Buffer.from(hex, 'hex'))
    if (typeof decoded === 'string') throw new Error(`the broker sent what is no frame: ${decoded}`)
    expect(FROM_PARENT.has(decoded.opcode), `the broker sent opcode ${decoded.opcode}`).toBe(true)
    expect([...requests], 'an answer to what was not asked').toContain(decoded.id)
    if (decoded.opcode !== Opcode.acquired) expect(fds, 'a descriptor came without a grant').toEqual([])
    if (decoded.opcode === Opcode.error) expect(Object.values(ErrorCode)).toContain(readRefused(decoded)?.code)
    if (decoded.opcode !== Opcode.acquired) continue
    const told: unknown = JSON.parse(frameText(decoded))
    if (fds[0] === seed) expect(told).toMatchObject({ name: 'seed', kind: 'file', path: seed })
    else expect([told, fds]).toMatchObject([{ name: 'web', kind: 'server' }, [expect.stringMatching(/^socket:/)]])
    expect(fds).toHaveLength(1)
  }
}

/** What the hostile worker has asked so far. */
const requests = new Set<number>()

function remember(deeds: readonly Deed[]): void {
  for (const [, hex] of deeds) {
    const decoded = typeof hex === 'string' ? decodeFrame(Buffer.from(hex, 'hex')) : ''
    if (typeof decoded !== 'string') requests.add(decoded.id)
  }
}

async function misuse(deeds: readonly Deed[]): Promise<void> {
  if (hostile === undefined) requests.clear()
  hostile ??= await worker()
  remember(deeds)
  // Meanwhile and afterwards.
  const [received] = await Promise.all([
    within(SOON, 'the hostile worker', hostile.value('act', deeds)),
    isServed('the other worker, meanwhile', bystander),
  ])
  if (!Array.isArray(received)) throw new Error(String(received))
  // What `act` of fixtures/targets/laws/peer.mjs gives.
  wellFormed(received as Received[])
  await isServed('the hostile worker', hostile)
  await isServed('the other worker', bystander)
  if (hostile.faults.length === 0 && deeds.every(([name]) => name !== 'shut')) return
  await stop(hostile)
  hostile = undefined
  await asBefore(before)
}

describe.skipIf(missing !== undefined)(`a channel (${missing ?? 'live'})`, () => {
  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'channel-')))
    file = join(scratch, 'f')
    seed = realpathSync(mkdtempSync(join(tmpdir(), 'seed-'))) + '/seed'
    writeFileSync(seed, 'seed')
    writeFileSync(file, 'content')
    bystander = await worker()
    // The host keeps a thread for two, and a broker what it has opened to read and write a worker's memory.
    const first = await worker()
    for (const one of [bystander, first]) {
      await one.value('act', [
        ['look', '/proc/self/status'],
        ['attach', '', 1],
      ])
      await isServed('a worker', one)
    }
    await stop(first)
    before = descriptors()
  })
  afterAll(async () => {
    if (hostile !== undefined) await stop(hostile)
    await stop(bystander)
    expect(bystander.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
    rmSync(dirname(seed), { recursive: true, force: true })
  })

  liveLaw(
    'whatever a worker does with its channel ends well-formed, leaks nothing, and holds nobody up',
    { cases: 25 },
    [fc.array(deed, { minLength: 1, maxLength: 10 })],
    misuse,
  )

  test('floods that nobody reads leave no memory behind', async () => {
    const flood: Deed[] = Array.from({ length: 20 }, () => [
      'flood',
      Buffer.from(encodeFrame({ opcode: Opcode.mark, id: 1, body: Buffer.alloc(60_000, 0x61) })).toString('hex'),
      500,
    ])
    const sizes: number[] = []
    for (let round = 0; round < 6; round++) {
      await misuse(flood)
      sizes.push(process.memoryUsage().rss)
    }
    const [, , third = 0, , , last = 0] = sizes
    expect(last - third, sizes.join()).toBeLessThan(64 << 20)
  })
})
