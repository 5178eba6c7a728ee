/** What a broker holds for a worker, and for how long; what it hands over, and how. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { policyFor } from '../harness/confined.js'
import { confine, missing, SOON, within } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'

describe.skipIf(missing !== undefined)(`what a broker holds (${missing ?? 'live'})`, () => {
  /** Whether this process, where the broker is, has it open. To open its other end would end the wait. */
  const isHeld = (path: string): boolean =>
    readdirSync('/proc/self/fd').some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === path
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
        throw error
      }
    })
  const until = async (what: string, isSo: () => boolean): Promise<void> =>
    within(
      SOON,
      what,
      (async () => {
        while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
      })(),
    )

  test('a broker keeps nothing of what it hands over, nor a worker what it cannot be told of', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'given-')))
    const confined = await confine({
      runtime: 'laws/child.mjs',
      policy: policyData([[`write +${scratch}/`], ['read +/proc/self/']]),
    })
    const held = await confined.value('use', scratch, 2)
    const before = descriptors()
    expect(await within(SOON, 'the calls', confined.value('use', scratch, 30))).toBe(held)
    await asBefore(before)
    await within(SOON, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })

  test('a descriptor that had to be waited for is told of by its own path and address, whatever was called meanwhile', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'late-')))
    const [fifo, socket, other] = ['fifo', 'socket', 'other'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ]
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    writeFileSync(other, 'content')
    const confined = await confine({
      runtime: 'broker/runtime.mjs',
      policy: policyFor({ write: [`${scratch}/`], listen: [`unix:${socket}`] }, scratch),
      ledger: true,
    })
    await confined.value('start', 'reader', 'open', fifo, 'r')
    await confined.value('startAccept', 'accepting', socket)
    expect(await confined.value('readFile', other)).toBe('content')
    const end = openSync(fifo, 'w')
    expect(await within(SOON, 'the reader', confined.value('finish', 'reader'))).toBe('open true')
    expect(await confined.value('readFile', other)).toBe('content')
    const client = connect(socket)
    const accepted = await within(SOON, 'the connection', confined.value('finish', 'accepting'))
    await within(SOON, 'telling', confined.worker.tellLedger())
    const open = confined.held.flatMap((held) => held.open)
    const paths = open.flatMap(({ request }) => (request?.kind === 'path' ? [request.path] : []))
    expect(paths).toEqual([fifo])
    const address = { family: 'unix', path: socket }
    expect(open.find(({ descriptor }) => descriptor === accepted)?.request).toMatchObject({
      kind: 'socket',
      access: 'listen',
      address,
    })
    client.destroy()
    closeSync(end)
    await within(SOON, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })

  test('a broker that goes away while a call waits leaves nothing of it open', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'away-')))
    const path = join(scratch, 'fifo')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    const confined = await confine({ runtime: 'broker/runtime.mjs', policy: policyData([[`write +${scratch}/`]]) })
    await confined.value('start', 'reader', 'open', path, 'r')
    await until('the reader waits', () => isHeld(path))
    // Only a test takes a worker's broker away, so the public type does not offer it.
    ;(confined.worker as unknown as { control: { detach(): void } }).control.detach()
    await until('its end is closed', () => !isHeld(path))
    await within(SOON, 'stop', confined.worker.stop())
    rmSync(scratch, { recursive: true, force: true })
  })

  test('what is asked to close on exec does, and nothing else', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'exec-')))
    const confined = await confine({ runtime: 'laws/child.mjs', policy: policyData([[`read +${scratch}/`]]) })
    expect(await confined.value('closedOnExec', scratch)).toEqual([1, 1, 1, 0, 0, 0])
    await within(SOON, 'stop', confined.worker.stop())
    rmSync(scratch, { recursive: true, force: true })
  })

  test('a child that waits for a FIFO and is killed leaves no end of it open', async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'waiting-')))
    const path = join(scratch, 'fifo')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    const confined = await confine({ runtime: 'laws/child.mjs', policy: policyData([[`write +${scratch}/`]]) })
    const pid = await confined.value('fork', path)
    await until('the child waits', () => isHeld(path))
    await within(SOON, 'the child is killed', confined.value('end', pid))
    await until('its end is closed', () => !isHeld(path))
    await within(SOON, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })
})
