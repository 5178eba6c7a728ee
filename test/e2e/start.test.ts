/** A worker that does not come up: the run ends soon and says why, on both versions of Vitest. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { nodeBin, project, run, vitestMajor, type Report } from './run-vitest.js'

async function starting(env: Readonly<Record<string, string>>, files = ['test/one']): Promise<Report> {
  using at = project('e2e-start')
  return await run(at, files, { env })
}

const argv = (...args: string[]): Record<string, string> => ({ E2E_EXEC_ARGV: JSON.stringify(args) })

const STAGE = 'modules of execArgv, test environment'
const AFTER_FILTER = `A confined worker could not start (${STAGE}): the process ended with exit code`
const PRINTED = /\(boot\): .*exit code 9\s+What it printed:\s+\| .*bad option: --no-such-flag/
const REFUSED =
  vitestMajor === 3
    ? /refused: open \/etc\/passwd for reading[^]*read: \['\/etc\/passwd'\][^]*exit code 70/
    : /exit code 70\s+refused: open \/etc\/passwd for reading[^]*read: \['\/etc\/passwd'\]/
const MISSING = /Cannot find module '.*\/missing\.cjs'[^]*exit code 70/
const LOADER = '--loader would run code before the filter'

describe('ends the run at once', () => {
  test.each([
    ['a flag that node does not know', argv('--no-such-flag'), PRINTED],
    ['a preload that throws', argv('--import', './throws.mjs'), /A PRELOAD THAT THROWS[^]*exit code 70/],
    ['a preload that exits', argv('--import', './exits.mjs'), `${AFTER_FILTER} 9`],
    ['a preload that is missing', argv('--require', './missing.cjs'), MISSING],
    ['a preload that reads what is not granted', argv('--import', './reads.mjs'), REFUSED],
    ['a loader, which would run before the filter', argv('--loader', './throws.mjs'), LOADER],
    // Vitest 3 loads it with the test file.
    [
      'an environment that exits',
      { E2E_ENVIRONMENT: './environment-exits.mjs' },
      vitestMajor === 3 ? 'process.exit unexpectedly called with "8"' : `${AFTER_FILTER} 8`,
    ],
    ['an environment that throws', { E2E_ENVIRONMENT: './environment-throws.mjs' }, 'AN ENVIRONMENT THAT THROWS'],
  ])('%s', async (_, env, expected) => {
    const report = await starting(env)
    expect(report.out).toMatch(expected)
    // The file has failed, in every report, and nobody waits for a worker that is not there.
    expect(report.json.testResults.map(({ status }) => status)).toEqual(['failed'])
    expect(report.out).not.toContain('Timeout')
    expect(report.code).toBe(1)
    // It was not waited for until its time was over.
    expect(report.out).not.toContain('no progress')
    expect(report.leftovers).toEqual({ processes: [], tmp: [] })
  })
})

// With several files, a process is prepared for the second one while the first is still starting.
test.each([
  ['a flag that node does not know', argv('--no-such-flag')],
  ['a preload that exits', argv('--import', './exits.mjs')],
])('of two files each fails, and no further process is tried: %s', async (_, env) => {
  const report = await starting(env, [])
  expect(report.json.testResults.map(({ status }) => status)).toEqual(['failed', 'failed'])
  expect(report.code).toBe(1)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})

test("under Node's permission model, which gives nobody its bindings, a worker comes up", async () => {
  // Until Node 23.5 and 22.13 it had another name.
  const isNamedSo = spawnSync(nodeBin, ['--permission', '--eval', '']).status === 0
  const may = ['--allow-fs-read=*', '--allow-fs-write=*', '--allow-child-process', '--allow-worker', '--allow-addons']
  const report = await starting(argv(isNamedSo ? '--permission' : '--experimental-permission', ...may))
  expect(report.json.testResults.map(({ status }) => status)).toEqual(['passed'])
  expect(report.code).toBe(0)
})
