/** Several projects in one run, several files in one worker. */
import { expect, test } from 'vitest'
import { fileOf, outcomes } from './json-report.js'
import { project, run } from './run-vitest.js'

test('each project has its manifest, and one of them the stock pool', async () => {
  using at = project('e2e-projects')
  const report = await run(at)
  const failed = [...report.out.matchAll(/FAIL +\|(.*)\| (.*?) >/g)].map(([, name, file]) => `${name}: ${file}`)
  expect([...new Set(failed)].sort()).toEqual(['a: test/reads-b.test.mjs', 'b: test/reads-a.test.mjs'])
  expect(report.out).toMatch(/Test Files +2 failed \| 4 passed/)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})

const files = ['granted', 'one', 'snoops', 'three', 'two'].map((name) => `${name}.test.mjs`)

test.each([
  ['one worker for all', ['--max-workers=1'], 1],
  ['two workers', ['--max-workers=2'], undefined],
  ['one at a time, isolated', ['--no-file-parallelism', '--isolate'], 5],
])('%s: only the file with the violation fails', async (_, args, workers) => {
  using at = project('e2e-no-isolate')
  const report = await run(at, args)
  for (const file of files) {
    expect(fileOf(report.json, file).status, file).toBe(file === 'snoops.test.mjs' ? 'failed' : 'passed')
  }
  expect(outcomes(report.json)).toContain('snoops.test.mjs > reads what no file may: failed')
  const pids = new Set([...report.out.matchAll(/^\w+: (\d+) \d/gm)].map(([, pid]) => pid))
  if (workers !== undefined) expect(pids.size).toBe(workers)
  expect(report.out.match(/SeccompViolation/g)).toHaveLength(1)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})

test('what `files` grants to one file is refused to another', async () => {
  using at = project('e2e-no-isolate')
  at.write('test/envious.test.mjs', at.read('test/granted.test.mjs'))
  const report = await run(at, ['granted', 'envious', '--isolate'])
  expect(fileOf(report.json, 'granted.test.mjs').status).toBe('passed')
  expect(fileOf(report.json, 'envious.test.mjs').status).toBe('failed')
})
