import { expect, test } from 'vitest'
import { checkSize } from '../../../src/vitest/gate/size.js'

const cap = { text: 100, values: 50 }
const check =
  (...args: unknown[]) =>
  () =>
    checkSize('m', args, cap)

test('text, buffers and values are counted, each object once', () => {
  const shared = { text: 'x'.repeat(40) }
  expect(check(shared, shared, [shared])).not.toThrow()
  expect(check('x'.repeat(60), 'x'.repeat(60))).toThrow(/more than 100 characters/)
  expect(check(new Uint8Array(101))).toThrow(/characters/)
  expect(check(Array(60).fill(1))).toThrow(/50 values/)
  expect(check(new Map([['k', 'x'.repeat(101)]]))).toThrow()
  expect(check(new Set(['x'.repeat(101)]))).toThrow()
  expect(check(new Error('x'.repeat(101)))).toThrow()
})

test('the holes of a list count, and so do its own fields', () => {
  const holes: unknown[] = []
  holes.length = 2 ** 32 - 1
  expect(check({ holes })).toThrow(/50 values/)
  expect(check(Object.assign([], { own: Array(60).fill(1) }))).toThrow(/50 values/)
})

test('what is deep is refused, a cycle is not deep', () => {
  const wide = { text: 1e6, values: 1e6 }
  let deep: unknown = []
  for (let i = 0; i < 300; i++) deep = [deep]
  expect(() => checkSize('m', [deep], wide)).toThrow(/levels deep/)
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  expect(() => checkSize('m', [cycle], wide)).not.toThrow()
})
