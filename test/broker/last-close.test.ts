/** A test's close(2) is the last one: whatever it does has been done when it returns. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { confine, missing, SOON, within, type Confined } from './confined.js'

const ROUNDS = 1000
describe.skipIf(missing !== undefined)(`the last close (${missing ?? 'live'})`, () => {
  let scratch: string
  let confined: Confined
  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'last-close-')))
    writeFileSync(join(scratch, 'file'), 'content')
    expect(spawnSync('mkfifo', [join(scratch, 'fifo')]).status).toBe(0)
    confined = await confine({
      runtime: 'broker/last-close.mjs',
      policy: policyData([[`write +${scratch}/`], ['read +/proc/self/'], ['read +/proc/sys/vm/overcommit_memory']]),
    })
  })
  afterAll(async () => {
    await confined.worker.stop()
    rmSync(scratch, { recursive: true, force: true })
  })

  test.each([
    ['gives a lock free: flock(2)', 'flock', 'file'],
    ['gives a lock free: fcntl(2), F_OFD_SETLK', 'ofd', 'file'],
    ['ends a FIFO for its reader', 'fifo', 'fifo'],
    ['is told as IN_CLOSE_WRITE', 'closeWrite', 'file'],
    ['ends a listener', 'socket', 'socket'],
  ])(`%s, in ${ROUNDS} of ${ROUNDS}`, async (_, operation, name) => {
    expect(await within(SOON, operation, confined.value(operation, join(scratch, name), ROUNDS))).toBe(0)
    expect(confined.faults).toEqual([])
  })
})
