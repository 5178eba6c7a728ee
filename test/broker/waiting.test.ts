/** Who waits for a FIFO and dies is waited for no more: the broker lets go of its end while the worker lives on. */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { confine, missing, within } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'

const skip = missing ?? (process.arch === 'x64' ? undefined : 'skipped elsewhere than on x64: the child runs machine code')

describe.skipIf(skip !== undefined)(`what a broker holds (${skip ?? 'live'})`, () => {
  /** Whether somebody has the FIFO open to read. */
  const isRead = (path: string): boolean => {
    try {
      closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return false
      throw error
    }
  }
  const until = async (what: string, isSo: () => boolean): Promise<void> => within(10_000, what, (async () => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
  })())

  test('a broker keeps nothing of what it hands over, nor a worker what it cannot be told of', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'given-')))
    const confined = await confine({ runtime: 'laws/child.mjs', policy: policyData([[`write +${scratch}/`], ['read +/proc/self/']]) })
    const held = await confined.value('use', scratch, 2)
    const before = descriptors()
    expect(await within(60_000, 'the calls', confined.value('use', scratch, 30))).toBe(held)
    await asBefore(before)
    await within(10_000, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })

  test('a child that waits for a FIFO and is killed leaves no end of it open', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'waiting-')))
    const path = join(scratch, 'fifo')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    const confined = await confine({ runtime: 'laws/child.mjs', policy: policyData([[`write +${scratch}/`]]) })
    const stopped = await confined.value('fork', path)
    // The other end that looks is one that comes: the child's wait is over by that, so there is another for the real thing.
    await until('the child waits', () => isRead(path))
    await confined.value('end', stopped)
    await until('its end is closed', () => !isRead(path))
    const pid = await confined.value('fork', path)
    await within(10_000, 'the child is killed', confined.value('end', pid))
    await until('its end is closed', () => !isRead(path))
    await within(10_000, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })
})
