import { expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import type { FrameAnswer } from '../../src/broker/channel.js'
import { guarded, guardedAnswer } from '../../src/broker/guarded.js'
import { DONE } from '../../src/syscalls/call.js'
import { Fail } from '../../src/syscalls/outcome.js'
import { someCall } from '../syscalls/house.js'

/** Any call will do: the rows here look at none. */
const call = someCall()

test("a handler's answer is the answer", () => {
  const told: string[] = []
  for (const reply of [DONE, Fail.of(Errno.ENOENT)])
    expect(guarded({ run: () => reply }, call, (detail) => void told.push(detail))).toBe(reply)
  expect(told).toEqual([])
})

test.each([new TypeError('a defect'), 'a defect'])(
  'whatever a handler throws is a refusal, told once: %s',
  (thrown) => {
    const told: string[] = []
    const row = {
      run: () => {
        throw thrown
      },
    }
    expect(guarded(row, call, (detail) => void told.push(detail))).toBe(Fail.of(Errno.EACCES))
    expect(told).toEqual([expect.stringContaining('a defect')])
  },
)

test('the same for a request on the channel, also when it is asked again', () => {
  const told: string[] = []
  let asked = 0
  const again = (): FrameAnswer => {
    if (++asked < 3) return { kind: 'later', again, cancel: () => {} }
    throw new TypeError('a defect')
  }
  let answer = guardedAnswer(again, (detail) => void told.push(detail))
  while (answer.kind === 'later') answer = answer.again()
  expect(answer).toMatchObject({ kind: 'refused', refused: { errno: Errno.EACCES } })
  expect([asked, told]).toEqual([3, [expect.stringContaining('a defect')]])
})
