/** Tests that end their worker, or hold on to it: as in the stock pool, and nothing of them stays. */
import { describe, expect, test } from 'vitest'
import { fileOf, outcomes } from './json-report.js'
import { carrying, project, run, start, vitestMajor } from './run-vitest.js'

const ENDED = { abort: 'SIGABRT', killed: 'SIGKILL', segfault: 'SIGSEGV' }

test('exits, signals, rejections and timeouts have the outcomes that the stock pool gives them, and what ended a worker has failed', async () => {
  using at = project('e2e-crashes')
  const ours = await run(at, ['test/'])
  const stock = await run(at, ['test/'], { env: { E2E_STOCK: 'yes' } })
  const isOfEnded = (outcome: string): boolean => Object.keys(ENDED).some((name) => outcome.startsWith(`${name}.`))
  const others = (all: readonly string[]): readonly string[] => all.filter((outcome) => !isOfEnded(outcome))
  // That of Vitest 3 ends the whole run with the first worker that dies: "Channel closed".
  if (vitestMajor > 3) expect(others(outcomes(ours.json))).toEqual(others(outcomes(stock.json)))
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
  for (const text of ['Error: REJECTED BEHIND', 'Error: THROWN LATER', 'process.exit unexpectedly called with "3"']) {
    expect(ours.out).toContain(text)
    if (vitestMajor > 3) expect(stock.out).toContain(text)
  }
  // The stock pool tells an error of the run, and counts such a file as passed.
  for (const [name, signal] of Object.entries(ENDED)) {
    const file = fileOf(ours.json, `${name}.test.mjs`)
    expect(file.status).toBe('failed')
    expect(file.assertionResults).toHaveLength(1)
    expect(file.assertionResults[0]).toMatchObject({
      status: 'failed',
      failureMessages: [
        expect.stringMatching(
          new RegExp(`^WorkerExitError: the worker exited unexpectedly \\(${signal}.*\\) while this test ran$`),
        ),
      ],
    })
  }
  expect(ours.out).not.toContain('Worker exited unexpectedly')
  expect(ours.out).not.toContain('close timed out')
  expect(ours.leftovers).toEqual({ processes: [], tmp: [] })
})

test.each([1, 2])(
  'of files that share %d workers, the others are not lost, or say what ended theirs',
  async (workers) => {
    using at = project('e2e-crashes')
    at.write('test/z-other.test.mjs', "import { test } from 'vitest'\ntest('is fine', () => {})\n")
    const args = ['test/abort', 'test/z-other', 'test/fine', '--no-isolate', `--maxWorkers=${workers}`]
    const report = await run(at, args)
    expect(report.out).not.toContain('Unhandled')
    expect(report.code).toBe(1)
    expect(outcomes(report.json)).toContain('abort.test.mjs > aborts: failed')
    for (const name of ['fine', 'z-other']) {
      const { status, message } = fileOf(report.json, `${name}.test.mjs`)
      // With one worker Vitest gives it all files at once.
      if (status === 'failed')
        expect(message).toBe(
          'the worker exited unexpectedly (SIGABRT) in test/abort.test.mjs, before the tests were through',
        )
      else expect(status).toBe('passed')
    }
    if (workers > 1) expect(fileOf(report.json, 'z-other.test.mjs').status).toBe('passed')
    expect(report.leftovers).toEqual({ processes: [], tmp: [] })
  },
)

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
})

/** The kernel ends a worker as its parent ends, which takes it a moment. */
async function allGone(mark: string): Promise<void> {
  await expect.poll(() => carrying(mark), { interval: 5 }).toEqual([])
}
