// node scripts/loaded.mjs [--starts 30] [--times 8]
//
// Runs Vitest that many times in a row while every CPU has that many processes that never wait, and fails where a worker does not
// start, or where what runs in it is not confined. Each run has a broker process of its own. Needs a built dist/.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { keepBusy } from './busy.mjs'
import { run } from './suites/checkout.mjs'

const { values } = parseArgs({
  options: { starts: { type: 'string', default: '30' }, times: { type: 'string', default: '8' } },
})
const [starts, times] = [Number(values.starts), Number(values.times)]
const repository = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
/** More than Vitest itself waits for a start, and then some for the rest of the run. */
const DEADLINE_MS = 300_000

function makeProject() {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'loaded-')))
  mkdirSync(path.join(root, 'data'))
  symlinkSync(path.join(repository, 'node_modules'), path.join(root, 'node_modules'))
  writeFileSync(path.join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(path.join(root, 'data/granted.txt'), 'granted')
  writeFileSync(
    path.join(root, 'vitest.config.mjs'),
    `import { seccomp } from 'vitest-pool-seccomp'
    export default { plugins: [seccomp({ manifest: { read: ['data/'] } })] }`,
  )
  writeFileSync(
    path.join(root, 'a.test.mjs'),
    `import { readFileSync } from 'node:fs'
    import { expect, test } from 'vitest'
    test('is confined', () => {
      expect(readFileSync('data/granted.txt', 'utf8')).toBe('granted')
      expect(readFileSync('/proc/self/status', 'utf8')).toMatch(/^Seccomp:\\s*2$/m)
    })`,
  )
  return root
}

const root = makeProject()
process.on('exit', () => rmSync(root, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))
const busy = await keepBusy(times)

const took = []
let failed = 0
for (let start = 1; start <= starts; start++) {
  const began = performance.now()
  const { code, signal, output } = await run(
    process.execPath,
    [path.join(repository, 'node_modules/vitest/vitest.mjs'), 'run'],
    { cwd: root, timeout: DEADLINE_MS, env: { ...process.env, NO_COLOR: '1' } },
  )
  const seconds = (performance.now() - began) / 1000
  took.push(seconds)
  const isDone = code === 0 && /Tests +1 passed/.test(output)
  if (!isDone) failed++
  console.log(
    `${start}: ${isDone ? 'ok' : `FAILED (${signal ?? code})`}, ${seconds.toFixed(1)} s, load ${loadavg()[0].toFixed(1)}`,
  )
  if (!isDone) console.log(output)
}
const sorted = took.toSorted((a, b) => a - b)
console.log(
  `\n${starts - failed} of ${starts} starts succeeded on ${availableParallelism()} CPUs with ${busy.count} busy processes; a run took ${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)} s`,
)
process.exit(failed === 0 ? 0 : 1)
