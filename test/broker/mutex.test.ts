/** Calls that look at a name and then move it wait for each other, whichever worker makes them; nobody else waits. */
import { existsSync, lstatSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Mutex } from '../../src/broker/mutex.js'
import { DONE, type Reply } from '../../src/syscalls/call.js'
import { failed } from '../../src/syscalls/outcome.js'
import { policyData } from '../contracts/rules.js'
import { someCall } from '../syscalls/house.js'
import { confine, DIST, missing, within, type Confined } from './confined.js'

describe('a mutex', () => {
  test('is had by one at a time, by whatever thread that shares it', () => {
    const [mine, other] = [new Mutex(), new Mutex()]
    const same = new Mutex(mine.shared)
    expect([mine.tryLock(), same.tryLock(), other.tryLock()]).toEqual([true, false, true])
    mine.unlock()
    expect([same.tryLock(), mine.tryLock()]).toEqual([true, false])
  })
})

test('what has to wait for something else gives the mutex back, and has it again whenever it looks', () => {
  const [mutex, call] = [new Mutex(), someCall()]
  let looks = 0
  const look = (): Reply => {
    expect(mutex.tryLock()).toBe(false)
    return ++looks < 3 ? { kind: 'later', again: look, cancel: () => {} } : DONE
  }
  let reply = mutex.exclusive({ run: look }, call)
  for (; !failed(reply) && reply.kind === 'later'; reply = reply.again()) {
    expect(mutex.tryLock()).toBe(true)
    mutex.unlock()
  }
  expect([reply, looks]).toEqual([DONE, 3])
})

describe.skipIf(missing !== undefined)(`workers (${missing ?? 'live'})`, () => {
  let scratch: string
  let mutex: Mutex
  let workers: Confined[]

  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'mutex-')))
    // The built one, which the host gives to its threads. Typed by its source.
    mutex = ((await import(pathToFileURL(`${DIST}/broker/mutex.js`).href)) as { processMutex: Mutex }).processMutex
    const policy = policyData([[`write +${scratch}/`]])
    workers = await Promise.all([0, 1].map(() => confine({ runtime: 'broker/runtime.mjs', policy })))
  })
  afterAll(async () => {
    for (const { worker, faults } of workers) {
      await within(10_000, 'stop', worker.stop())
      expect(faults).toEqual([])
    }
    rmSync(scratch, { recursive: true, force: true })
  })

  test.each([
    ['rename', 'f', 'moved', () => existsSync(join(scratch, 'moved'))],
    ['link', 'f', 'linked', () => existsSync(join(scratch, 'linked'))],
    ['symlink', 'f', 'symbolic', () => lstatSync(join(scratch, 'symbolic'), { throwIfNoEntry: false }) !== undefined],
  ] as const)('%s waits while another has the mutex, and is done right afterwards', async (call, from, to, isThere) => {
    writeFileSync(join(scratch, 'f'), 'content')
    writeFileSync(join(scratch, 'other'), 'other')
    const [first, second] = workers
    if (first === undefined || second === undefined) throw new Error('no workers')
    expect(mutex.tryLock()).toBe(true)
    try {
      await first.value('start', 'it', call, join(scratch, from), join(scratch, to))
      // Its own broker and another's go on, with other registers in between.
      for (const worker of [first, second]) {
        for (let round = 0; round < 20; round++)
          expect(await within(10_000, 'a read', worker.value('readFile', join(scratch, 'other')))).toBe('other')
      }
      expect(isThere()).toBe(false)
    } finally {
      mutex.unlock()
    }
    expect(await within(10_000, 'the call', first.value('finish', 'it'))).toBe('done')
    expect(isThere()).toBe(true)
  })
})
