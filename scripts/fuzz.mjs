/**
 * Tries the laws (test/**\/*.laws.test.ts) with fresh seeds for as long as one likes. What breaks one is made smaller and written to
 * test/pinned/, where `npm test` finds it.
 *
 *   npm run fuzz -- --minutes 60 [--only test/policy] [--law 'part of a title']
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const project = dirname(dirname(fileURLToPath(import.meta.url)))
const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    law: { type: 'string', default: '' },
  },
})
const minutes = Number(options.minutes)
if (!(minutes > 0)) throw new Error(`--minutes takes a number above 0, not ${options.minutes}`)
/** How long one law is tried before the next has its turn, where there is time for several rounds. */
const TURN_SECONDS = 30

const require = createRequire(import.meta.url)
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs')
const scratch = mkdtempSync(join(tmpdir(), 'fuzz-'))
const log = join(scratch, 'tried.jsonl')
const filters = [...(options.only === '' ? [] : [options.only]), ...(options.law === '' ? [] : ['-t', options.law])]

function round(seconds) {
  // One law at a time: two that share the processors would time each other's waits.
  const { status } = spawnSync(
    process.execPath,
    [vitest, 'run', '--no-file-parallelism', '--reporter', 'dot', ...filters],
    {
      cwd: project,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, FUZZ_LOG: log, FUZZ_SECONDS: `${seconds}` },
    },
  )
  return status ?? 1
}

const tried = () =>
  existsSync(log)
    ? readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : []

// The first round also tells how many laws there are.
const began = Date.now()
const left = () => minutes * 60 - (Date.now() - began) / 1000
let status = round(1)
const count = new Set(tried().map(({ law }) => law)).size
if (count === 0) throw new Error('no law fits')
while (left() > count) {
  const one = round(Math.min(TURN_SECONDS, Math.floor(left() / count)))
  status = status === 0 ? one : status
}

const laws = new Map()
for (const { law, seed, cases, seconds, pinned } of tried()) {
  const sum = laws.get(law) ?? { cases: 0, seconds: 0, seeds: [], pinned: [] }
  laws.set(law, {
    cases: sum.cases + cases,
    seconds: sum.seconds + seconds,
    seeds: [...sum.seeds, seed],
    pinned: [...sum.pinned, ...(pinned ? [pinned] : [])],
  })
}
rmSync(scratch, { recursive: true, force: true })
console.log(`\n${count} laws in ${((Date.now() - began) / 60_000).toFixed(1)} minutes`)
for (const [law, { cases, seconds, seeds, pinned }] of [...laws].sort()) {
  console.log(
    `${String(cases).padStart(10)} cases ${seconds.toFixed(0).padStart(5)} s  ${law}${pinned.length > 0 ? `  BROKEN, see test/pinned/${pinned.join(', ')}` : ''}`,
  )
  console.log(`${' '.repeat(26)}seeds ${seeds.join(' ')}`)
}
process.exit(status)
