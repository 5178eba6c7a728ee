/** A broker thread as the main thread sees it. */
import { readlinkSync } from 'node:fs'
import type { Tinypool } from 'tinypool'
import { expect, test } from 'vitest'
import { missing } from './confined.js'

/** What the thread is given. */
interface Task {
  readonly port: { postMessage(message: object): void }
  readonly bell: number
}

const isBell = (fd: number): boolean => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]'
  } catch {
    return false
  }
}

test.skipIf(missing !== undefined).each([
  ['serves', 'resolve'],
  ['fails', 'reject'],
] as const)(
  'the bell of a thread that %s is closed when nobody can ring it any more, and not before',
  async (_, end) => {
    const { BrokerThread } = await import('../../src/broker/broker-thread.js')
    let task: Task | undefined
    let settle: Record<'resolve' | 'reject', (value: Error) => void> | undefined
    // The cast: nothing else of a pool is used.
    const pool = {
      run: (given: Task) => {
        task = given
        return new Promise((resolve, reject) => (settle = { resolve, reject }))
      },
    } as unknown as Tinypool
    const thread = new BrokerThread(pool)
    if (task === undefined || settle === undefined) throw new Error('no task')
    const { bell, port } = task
    port.postMessage({ type: 'begun', id: 1, threadId: 1 })
    await thread.begun
    // The thread's last word. Tinypool has not said yet that it is free.
    port.postMessage({ type: 'ended' })
    thread.command({ type: 'hear', sequence: 1 })
    expect(isBell(bell)).toBe(true)
    settle[end](new Error('ended'))
    await thread.over
    expect([thread.isOver, thread.hasFailed, isBell(bell)]).toEqual([true, end === 'reject', false])
    // To nobody.
    thread.command({ type: 'hear', sequence: 2 })
  },
)
