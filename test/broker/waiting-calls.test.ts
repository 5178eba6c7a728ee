import { expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { Leases } from '../../src/broker/leases.js'
import { shareOf } from '../../src/broker/share.js'
import type { TrappedCall } from '../../src/broker/trapped-call.js'
import { BOUNDS, WaitingCalls } from '../../src/broker/waiting.js'
import { GONE, type LaterReply } from '../../src/syscalls/call.js'
import { Fail } from '../../src/syscalls/outcome.js'
import { FakeKernel } from '../contracts/fake-kernel.js'

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

test('where the broker may have few descriptors, one worker leaves most of them to the others', () => {
  expect(shareOf(BOUNDS.descriptors, 1024, 2)).toBe(85)
  expect(shareOf(BOUNDS.descriptors, 2 ** 64, 64)).toBe(BOUNDS.descriptors)
  const waiting = new WaitingCalls(85)
  const reply: LaterReply = { kind: 'later', again: () => GONE, cancel: () => {}, keeps: { descriptors: 85, bytes: 0 } }
  expect(waiting.add(call, reply)).toBeUndefined()
  expect(waiting.add(call, reply)).toBe(Fail.of(Errno.ETOOMANYREFS))
  const { sockets } = new FakeKernel()
  expect(new Leases(85).hasRoom(sockets, 85)).toBe(true)
  expect(new Leases(85).hasRoom(sockets, 86)).toBe(false)
})
