/** Resources by name, as a suite uses them: a port, a database, files, two files that talk; and what is refused. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { repository } from '../harness/confined.js'
import { fileOf, outcomes } from './json-report.js'
import { project, run } from './run-vitest.js'

const TESTS = [
  'handles.test.ts > a directory: passed', 'handles.test.ts > a file to read: passed', 'handles.test.ts > a file to write: passed',
  'handles.test.ts > a program that a test starts inherits it: passed',
  'handles.test.ts > closed is closed, and belongs to one object only: passed', 'handles.test.ts > in a thread a descriptor is used: passed',
  'handles.test.ts > in a thread nothing is acquired, and it says what to do: passed', 'handles.test.ts > packets: passed',
  'handles.test.ts > what may be used: passed', 'handles.test.ts: passed', 'left.test.ts > talks to the other file: passed', 'left.test.ts: passed',
  'right.test.ts > talks to the other file: passed', 'right.test.ts: passed',
  'server.test.ts > gets the same port again, and another connection: passed', 'server.test.ts > keeps what it was sent: passed', 'server.test.ts: passed',
]

describe('a suite that knows names only', () => {
  test.each(['enforce', 'audit'])('in mode %s', async (mode) => {
    using at = project('e2e-resources')
    const report = await run(at, ['test/'], mode === 'audit' ? { env: { E2E_AUDIT: 'yes' } } : {})
    expect(outcomes(report.json), report.out).toEqual(TESTS)
    expect(report).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })
  })
})

test('what is refused fails the file, and says why', async () => {
  using at = project('e2e-resources')
  const { json, out, code } = await run(at, ['refused/'])
  expect(code).toBe(1)
  const messages = fileOf(json, 'wrong-name.test.ts').assertionResults.map(({ failureMessages }) => failureMessages?.join('\n') ?? '')
  expect(messages).toEqual([
    expect.stringContaining("  refused: acquire the resource 'dbs'\n  because: no resource of that name is declared for this test file\n  did you mean: acquire('db')"),
    expect.stringContaining("  refused: acquire the resource 'toLeft'\n  because: it is declared for other test files only: 'test/right.test.ts'\n  to allow it, add to the manifest: resources: { toLeft: { … } }"),
    expect.stringMatching(/ {2}refused: connect to unix:.*\n {2}because: no entry covers it\n.*\n {2}a test gets it by name: acquire\('db'\)/),
  ])
  // What the tests themselves asserted held: the only errors are the violations.
  expect(messages.join('\n')).not.toContain('AssertionError')
  expect(out).not.toContain('AssertionError')
})

test('outside the pool it says how to run', async () => {
  using at = project('e2e-resources')
  const { json } = await run(at, ['test/server'], { env: { E2E_STOCK: 'yes' } })
  expect(fileOf(json, 'server.test.ts').assertionResults[1]?.failureMessages?.join('\n')).toContain(
    "acquire('web') works only in tests that vitest-pool-seccomp runs and confines, and these are not.\n" +
    'Add the plugin to the Vitest config, plugins: [seccomp({ manifest: { resources: { … } } })], and run them with: npx vitest run')
})

test('names and kinds are types: a wrong one does not compile', async () => {
  // In its place, where the packages that it names are.
  const args = [join(repository, 'node_modules/typescript/bin/tsc'), '-p', join(repository, 'fixtures/projects/e2e-resources')]
  const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
  expect(readFileSync(join(repository, 'fixtures/projects/e2e-resources/types/names.ts'), 'utf8').match(/@ts-expect-error/g)).toHaveLength(8)
})
