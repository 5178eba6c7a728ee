import { expect, test } from 'vitest'
import { Traces } from '../../src/broker/traces.js'
import type { HostUse } from '../../src/policy/event.js'

const asked = (name: string, port: HostUse['port']): HostUse => ({ name, port, stage: 'asked' })

test('hosts that were told before a name server is asked are what it is asked for, again and again', () => {
  const traces = new Traces()
  for (const host of ['one.example:443', 'two.example:*', 'one.example:443']) traces.lookup(host)
  expect(traces.hosts('a')).toEqual([asked('one.example', 443), asked('two.example', '*')])
  expect(traces.hosts('a')).toEqual([asked('one.example', 443), asked('two.example', '*')])
  traces.lookup('three.example:80')
  expect(traces.hosts('a')).toEqual([asked('three.example', 80)])
})

test('what another test looked up is not told of this one', () => {
  const traces = new Traces()
  traces.lookup('one.example:443')
  expect(traces.hosts('a')).toEqual([asked('one.example', 443)])
  expect(traces.hosts('b')).toEqual([])
})

test('a worker can put nothing else into what is to be pasted, nor fill the memory', () => {
  const traces = new Traces()
  const bad = [
    '',
    'a',
    'a:',
    ':1',
    "a':1",
    'a b:1',
    'a\n:1',
    'a:123456',
    'a:-1',
    '../a:1',
    `${'a'.repeat(300)}:1`,
    'a:1:1',
    '[::1]:1',
    'é.example:1',
    '-a:1',
    'a..b:1',
  ]
  for (const host of bad) traces.lookup(host)
  expect(traces.hosts('a')).toEqual([])
  for (let at = 0; at < 1000; at++) traces.lookup(`host${at}.example:1`)
  expect(traces.hosts('a')).toHaveLength(50)
})

test('an address has the name by which it was spoken to, until another test file begins', () => {
  const traces = new Traces()
  const at = (host: string) => traces.hostAt({ host, port: 443 })
  for (const text of ['one.example. 192.0.2.1', 'two.example ::ffff:192.0.2.2', 'three.example 2001:db8:0::1'])
    traces.named(text)
  for (const bad of ["a' 192.0.2.3", 'a 192.0.2', 'a', ' 192.0.2.3', 'a b 192.0.2.3']) traces.named(bad)
  expect(at('192.0.2.1')).toEqual({ name: 'one.example', port: 443, stage: 'found' })
  expect(at('192.0.2.2')?.name).toBe('two.example')
  expect(at('2001:db8::1')?.name).toBe('three.example')
  expect(at('192.0.2.3')).toBeUndefined()
  traces.reset()
  expect(at('192.0.2.1')).toBeUndefined()
})
