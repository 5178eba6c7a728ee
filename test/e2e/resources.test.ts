/** Resources by name, as a suite uses them: a port, a database, files, two files that talk; and what is refused. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readReport } from '../../src/report/read.js'
import { repository } from '../harness/confined.js'
import { fileOf, outcomes } from './json-report.js'
import { cli, project, run, type Project } from './run-vitest.js'

const TESTS = [
  'handles.test.ts > a directory: passed',
  'handles.test.ts > a file to read: passed',
  'handles.test.ts > a file to write: passed',
  'handles.test.ts > a program that a test starts inherits it: passed',
  'handles.test.ts > closed is closed, and belongs to one object only: passed',
  'handles.test.ts > in a thread a descriptor is used: passed',
  'handles.test.ts > in a thread nothing is acquired, and it says what to do: passed',
  'handles.test.ts > packets: passed',
  'handles.test.ts > what may be used: passed',
  'handles.test.ts: passed',
  'left.test.ts > talks to the other file: passed',
  'left.test.ts: passed',
  'right.test.ts > talks to the other file: passed',
  'right.test.ts: passed',
  'server.test.ts > gets the same port again, and another connection: passed',
  'server.test.ts > keeps what it was sent: passed',
  'server.test.ts: passed',
]

describe('a suite that knows names only', () => {
  test.each(['enforce', 'audit'])('in mode %s', async (mode) => {
    using at = project('e2e-resources')
    const report = await run(at, ['test/'], { env: mode === 'audit' ? { E2E_AUDIT: 'yes' } : { E2E_REPORT: 'yes' } })
    expect(outcomes(report.json), report.out).toEqual(TESTS)
    expect(report).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })
    if (mode === 'enforce') expect(acquiredIn(at)).toEqual(ACQUIRED)
  })

  test('recorded: what no test asks for by name is told, and what one asks for stays', async () => {
    using at = project('e2e-resources')
    const { out, code } = await cli(at, ['record', '--check', '--', 'vitest', 'run', 'test/server'])
    expect(out.slice(out.indexOf('No test used'))).toBe(`No test used:
  'readable.txt'  (manifest.read[0])
  'child.mjs'  (manifest.read[1])
  'node'  (manifest.exec[0])
${['seed', 'data', 'log', 'beats'].map((name) => `  '${name}'  (manifest.resources.${name})\n`).join('')}\
  'toRight'  (files["test/left.test.ts"].resources.toRight)
  'toLeft'  (files["test/right.test.ts"].resources.toLeft)
`)
    expect(code).toBe(1)
  })
})

/** What the report says of each file's resources: purpose, place, entry. */
function acquiredIn(at: Project): Record<string, string[]> {
  const report = readReport(at.read('report.json'))
  if (!report.ok) throw new Error(report.problem)
  return Object.fromEntries(
    report.files.map(({ file, facts }) => [
      file,
      (facts?.uses ?? [])
        .filter(({ call }) => call === 'acquire')
        .map(({ access, what, by = '' }) => `${access} ${what.replace(at.root, '.')} by ${by}`)
        .sort(),
    ]),
  )
}

const ACQUIRED = {
  'test/handles.test.ts': [
    'connect unix:./db.sock by manifest.resources.db',
    'listen tcp:127.0.0.1:0 by manifest.resources.web',
    'listen udp:127.0.0.1:0 by manifest.resources.beats',
    'read ./data by manifest.resources.data',
    'read ./seed.sql by manifest.resources.seed',
    'write <tmp>/log by manifest.resources.log',
  ],
  'test/left.test.ts': ['connect pair:wire by files["test/left.test.ts"].resources.toRight'],
  'test/right.test.ts': ['connect pair:wire by files["test/right.test.ts"].resources.toLeft'],
  'test/server.test.ts': [
    'connect unix:./db.sock by manifest.resources.db',
    'listen tcp:127.0.0.1:0 by manifest.resources.web',
  ],
}

test('what is refused fails the file, and says why', async () => {
  using at = project('e2e-resources')
  const { json, out, code } = await run(at, ['refused/'])
  expect(code).toBe(1)
  const messages = fileOf(json, 'wrong-name.test.ts').assertionResults.map(
    ({ failureMessages }) => failureMessages?.join('\n') ?? '',
  )
  expect(messages).toEqual([
    expect.stringContaining(
      "  refused: acquire the resource 'dbs'\n  because: no resource of that name is declared for this test file\n  did you mean: acquire('db')",
    ),
    expect.stringContaining(
      "  refused: acquire the resource 'toLeft'\n  because: it is declared for other test files only: 'test/right.test.ts'\n  to allow it, add to the manifest: resources: { toLeft: { … } }",
    ),
    expect.stringMatching(
      / {2}refused: connect to unix:.*\n {2}because: no entry covers it\n.*\n {2}a test gets it by name: acquire\('db'\)/,
    ),
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
      'Add the plugin to the Vitest config, plugins: [seccomp({ manifest: { resources: { … } } })], and run them with: npx vitest run',
  )
})

test('names and kinds are types: a wrong one does not compile', async () => {
  // In its place, where the packages that it names are.
  const args = [
    join(repository, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(repository, 'fixtures/projects/e2e-resources'),
  ]
  const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
  expect(
    readFileSync(join(repository, 'fixtures/projects/e2e-resources/types/names.ts'), 'utf8').match(/@ts-expect-error/g),
  ).toHaveLength(8)
})
