import { expect, test } from 'vitest'
import { Traces } from '../../src/broker/traces.js'

test('hosts that were told before a name server is asked are what it is asked for, again and again', () => {
  const traces = new Traces()
  for (const host of ['one.example:443', 'two.example:*', 'one.example:443']) traces.lookup(host)
  expect(traces.hosts('a')).toEqual(['one.example:443', 'two.example:*'])
  expect(traces.hosts('a')).toEqual(['one.example:443', 'two.example:*'])
  traces.lookup('three.example:80')
  expect(traces.hosts('a')).toEqual(['three.example:80'])
})

test('what another test looked up is not told of this one', () => {
  const traces = new Traces()
  traces.lookup('one.example:443')
  expect(traces.hosts('a')).toEqual(['one.example:443'])
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
  ]
  for (const host of bad) traces.lookup(host)
  expect(traces.hosts('a')).toEqual([])
  for (let at = 0; at < 1000; at++) traces.lookup(`host${at}.example:1`)
  expect(traces.hosts('a')).toHaveLength(50)
})
