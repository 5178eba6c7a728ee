/** Calls that look at a name and then move it wait for each other, whichever worker makes them; nobody else waits. */
import { existsSync, lstatSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Turn } from '../../src/broker/turn.js'
import { DONE, type Reply } from '../../src/syscalls/call.js'
import { failed } from '../../src/syscalls/outcome.js'
import { policyData } from '../contracts/rules.js'
import { someCall } from '../syscalls/house.js'
import { confine, DIST, missing, within, type Confined } from './confined.js'

describe('a turn', () => {
  test('is had by one at a time, by whatever thread that shares it', () => {
    const [mine, other] = [new Turn(), new Turn()]
    const same = new Turn(mine.shared)
    expect([mine.take(), same.take(), other.take()]).toEqual([true, false, true])
    mine.giveBack()
    expect([same.take(), mine.take()]).toEqual([true, false])
  })
})

test('what has to wait for something else gives the turn back, and has it again whenever it looks', () => {
  const [turn, call] = [new Turn(), someCall()]
  let looks = 0
  const look = (): Reply => {
    expect(turn.take()).toBe(false)
    return ++looks < 3 ? { kind: 'later', again: look, cancel: () => {} } : DONE
  }
  let reply = turn.alone({ run: look }, call)
  for (; !failed(reply) && reply.kind === 'later'; reply = reply.again()) {
    expect(turn.take()).toBe(true)
    turn.giveBack()
  }
  expect([reply, looks]).toEqual([DONE, 3])
})

describe.skipIf(missing !== undefined)(`workers (${missing ?? 'live'})`, () => {
  let scratch: string
  let turn: Turn
  let workers: Confined[]

  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'turn-')))
    // The built one, which the host gives to its threads. Typed by its source.
    turn = ((await import(pathToFileURL(`${DIST}/broker/turn.js`).href)) as { theTurn: Turn }).theTurn
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
  ] as const)('%s waits while another has the turn, and is done right afterwards', async (call, from, to, isThere) => {
    writeFileSync(join(scratch, 'f'), 'content')
    writeFileSync(join(scratch, 'other'), 'other')
    const [first, second] = workers
    if (first === undefined || second === undefined) throw new Error('no workers')
    expect(turn.take()).toBe(true)
    try {
      await first.value('start', 'it', call, join(scratch, from), join(scratch, to))
      // Its own broker and another's go on, with other registers in between.
      for (const worker of [first, second]) {
        for (let round = 0; round < 20; round++)
          expect(await within(10_000, 'a read', worker.value('readFile', join(scratch, 'other')))).toBe('other')
      }
      expect(isThere()).toBe(false)
    } finally {
      turn.giveBack()
    }
    expect(await within(10_000, 'the call', first.value('finish', 'it'))).toBe('done')
    expect(isThere()).toBe(true)
  })
})
