import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { standstill } from '../src/errors.js'
import * as limits from '../src/limits.js'

/** WORKER_START_TIMEOUT of Vitest 4 and 5: packages/vitest/src/node/pools/pool.ts. */
const VITEST_START_MS = 90_000

test('a start is given up by Vitest, or just before, with words that say more', () => {
  expect(limits.STAGE_MS).toBeLessThan(VITEST_START_MS)
  expect(limits.STAGE_MS).toBeGreaterThan(VITEST_START_MS * 0.8)
  expect(limits.BROKER_SILENCE_MS).toBeGreaterThan(VITEST_START_MS)
})

test('a stage that stands still is told with how long it did, and how busy the machine is', () => {
  expect(standstill(80_000, 1.04, 2)).toBe("no progress for 80 s. The machine's load is 1.0 on 2 CPUs")
  expect(standstill(300, 0, 1)).toBe("no progress for 300 ms. The machine's load is 0.0 on 1 CPU")
  expect(standstill(80_000, 17.25, 2)).toBe(
    "no progress for 80 s. The machine's load is 17.3 on 2 CPUs: it has more to do than it can, so run fewer workers at once (maxWorkers)",
  )
})

const sources = join(import.meta.dirname, '../src')
const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.ts') && path !== 'limits.ts',
)

test('every time is in the list, with its reason', () => {
  const text = readFileSync(join(sources, 'limits.ts'), 'utf8')
  for (const [, before = '', name = ''] of text.matchAll(/(.*\n)export const (\w+)/g))
    expect(before.trim(), `${name} says why`).toMatch(/\*\/$/)
  const strays = files.flatMap((path) =>
    readFileSync(join(sources, path), 'utf8')
      .split('\n')
      .filter((line) => /\bconst \w+_MS = /.test(line) || /(?:setTimeout|Atomics\.wait)\(.*,\s*\d[\d_]*\)/.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  )
  expect(strays).toEqual([])
})

test('none is in the list that nobody waits for', () => {
  const all = files.map((path) => readFileSync(join(sources, path), 'utf8')).join('\n')
  expect(Object.keys(limits).filter((name) => !new RegExp(`\\b${name}\\b`).test(all))).toEqual([])
})
