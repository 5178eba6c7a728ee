import { expect, test } from 'vitest'
import { Memo } from '../../src/vitest/memo.js'

test('a value is made again once it would be made from other objects, and only then', () => {
  const memo = new Memo<number>()
  const [one, other] = [['a'], ['a']]
  let made = 0
  const get = (...from: readonly unknown[]): number => memo.get(from, () => ++made)
  expect([get(one, other), get(one, other)]).toEqual([1, 1])
  expect(get(one, one)).toBe(2)
  expect(get(other, one)).toBe(3)
  expect(get(other)).toBe(4)
  expect(get(other, one)).toBe(5)
  expect(get()).toBe(6)
  expect(get()).toBe(6)
})
