/** poolOptions.seccomp: what Vitest 3 has for its own pools, beside the pool's own options. */
import { availableParallelism, totalmem } from 'node:os'
import { expect, test } from 'vitest'
import { ManifestError } from '../../../src/errors.js'
import type { Config3 } from '../../../src/vitest/v3/api.js'
import { parsePoolOptions, schedulingOf, type SeccompOptions } from '../../../src/vitest/v3/options.js'

const config = (more: Partial<Config3> = {}): Config3 => ({
  watch: false,
  fileParallelism: true,
  teardownTimeout: 1,
  ...more,
})
const scheduling = (own: SeccompOptions, more: Partial<Config3> = {}, env: NodeJS.ProcessEnv = {}) =>
  schedulingOf(own, config(more), env)

test('both kinds of options are read, and each knows only its own', () => {
  const { options, own } = parsePoolOptions({ maxForks: 2, isolate: false, manifest: { read: ['a/'] }, mode: 'audit' })
  expect(own).toEqual({ maxForks: 2, isolate: false })
  expect(options).toMatchObject({ mode: 'audit', manifest: { read: [{ source: 'a/' }] } })
  expect(parsePoolOptions(undefined).own).toEqual({})
})

test('every mistake is told at once, of either kind', () => {
  const given = { maxForks: 0, singleFork: 'yes', execArgv: '--x', memoryLimit: '1 bit', manifest: { raed: [] } }
  const error = (() => {
    try {
      return parsePoolOptions(given)
    } catch (thrown) {
      return thrown
    }
  })()
  expect(error).toBeInstanceOf(ManifestError)
  expect(error instanceof ManifestError && error.problems.map(({ at }) => at)).toEqual([
    'maxForks',
    'singleFork',
    'execArgv',
    'memoryLimit',
    'manifest.raed',
  ])
  expect(String(error)).toContain(
    '  maxForks\n    expected: a whole number of at least 1\n    found:    0\n    write:    maxForks: 4',
  )
})

test('how many workers: options before the environment before the config before processors', () => {
  const usual = Math.max(availableParallelism() - 1, 1)
  expect(scheduling({})).toMatchObject({ min: usual, max: usual, isolate: true, execArgv: [] })
  expect(scheduling({}, { watch: true }).max).toBe(Math.max(Math.floor(availableParallelism() / 2), 1))
  expect(scheduling({}, { maxWorkers: 7, minWorkers: 3 })).toMatchObject({ min: 3, max: 7 })
  expect(scheduling({}, { maxWorkers: 7 }, { VITEST_MAX_FORKS: '5', VITEST_MIN_FORKS: '2' })).toMatchObject({
    min: 2,
    max: 5,
  })
  expect(scheduling({ maxForks: 4, minForks: 4 }, {}, { VITEST_MAX_FORKS: '5' })).toMatchObject({ min: 4, max: 4 })
  expect(scheduling({ maxForks: 1, minForks: 3 })).toMatchObject({ min: 1, max: 1 })
  for (const one of [
    scheduling({ singleFork: true, maxForks: 4 }),
    scheduling({ maxForks: 4 }, { fileParallelism: false }),
  ])
    expect(one).toMatchObject({ min: 1, max: 1 })
})

test('isolate is that of the pool, or else that of the config', () => {
  expect(scheduling({}, { isolate: false }).isolate).toBe(false)
  expect(scheduling({ isolate: true }, { isolate: false }).isolate).toBe(true)
})

test.each([
  [1000, 1000],
  ['1k', 1000],
  ['1.5KB', 1500],
  ['2KiB', 2048],
  ['1MB', 1e6],
  ['1g', 1e9],
  ['50%', totalmem() / 2],
  [0.25, totalmem() / 4],
])('a memory limit of %s', (given, bytes) => {
  expect(scheduling({ memoryLimit: given }).memoryLimit).toBe(Math.floor(bytes))
})
