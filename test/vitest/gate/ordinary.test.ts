/** Suites that mean no harm run as they do in Vitest's own pool. */
import { expect, test } from 'vitest'
import { fileOf } from '../../e2e/json-report.js'
import { project, run } from '../../e2e/run-vitest.js'

test('modules, mocks, environments, snapshots, attachments, set-up files', async () => {
  using at = project('gate-ordinary')
  const report = await run(at, [])
  expect(report.out).not.toContain('SeccompViolation')
  expect(report).toMatchObject({ code: 0, json: { success: true }, leftovers: { processes: [], tmp: [] } })
  expect(report.json.testResults).toHaveLength(6)
})

test('coverage', async () => {
  using at = project('gate-ordinary')
  const report = await run(at, ['modules', 'in-source', '--coverage'])
  expect(report).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })
  const summary: unknown = JSON.parse(at.read('coverage/coverage-summary.json'))
  expect(summary).toMatchObject({ total: { lines: { covered: expect.any(Number) } } })
  expect(JSON.stringify(summary)).toContain('src/uses.ts')
})

test('a JSON import without a grant says which line is missing; that of a package needs none', async () => {
  using at = project('gate-json')
  const report = await run(at, [])
  expect(fileOf(report.json, 'package.test.mjs').status).toBe('passed')
  const file = fileOf(report.json, 'json.test.mjs')
  expect(file.status).toBe('failed')
  expect(file.message).toContain("to allow it, add to the manifest: read: ['test/data.json']")
  expect(report.out.match(/to allow it/g)).toHaveLength(1)
})
