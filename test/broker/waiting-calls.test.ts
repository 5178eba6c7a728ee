import { expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import type { TrappedCall } from '../../src/broker/trapped-call.js'
import { BOUNDS, WaitingCalls } from '../../src/broker/waiting.js'
import { GONE, type LaterReply } from '../../src/syscalls/call.js'
import { Fail } from '../../src/syscalls/outcome.js'

// The cast: nothing else of a call is asked for.
const call = { name: 'rename', target: { stillWaiting: () => true } } as unknown as TrappedCall

test('a call that is being made is not refused, however many wait: it would have been done all the same', () => {
  const waiting = new WaitingCalls()
  const cancelled: string[] = []
  const reply = (name: string, more: object = {}): LaterReply => ({
    kind: 'later',
    again: () => GONE,
    cancel: () => void cancelled.push(name),
    ...more,
  })
  for (let count = 0; count < BOUNDS.calls; count++) expect(waiting.add(call, reply('one of many'))).toBeUndefined()
  expect(waiting.add(call, reply('refused'))).toBe(Fail.of(Errno.ENOBUFS))
  expect(waiting.add(call, reply('under way', { isUnderWay: true }))).toBeUndefined()
  expect(cancelled).toEqual(['refused'])
})
