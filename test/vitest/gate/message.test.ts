import { expect, test } from 'vitest'
import { ProtocolError } from '../../../src/errors.js'
import { parseMessage } from '../../../src/vitest/gate/message.js'

test('what Vitest sends is parsed', () => {
  expect(parseMessage({ t: 'q', m: 'fetch', a: ['x'], i: 'id' })).toEqual({
    kind: 'call',
    method: 'fetch',
    args: ['x'],
    id: 'id',
  })
  expect(parseMessage({ t: 'q', m: 'onCancel', a: [] })).toEqual({ kind: 'call', method: 'onCancel', args: [] })
  expect(parseMessage({ t: 'q', m: 'x', a: [], i: 'id', o: true })).toMatchObject({ kind: 'call' })
  expect(parseMessage({ t: 's', i: 'id', r: 1 })).toEqual({
    kind: 'answer',
    id: 'id',
    message: { t: 's', i: 'id', r: 1 },
  })
  expect(
    parseMessage({ __vitest_worker_response__: true, type: 'testfileFinished', usedMemory: 5, error: undefined }),
  ).toEqual({ kind: 'response', type: 'testfileFinished', usedMemory: 5 })
})

test.each([
  null,
  undefined,
  1,
  'text',
  [],
  new Map(),
  new Date(0),
  {},
  { t: 'x' },
  { t: ['q'] },
  { t: 'q' },
  { t: 'q', m: 1, a: [] },
  { t: 'q', m: 'x', a: {} },
  { t: 'q', m: 'x', a: [], i: 1 },
  { t: 'q', m: 'x', a: [], i: '' },
  { t: 'q', m: 'x', a: [], i: 'x'.repeat(65) },
  { t: 'q', m: 'x', a: [], y: 1 },
  { t: 'q', m: 'x'.repeat(65), a: [] },
  { t: 'q', m: 'x', a: Array(9).fill(0) },
  { t: 's' },
  { t: 's', i: 7 },
  { t: 's', i: 'x', m: 'fetch' },
  { __vitest_worker_response__: 1, type: 'started' },
  { __vitest_worker_response__: true, type: 'toString' },
  { __vitest_worker_response__: true, type: 'started', t: 'q' },
  { __vitest_worker_response__: true, type: 'started', usedMemory: 'much' },
  JSON.parse('{"__proto__": {"t": "q"}, "m": "x", "a": []}'),
])('%j is no message', (message) => {
  expect(() => parseMessage(message)).toThrow(ProtocolError)
})
