/** Fail closed: without its broker a worker gets nothing, and without its parent it ends. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { confine, DIST, missing, SOON, within } from './confined.js'

const fixture = (name: string): string =>
  pathToFileURL(fileURLToPath(new URL(`../../fixtures/targets/broker/${name}`, import.meta.url))).href

describe.skipIf(missing !== undefined)(`without a broker (${missing ?? 'live'})`, () => {
  let directory: string
  beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'death-')))
    writeFileSync(join(directory, 'f'), 'content')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('every call that needs it fails with ENOSYS, the one that waits as well', async () => {
    const policy = policyData([[`write +${directory}/`]])
    const confined = await confine({ runtime: 'broker/runtime.mjs', policy })
    expect(await confined.value('readFile', join(directory, 'f'))).toBe('content')
    const { spawnSync } = await import('node:child_process')
    spawnSync('mkfifo', [join(directory, 'p')])
    await confined.value('start', 'reader', 'open', join(directory, 'p'), 'r')
    expect(await confined.value('readFile', join(directory, 'f'))).toBe('content')
    // Only a test takes a worker's broker away, so the public type does not offer it.
    ;(confined.worker as unknown as { control: { detach(): void } }).control.detach()
    // Answered once nobody decides any more.
    await confined.worker.setPolicy(policy)
    expect(await within(SOON, 'the waiting one', confined.value('finish', 'reader'))).toBe('ENOSYS')
    for (const path of [join(directory, 'f'), '/etc/passwd', '/proc/self/status', '/dev/null']) {
      expect(await within(SOON, 'the worker', confined.value('readFile', path))).toBe('ENOSYS')
    }
    expect(await within(SOON, 'the worker', confined.value('exists', join(directory, 'f')))).toBe(false)
    await confined.worker.stop()
  })

  test('a parent that is killed takes its workers with it, spinning ones too', async () => {
    const args = [
      fileURLToPath(fixture('parent.mjs')),
      pathToFileURL(join(DIST, 'broker/host.js')).href,
      fixture('runtime.mjs'),
    ]
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const said = await within(
      SOON,
      'the parent',
      new Promise<string>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(data.toString()))),
    )
    const pid = Number(said)
    expect(existsSync(`/proc/${pid}`)).toBe(true)
    const gone = new Promise((resolve) => parent.once('exit', resolve))
    parent.kill('SIGKILL')
    await within(SOON, 'exit', gone)
    await within(
      SOON,
      'the end of the worker',
      until(() => hasEnded(pid)),
    )
  })
})

/** A zombie has ended: this process is the reaper of what the parent leaves, and waits for its own children only. */
function hasEnded(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

/** The worker is not our child, so there is nothing to wait for but its absence. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}
