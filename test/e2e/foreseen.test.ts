/** The first worker starts before Vitest asks for it, and is another one where the guess was wrong. */
import { describe, expect, test } from 'vitest'
import { outcomes } from './json-report.js'
import { project, run, vitest, vitestMajor } from './run-vitest.js'

const CLEAN = { processes: [], tmp: [] }
const [EARLY, LATE] = [
  'this is the process that was there before it was asked for',
  'what globalSetup put into the environment',
] as const

describe.skipIf(vitestMajor === 3)('the process for the first test file', () => {
  test.each([
    ['isolated', {}],
    ['shared', { isolate: false, maxWorkers: 1 }],
    ['with arguments and conditions', { execArgv: ['--expose-gc'] }],
  ])('%s', async (_, more) => {
    using at = project('e2e-foreseen')
    const report = await run(at, ['-t', EARLY], { env: { E2E_MORE: JSON.stringify(more) } })
    expect(outcomes(report.json)).toContain(`one.test.mjs > ${EARLY}: passed`)
    expect(report).toMatchObject({ code: 0, leftovers: CLEAN })
  })

  test('where globalSetup changes the environment, it is a new one', async () => {
    using at = project('e2e-foreseen')
    const report = await run(at, [], { env: { E2E_CHANGES: '1' } })
    expect(outcomes(report.json)).toEqual(
      expect.arrayContaining([`one.test.mjs > ${EARLY}: failed`, `one.test.mjs > ${LATE}: passed`]),
    )
    expect(report).toMatchObject({ code: 1, leftovers: CLEAN })
  })

  test('a command that runs nothing leaves nothing behind', async () => {
    using at = project('e2e-foreseen')
    const listed = await vitest(at, ['list'])
    expect(listed.out).toContain(EARLY)
    expect(listed).toMatchObject({ code: 0, leftovers: CLEAN })
    const none = await vitest(at, ['run', 'no-such-file', '--passWithNoTests'])
    expect(none).toMatchObject({ code: 0, leftovers: CLEAN })
  })
})
