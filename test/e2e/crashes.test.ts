/** Tests that end their worker, or hold on to it: as in the stock pool, and nothing of them stays. */
import { describe, expect, test } from 'vitest'
import { outcomes } from './json-report.js'
import { carrying, project, run, start, vitestMajor } from './run-vitest.js'

test('exits, signals, rejections and timeouts have the outcomes that the stock pool gives them', async () => {
  using at = project('e2e-crashes')
  const ours = await run(at, ['test/'])
  const stock = await run(at, ['test/'], { env: { E2E_STOCK: 'yes' } })
  // That of Vitest 3 ends the whole run with the first worker that dies: "Channel closed".
  if (vitestMajor > 3) expect(outcomes(ours.json)).toEqual(outcomes(stock.json))
  expect(outcomes(ours.json)).toEqual(
    expect.arrayContaining([
      'process-exit.test.mjs > exits: failed',
      'slow.test.mjs > takes too long: failed',
      'slow.test.mjs > goes on after it: passed',
      'fine.test.mjs: passed',
      'holds-on.test.mjs: passed',
    ]),
  )
  expect(ours.code).toBe(1)
  for (const text of [
    'Error: REJECTED BEHIND',
    'Error: THROWN LATER',
    'process.exit unexpectedly called with "3"',
    'Worker exited unexpectedly',
  ]) {
    expect(ours.out).toContain(text)
    if (vitestMajor > 3) expect(stock.out).toContain(text)
  }
  const named = vitestMajor === 4 ? [] : ['SIGKILL', 'SIGABRT', 'SIGSEGV']
  for (const name of named) expect(ours.out).toMatch(new RegExp(`exited unexpectedly.* ${name}`))
  expect(ours.out).not.toContain('close timed out')
  expect(ours.leftovers).toEqual({ processes: [], tmp: [] })
})

describe('a test that never returns', () => {
  const signals = ['SIGTERM', 'SIGINT'] as const
  test.each(signals)('%s to vitest ends it, with its worker and its temporary directory', async (signal) => {
    using at = project('e2e-crashes')
    using vitest = start(at, ['run', 'forever/'])
    await vitest.printed('LOOPING')
    vitest.child.kill(signal)
    const ended = await vitest.finished
    // With which code Vitest then exits is its own affair: the pool listens to no signal.
    expect(ended.leftovers.tmp).toEqual([])
    await allGone(vitest.mark)
  })

  test('SIGKILL of vitest ends its worker', async () => {
    using at = project('e2e-crashes')
    using vitest = start(at, ['run', 'forever/'])
    await vitest.printed('LOOPING')
    vitest.child.kill('SIGKILL')
    await vitest.finished
    await allGone(vitest.mark)
  })
})

// Vitest 3 waits for the environment's teardown as it waits for a test: for as long as it takes.
const limited = vitestMajor > 3 ? test : test.todo
limited('a worker that hangs in its teardown is killed after teardownTimeout', async () => {
  using at = project('e2e-crashes')
  const report = await run(at, ['teardown/', '--teardownTimeout=500', '--environment=./environment-hangs.mjs'])
  expect(outcomes(report.json)).toEqual([
    'hangs.test.mjs > has an environment that never returns from its teardown: passed',
    'hangs.test.mjs: passed',
  ])
  expect(report.out).toContain('Timeout terminating seccomp worker for test files')
  expect(report.out).not.toContain('Failed to terminate')
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
  expect(report.ms).toBeLessThan(10_000)
})

/** The kernel ends a worker as its parent ends, which takes it a moment. */
async function allGone(mark: string): Promise<void> {
  await expect.poll(() => carrying(mark), { timeout: 2000, interval: 5 }).toEqual([])
}
