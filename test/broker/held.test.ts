/** What a broker holds for a worker, and for how long; what it hands over, and how. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { confine, missing, within } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'

const skip = missing ?? (process.arch === 'x64' ? undefined : 'skipped elsewhere than on x64: the child runs machine code')

describe.skipIf(skip !== undefined)(`what a broker holds (${skip ?? 'live'})`, () => {
  /** Whether this process, where the broker is, has it open. To open its other end would end the wait. */
  const isHeld = (path: string): boolean => readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
      throw error
    }
  })
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

  test('what is asked to close on exec does, and nothing else', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'exec-')))
    const confined = await confine({ runtime: 'laws/child.mjs', policy: policyData([[`read +${scratch}/`]]) })
    expect(await confined.value('closedOnExec', scratch)).toEqual([1, 1, 1, 0, 0, 0])
    await within(10_000, 'stop', confined.worker.stop())
    rmSync(scratch, { recursive: true, force: true })
  })

  test('a child that waits for a FIFO and is killed leaves no end of it open', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'waiting-')))
    const path = join(scratch, 'fifo')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    const confined = await confine({ runtime: 'laws/child.mjs', policy: policyData([[`write +${scratch}/`]]) })
    const pid = await confined.value('fork', path)
    await until('the child waits', () => isHeld(path))
    await within(10_000, 'the child is killed', confined.value('end', pid))
    await until('its end is closed', () => !isHeld(path))
    await within(10_000, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })
})
