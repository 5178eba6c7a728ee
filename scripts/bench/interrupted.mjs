/**
 * How often a signal makes a call fail with EINTR that the kernel itself would never interrupt: it comes before the broker has
 * received the call (docs/limits.md).
 *
 *   node scripts/bench/interrupted.mjs [--calls 3000] [--rounds 5]
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startConfined } from './confined.mjs'
import { compileNative } from './native.mjs'
import { quantile } from './statistics.mjs'
import { startPlain } from './worlds.mjs'

const { values: options } = parseArgs({
  options: { calls: { type: 'string', default: '3000' }, rounds: { type: 'string', default: '5' } },
})
const root = realpathSync(mkdtempSync(join(tmpdir(), 'interrupted-')))
const native = compileNative(root)
if (typeof native === 'string') throw new Error(native)
const file = join(root, 'file')
writeFileSync(file, '')
const worlds = {
  plain: startPlain([]),
  confined: await startConfined({ read: ['./'], exec: [native.interrupted] }, root),
}
for (const [threads, every] of [
  [1, 300],
  [1, 1000],
  [4, 300],
]) {
  const cells = []
  for (const [world, { ask }] of Object.entries(worlds)) {
    const seen = []
    for (let round = 0; round < Number(options.rounds); round++) {
      const output = await ask('program', native.interrupted, [`${threads}`, options.calls, `${every}`, file])
      const [calls, interrupted, signals] = output.trim().split(' ').map(Number)
      seen.push({ perThousand: (interrupted * 1000) / calls, ofSignals: interrupted / Math.max(signals, 1) })
    }
    const median = (key) =>
      quantile(
        seen.map((one) => one[key]),
        0.5,
      )
    cells.push(
      `${world} ${median('perThousand').toFixed(1)} of 1000 calls, ${(median('ofSignals') * 100).toFixed(0)} % of the signals`,
    )
  }
  console.log(`${threads} thread${threads > 1 ? 's' : ''}, a signal every ${every} µs: ${cells.join(' | ')}`)
}
for (const { stop } of Object.values(worlds)) await stop()
rmSync(root, { recursive: true, force: true })
