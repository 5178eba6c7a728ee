import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bindManifest } from '../../src/policy/bind.js'
import { formatIp, inNetwork, parseIp } from '../../src/policy/ip.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { rawPath, type SocketAddress, type SocketRequest } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'
import { socketCovers } from '../../src/policy/socket-index.js'
import type { SocketRule } from '../../src/policy/sockets.js'

const context = {
  root: '/app',
  workspace: '/',
  home: '/home/u',
  searchPath: [],
  tmp: '/tmp/w1',
  addresses: new Map([['db.local', ['10.1.2.3', 'fd00::7']]]),
  lookup: (path: string) => ({ kind: 'missing', real: rawPath(path) }) as const,
}

function ruleOf(access: SocketRule['access'], entry: string): SocketRule {
  const { sockets, problems } = bindManifest(parseOptions({ manifest: { [access]: [entry] } }).manifest, context)
  expect(problems).toEqual([])
  const [rule] = sockets
  if (rule === undefined) throw new Error(`${entry} gives no rule`)
  return rule
}

const tcp = (host: string, port: number): SocketAddress => ({ family: 'inet', protocol: 'tcp', host, port })
const unix = (path: string): SocketAddress => ({ family: 'unix', path: rawPath(path) })

const listenOn = (port: number): SocketRequest => ({
  kind: 'socket',
  access: 'listen',
  address: tcp('127.0.0.1', port),
})
const bytesOf = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]

describe('connect', () => {
  test.each<[string, SocketAddress, boolean]>([
    ['tcp:127.0.0.1:80', tcp('127.0.0.1', 80), true],
    ['tcp:127.0.0.1:80', tcp('127.0.0.1', 81), false],
    ['tcp:127.0.0.1:80', tcp('127.0.0.2', 80), false],
    ['tcp:127.0.0.1:80', tcp('::ffff:127.0.0.1', 80), true],
    ['udp:127.0.0.1:80', tcp('127.0.0.1', 80), false],
    ['tcp:[::1]:80', tcp('0:0:0:0:0:0:0:1', 80), true],
    ['tcp:[::1]:80', tcp('127.0.0.1', 80), false],
    ['tcp:[::ffff:10.0.0.0]/104:80', tcp('10.9.9.9', 80), true],
    ['tcp:localhost:80', tcp('127.9.9.9', 80), true],
    ['tcp:localhost:80', tcp('::1', 80), true],
    ['tcp:localhost:80', tcp('128.0.0.1', 80), false],
    ['tcp:10.0.0.0/8:443', tcp('10.255.0.1', 443), true],
    ['tcp:10.0.0.0/8:443', tcp('11.0.0.1', 443), false],
    ['tcp:[fd00::]/8:1-9', tcp('fdff::1', 9), true],
    ['tcp:0.0.0.0/0:*', tcp('8.8.8.8', 1), true],
    ['tcp:0.0.0.0/0:*', tcp('::1', 1), false],
    ['tcp:*:8000-8100', tcp('2001:db8::1', 8100), true],
    ['tcp:*:8000-8100', tcp('2001:db8::1', 8101), false],
    ['tcp:*:80', tcp('not an address', 80), false],
    ['tcp:DB.local:5432', tcp('10.1.2.3', 5432), true],
    ['tcp:DB.local:5432', tcp('fd00::7', 5432), true],
    ['tcp:DB.local:5432', tcp('10.1.2.4', 5432), false],
    ['tcp:unknown.local:1', tcp('10.1.2.3', 1), false],
    ['unix:/run/x.sock', unix('/run/x.sock'), true],
    ['unix:/run/x.sock', unix('/run/x.sock/y'), false],
    ['unix:/run/x.sock', unix('/run/../run/x.sock'), false],
    ['unix:<tmp>/*.sock', unix('/tmp/w1/a.sock'), true],
    ['unix:<tmp>/*.sock', unix('/tmp/w2/a.sock'), false],
    ['unix:x.sock', unix('/app/x.sock'), true],
    ['unix:@bus', { family: 'abstract', name: rawPath('bus') }, true],
    ['unix:@bus', { family: 'abstract', name: rawPath('bus2') }, false],
    // As Node 20's libuv asks for it.
    ['unix:@bus', { family: 'abstract', name: rawPath('bus'.padEnd(107, '\0')) }, true],
    ['unix:@bus', { family: 'abstract', name: rawPath('bus2'.padEnd(107, '\0')) }, false],
    ['unix:@bus', { family: 'abstract', name: rawPath('bus\0') }, false],
    ['unix:@bus', unix('/bus'), false],
  ])('%s and %j: %s', (entry, address, expected) => {
    const rule = ruleOf('connect', entry)
    expect(socketCovers(rule, { kind: 'socket', access: 'connect', address })).toBe(expected)
    expect(socketCovers(rule, { kind: 'socket', access: 'listen', address })).toBe(false)
  })
})

test('listening on port 0 is any free port, and no given one', () => {
  expect(socketCovers(ruleOf('listen', 'tcp:127.0.0.1:0'), listenOn(0))).toBe(true)
  expect(socketCovers(ruleOf('listen', 'tcp:127.0.0.1:0'), listenOn(40000))).toBe(false)
  expect(socketCovers(ruleOf('listen', 'tcp:127.0.0.1:40000'), listenOn(0))).toBe(false)
})

test('a policy decides sockets and names the rule', () => {
  const rule = ruleOf('connect', 'unix:/run/x.sock')
  const policy = compilePolicy({ lists: [], sockets: [rule], mode: 'enforce' })
  const verdict = decide(policy, { kind: 'socket', access: 'connect', address: unix('/run/x.sock') })
  expect(verdict.allowed && verdict.granted).toMatchObject({ rule, path: '/run/x.sock' })
})

test("no entry covers a port of Vitest's own, on whichever address", () => {
  const sockets = [ruleOf('connect', 'tcp:*:*'), ruleOf('listen', 'tcp:*:*'), ruleOf('connect', 'udp:*:*')]
  const policy = compilePolicy({ mode: 'enforce', lists: [], sockets, runnerPorts: [51204] })
  for (const access of ['connect', 'listen'] as const) {
    const of = (address: SocketAddress): SocketRequest => ({ kind: 'socket', access, address })
    for (const host of ['127.0.0.1', '::1', '192.0.2.1'])
      expect(decide(policy, of(tcp(host, 51204)))).toMatchObject({ allowed: false, reason: { why: 'port-of-runner' } })
    expect(decide(policy, of(tcp('127.0.0.1', 51205))).allowed).toBe(true)
  }
  const udp: SocketAddress = { family: 'inet', protocol: 'udp', host: '127.0.0.1', port: 51204 }
  expect(decide(policy, { kind: 'socket', access: 'connect', address: udp }).allowed).toBe(true)
})

describe('addresses', () => {
  test.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    '::1::',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8::',
    'g::',
    '::1.2.3',
    '12345::',
  ])('%j is none', (text) => expect(parseIp(text)).toBeUndefined())

  test('have one shortest form, which reads back the same', () => {
    const ip = fc.oneof(
      fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((bytes): readonly number[] => bytes),
      fc.array(fc.constantFrom(0, 0, 0, 1, 16, 255), { minLength: 16, maxLength: 16 }),
    )
    fc.assert(
      fc.property(ip, (bytes) => {
        const folded = parseIp(formatIp(bytes))
        fc.pre(folded !== undefined && folded.length === bytes.length)
        expect(folded).toEqual(bytes)
      }),
    )
    expect(formatIp(parseIp('1:0:0:2:0:0:0:10') ?? [])).toBe('1:0:0:2::10')
    expect(formatIp(parseIp('10:0:3:0:0:0:0:0') ?? [])).toBe('10:0:3::')
    expect(formatIp(parseIp('::') ?? [])).toBe('::')
  })

  test('a network covers exactly the addresses with its first bits', () => {
    const word = fc.nat({ max: 0xffffffff })
    fc.assert(
      fc.property(word, word, fc.nat(32), (a, b, prefix) => {
        const shared = prefix === 0 || a >>> (32 - prefix) === b >>> (32 - prefix)
        expect(inNetwork(bytesOf(a), { address: formatIp(bytesOf(b)), prefix })).toBe(shared)
      }),
    )
  })
})
