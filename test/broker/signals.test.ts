/** A broker's thread under signals: nothing that it hands over may get lost. */
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { numberOf, sys3 } from '../../src/sys/raw.js'
import { fixture, runConfined } from '../harness/confined.js'
import { missing } from './confined.js'

test.skipIf(missing !== undefined)(
  'a worker gets what it opened while signals come to every thread of its parent',
  async () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'signals-')))
    const path = join(root, 'f')
    writeFileSync(path, 'content')
    // For as long as this process lives: one that is still under way in the end would kill it.
    process.on('SIGUSR2', () => {})
    let sent = 0
    let isOver = false
    const bombard = (): void => {
      if (isOver) return
      for (const tid of readdirSync('/proc/self/task')) {
        if (
          Number(tid) !== process.pid &&
          sys3(numberOf('tgkill'), process.pid, Number(tid), constants.signals.SIGUSR2) === 0
        )
          sent++
      }
      setImmediate(bombard)
    }
    try {
      const running = runConfined({
        manifest: { read: [path] },
        module: fixture('signals/opens.mjs'),
        args: [path, 1000],
        root,
      })
      bombard()
      const { result, faults, stderr } = await running
      expect({ faults, stderr }).toEqual({ faults: [], stderr: '' })
      expect(result).toMatchObject({ wrong: [] })
      expect(sent).toBeGreaterThan(1000)
    } finally {
      isOver = true
      rmSync(root, { recursive: true, force: true })
    }
  },
)
