/** Any call of a live worker gets one answer, the one that the fake gives, and nothing without a grant. */
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { anyCall } from '../arbitraries/calls.js'
import { missing } from '../broker/confined.js'
import { liveLaw } from '../laws/law.js'
import { CallsWorld } from './calls-world.js'

const world = new CallsWorld()

describe.skipIf(missing !== undefined)(`live (${missing ?? 'on this kernel'})`, () => {
  afterAll(() => world.close())

  liveLaw(
    'any calls of a live worker are answered as in the fake, and get nothing that is not granted',
    { cases: 60 },
    [fc.array(anyCall, { minLength: 1, maxLength: 12 })],
    (calls) => world.judge(calls),
  )

  test('that law was put to the test', () => {
    const { counts } = world
    expect(counts.done / counts.calls, JSON.stringify(counts)).toBeGreaterThan(0.1)
    expect(counts.compared / counts.calls, JSON.stringify(counts)).toBeGreaterThan(0.04)
  })
})
