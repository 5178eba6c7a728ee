/** Values of a worker's messages, as reports contain them. */
import { deserialize, serialize } from 'node:v8'
import { expect, test } from 'vitest'
import { cleanError } from '../../../src/vitest/gate/errors-told.js'
import { plain } from '../../../src/vitest/gate/plain.js'

const sent = (value: unknown): unknown => plain(deserialize(serialize(value)))

test('what JSON has no form for becomes text', () => {
  const within: { [key: string]: unknown } = { list: [] }
  within.itself = { within, list: [within] }
  const given = { big: 5n, boxed: Object(5n), list: [6n], several: new BigInt64Array(2), within }
  expect(sent(given)).toEqual({
    big: '5',
    boxed: '5',
    list: ['6'],
    several: ['0', '0'],
    within: { list: [], itself: { within: '[Circular]', list: ['[Circular]'] } },
  })
  expect(JSON.stringify(sent(given))).toContain('"big":"5"')
  expect([sent(5n), cleanError(5n, () => true), sent(null), sent(undefined)]).toEqual(['5', '5', null, undefined])
})

test('what is there twice, and not within itself, is there twice', () => {
  const shared = { a: [1] }
  expect(sent({ one: shared, other: [shared] })).toEqual({ one: { a: [1] }, other: [{ a: [1] }] })
})

test('what holds itself many times over is not there as often as JSON would say it', () => {
  const levels = (count: number): unknown => {
    let unfolding: object = { text: 'x' }
    for (let level = 0; level < count; level++) unfolding = { one: unfolding, other: unfolding }
    return sent(unfolding)
  }
  expect(JSON.stringify(levels(60)).length).toBeLessThan(128 * 1024 * 1024)
  expect(JSON.stringify(levels(10))).not.toContain('Repeated')
})
