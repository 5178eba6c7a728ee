/** Calls that look at a name and then move it wait for who has that directory, whichever worker makes them; nobody else waits. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, openSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { InodeLocks } from '../../src/sys/inode-locks.js'
import { failed } from '../../src/syscalls/outcome.js'
import { policyData } from '../contracts/rules.js'
import { confine, DIST, missing, SOON, within, type Confined } from './confined.js'

describe.skipIf(missing !== undefined)(`workers (${missing ?? 'live'})`, () => {
  let scratch: string
  let locks: InodeLocks
  let first: Confined
  let second: Confined

  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'alone-')))
    // The built ones, which the host gives to its threads. Typed by its source.
    locks = ((await import(pathToFileURL(`${DIST}/broker/process-locks.js`).href)) as { processLocks: InodeLocks })
      .processLocks
    const policy = policyData([[`write +${scratch}/`]])
    ;[first, second] = await Promise.all([
      confine({ runtime: 'broker/runtime.mjs', policy }),
      confine({ runtime: 'broker/runtime.mjs', policy }),
    ])
  })
  afterAll(async () => {
    for (const { worker, faults } of [first, second]) {
      await within(SOON, 'stop', worker.stop())
      expect(faults).toEqual([])
    }
    rmSync(scratch, { recursive: true, force: true })
  })
  beforeEach(() => {
    for (const name of ['from', 'to', 'elsewhere']) {
      rmSync(join(scratch, name), { recursive: true, force: true })
      mkdirSync(join(scratch, name))
    }
    writeFileSync(join(scratch, 'from/f'), 'content')
    writeFileSync(join(scratch, 'elsewhere/f'), 'other')
  })

  const isThere = (name: string): boolean => lstatSync(join(scratch, name), { throwIfNoEntry: false }) !== undefined

  test.each([
    ['rename', 'to', ['from/f', 'to/new']],
    ['rename', 'from', ['from/f', 'to/new']],
    ['link', 'to', ['from/f', 'to/new']],
    ['link', 'from', ['from/f', 'to/new']],
    ['symlink', 'to', ['from/f', 'to/new']],
    ['mkdir', 'to', ['to/new']],
  ] as const)('%s waits while another has %s/, and is done right afterwards', async (call, directory, names) => {
    const turn = locks.take(openSync(join(scratch, directory), 'r'))
    if (failed(turn) || turn === 'taken') throw new Error('not free')
    try {
      await first.value('start', 'it', call, ...names.map((name) => join(scratch, name)))
      // Its own broker and another's go on, with other registers in between; and so does a move elsewhere.
      for (const worker of [first, second]) {
        for (let round = 0; round < 20; round++)
          expect(await within(SOON, 'a read', worker.value('readFile', join(scratch, 'elsewhere/f')))).toBe('other')
      }
      await second.value('start', 'elsewhere', 'rename', join(scratch, 'elsewhere/f'), join(scratch, 'elsewhere/g'))
      expect(await within(SOON, 'a move elsewhere', second.value('finish', 'elsewhere'))).toBe('done')
      expect([isThere('to/new'), existsSync(join(scratch, 'from/f'))]).toEqual([false, true])
    } finally {
      turn[Symbol.dispose]()
    }
    expect(await within(SOON, 'the call', first.value('finish', 'it'))).toBe('done')
    expect(isThere('to/new')).toBe(true)
  })
})
