/** What a well-behaved suite uses of Vitest works as it does in the stock pool. */
import { beforeAll, describe, expect, test } from 'vitest'
import { outcomes } from './json-report.js'
import { project, run, vitest, type Report } from './run-vitest.js'

const env = { FROM_OUTSIDE: 'yes' }

function preloaded({ out }: Report): unknown {
  return JSON.parse(/PRELOADED (.*)/.exec(out)?.[1] ?? 'null')
}

describe('a suite with setup, mocks, hooks, retries and failures', () => {
  let ours: Report
  let stock: Report
  beforeAll(async () => {
    using at = project('e2e-features')
    ours = await run(at, [], { env })
    stock = await run(at, [], { env: { ...env, E2E_STOCK: 'yes' } })
  })

  test('has the outcomes that the stock pool has', () => {
    expect(outcomes(stock.json)).toContain('features.test.ts > passes at the third attempt: passed')
    expect(outcomes(ours.json)).toEqual(outcomes(stock.json))
    expect(ours.code).toBe(1)
  })

  test('prints what tests print, by console and past it', () => {
    for (const text of ['CONSOLE LOG', 'CONSOLE ERROR', 'RAW STDOUT', 'RAW STDERR', 'GLOBAL TEARDOWN']) {
      expect(ours.out.split(text), text).toHaveLength(2)
    }
    expect(ours.out).toContain('stdout | test/features.test.ts > prints')
  })

  test('modules of execArgv run, after the filter went on', () => {
    expect(preloaded(ours)).toEqual([{ kind: 'require', confined: true }, { kind: 'import', confined: true }])
    expect(preloaded(stock)).toEqual([{ kind: 'require', confined: false }, { kind: 'import', confined: false }])
  })

  test('a stack names the line of the source', () => {
    expect(ours.out).toMatch(/thrown in line 10 x\n ❯ fail test\/failing\.test\.ts:10:9/)
    expect(ours.out).toContain("10|   throw new Error(`thrown in line 10 ${lines.unused}`)")
  })

  test('each worker has a temporary directory of its own, below TMPDIR, and none is left', () => {
    const dirs = [...ours.out.matchAll(/TMP (.*)/g)].map(([, dir]) => dir)
    expect(new Set(dirs).size).toBe(2)
    for (const dir of dirs) expect(dir).toMatch(/^\/.+\/tmp\/vitest-seccomp-\w+$/)
    expect(ours.leftovers).toEqual({ processes: [], tmp: [] })
  })
})

describe('the command line', () => {
  test('--inspect, and NODE_OPTIONS with a module to load', async () => {
    using at = project('e2e-features')
    const args = ['run', '-t', 'execArgv', '--inspect=127.0.0.1:0', '--no-file-parallelism', 'features']
    const { out, code } = await vitest(at, args, {
      env: { ...env, NODE_OPTIONS: '--require ./from-options.cjs' },
    })
    expect(out).toContain('Debugger listening on ws://127.0.0.1:')
    // In vitest itself, where nothing confines it, and once in the worker.
    const [first, ...others] = out.match(/FROM OPTIONS .*/g) ?? []
    expect(first).toBe('FROM OPTIONS /etc/passwd is there')
    expect(others.filter((line) => line === 'FROM OPTIONS nothing is there')).toHaveLength(1)
    expect(code).toBe(0)
  })

  test('list, -t, --bail, --shard, related and --reporter=dot', async () => {
    using at = project('e2e-features')
    const list = await vitest(at, ['list'], { env })
    expect(list.out.split('\n')).toEqual(expect.arrayContaining([
      'test/features.test.ts > a module is mocked', 'test/failing.test.ts > fails by itself',
    ]))
    expect(list).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })

    const named = await run(at, ['-t', 'mocked'], { env })
    expect(outcomes(named.json)).toContain('features.test.ts > a module is mocked: passed')
    expect(outcomes(named.json).filter((line) => line.endsWith('passed'))).toHaveLength(4)

    const bailed = await run(at, ['failing', '--bail=1'], { env })
    const stock = await run(at, ['failing', '--bail=1'], { env: { ...env, E2E_STOCK: 'yes' } })
    expect(outcomes(bailed.json)).toEqual(outcomes(stock.json))
    expect(outcomes(bailed.json)).toContain('failing.test.ts > fails by itself: pending')
    expect(bailed.leftovers).toEqual({ processes: [], tmp: [] })

    const shard = await run(at, ['--shard=1/2'], { env })
    expect(shard.json.testResults).toHaveLength(1)

    const related = await vitest(at, ['related', '--run', 'src/clock.ts', '--reporter=dot'], { env })
    expect(related.out).toMatch(/Test Files +1 passed \(1\)/)
    expect(related.code).toBe(0)
  })
})
