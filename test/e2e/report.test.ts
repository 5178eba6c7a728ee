/** The report of real runs: what files used, where they met, what they left open; also over shards. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { REPORT_VERSION, type ReportData, type ReportFile } from '../../src/report/data.js'
import { readReport, reportOf } from '../../src/report/read.js'
import { fileOf } from './json-report.js'
import { nodeBin, project, run, vitest, type Finished, type Project, type Report } from './run-vitest.js'

const options = (given: object): { env: { E2E_OPTIONS: string } } => ({ env: { E2E_OPTIONS: JSON.stringify(given) } })

function read(at: Project, path: string): ReportData {
  const report = readReport(at.read(path))
  if (!report.ok) throw new Error(report.problem)
  return reportOf(report.files)
}

function named(data: ReportData, name: string): ReportFile {
  const found = data.files.find(({ file }) => file === `test/${name}.test.mjs`)
  if (found === undefined) throw new Error(`no ${name} in the report`)
  return found
}

describe('a run', () => {
  let finished: Finished
  let data: ReportData
  let html = ''
  let root = ''
  beforeAll(async () => {
    using at = project('e2e-report')
    root = at.root
    finished = await vitest(at, ['run'])
    data = read(at, 'report.json')
    html = at.read('report/index.html')
  })

  test('leaves what each file used, by which grant, in which test', () => {
    expect(finished.code).toBe(0)
    expect(finished.out).toContain(` seccomp  report written to ${root}/report/index.html\n`)
    const uses = named(data, 'one').facts?.uses ?? []
    expect(uses.find(({ what }) => what.endsWith('/data/read.txt'))).toMatchObject({
      access: 'read',
      what: `${root}/data/read.txt`,
      outcome: 'allowed',
      by: 'manifest.read[0]',
      test: 'writes what the other reads',
      count: 1,
    })
    expect(uses.find(({ what }) => what.startsWith('<tmp>'))).toMatchObject({
      access: 'write',
      what: '<tmp>/own',
      by: 'manifest.write[0]',
    })
  })

  test('says which grants count for a file, so that the unused ones can be told', () => {
    const sources = (name: string): string[] => named(data, name).facts?.grants.map(({ source }) => source) ?? []
    expect(sources('one')).toEqual([
      'data/',
      'never/',
      '<tmp>/',
      'out/',
      'meet/',
      'true',
      'tcp:127.0.0.1:34987',
      'tcp:127.0.0.1:34987',
      'tcp:127.0.0.1:0',
    ])
    expect(sources('leaks')).toEqual([...sources('one'), 'test/'])
  })

  test('names both tests where two files met: at a file, and at a port; nowhere else', () => {
    expect(data.hazards.map(({ what, kind }) => [what.replace(`${root}/`, ''), kind])).toEqual([
      ['out/shared.json', 'write-read'],
      ['tcp:127.0.0.1:34987', 'listen-listen'],
    ])
    expect(finished.out)
      .toContain(` seccomp  Test files that ran at the same time met at 2 places, so a result may change from one run to the next:

  out/shared.json
    written by test/one.test.mjs > writes what the other reads
    read by test/two.test.mjs > reads what the other writes
  tcp:127.0.0.1:34987
    listened on by test/one.test.mjs > takes the port
    listened on by test/two.test.mjs > wants the port

  Below <tmp>/ and on port 0 nothing can meet.
`)
  })

  test('tells what a file left open, and by which test; not what it closed, and not what waits for the next request', () => {
    const { leaks = [], opened = {} } = named(data, 'leaks').facts ?? {}
    expect(leaks.map(({ kind, what, test: name }) => [kind, what.replace(`${root}/`, ''), name])).toEqual([
      ['file', 'data/open.txt', 'forgets a file'],
      ['directory', 'data', 'forgets a directory'],
      ['socket', 'tcp:127.0.0.1:0', 'forgets a server'],
    ])
    expect(opened.file).toBeGreaterThan(3)
    expect(named(data, 'one').facts?.leaks).toEqual([])
  })

  test('leaves a page with the same in it', () => {
    expect(html).toContain('Content-Security-Policy')
    expect(html).toContain('out/shared.json')
  })
})

describe('leaks', () => {
  const only = async (leaks: string): Promise<Report> => {
    using at = project('e2e-report')
    return await run(at, ['leaks'], options({ leaks }))
  }
  const text = (root: string): string => `  file ${root}/data/open.txt
    opened in: forgets a file
  directory ${root}/data
    opened in: forgets a directory
  socket tcp:127.0.0.1:0
    opened in: forgets a server
`
  const rootOf = ({ json }: Report): string => fileOf(json, 'leaks.test.mjs').name.replace('/test/leaks.test.mjs', '')

  test('fail: the file fails, and says what', async () => {
    const report = await only('fail')
    expect(report.code).toBe(1)
    expect(fileOf(report.json, 'leaks.test.mjs').status).toBe('failed')
    expect(report.out).toContain(
      `SeccompLeak: the test file opened 3 things and left them open at its end\n${text(rootOf(report))}`,
    )
  })

  test('warn: it passes, and is told', async () => {
    const report = await only('warn')
    expect(report.code).toBe(0)
    expect(report.out).toContain(`seccomp: test/leaks.test.mjs left open at its end\n${text(rootOf(report))}`)
  })

  test('off: nothing is said', async () => {
    const report = await only('off')
    expect(report.code).toBe(0)
    expect(report.out).not.toMatch(/seccomp/i)
  })
})

test('a link that a test left in the place of the report leads nowhere', async () => {
  using at = project('e2e-report')
  at.write('victim', 'as before')
  at.write(
    'test/plants.test.mjs',
    `
    import { symlinkSync } from 'node:fs'
    import { test } from 'vitest'
    test('plants', () => {
      symlinkSync('../victim', new URL('../out/page.html', import.meta.url))
      symlinkSync('..', new URL('../out/sub', import.meta.url))
    })`,
  )
  const finished = await vitest(
    at,
    ['run', 'plants'],
    options({ report: { html: 'out/page.html', json: 'out/sub/victim' } }),
  )
  expect(at.read('victim')).toBe('as before')
  expect(finished.out).toContain(`no report at ${at.root}/out/page.html: a part of it is a link`)
  expect(finished.out).toContain(`no report at ${at.root}/out/sub/victim: a part of it is a link`)
  expect(finished.code).toBe(1)
})

test('shards from several machines become one report, with vitest --merge-reports and with the CLI', async () => {
  using at = project('e2e-report')
  // Alone in its shard, a file waits for nobody.
  at.write('meet.mjs', 'export async function meet() {}\n')
  at.write('out/shared.json', '{}')
  for (const shard of ['1', '2', '3']) {
    const { env } = options({ report: { json: `shard-${shard}.json` } })
    // Vitest 5 makes the ids of test files with the label.
    const report = { env: { ...env, VITEST_BLOB_LABEL: 'linux' } }
    await vitest(at, ['run', `--shard=${shard}/3`, '--reporter=blob', `--outputFile=blobs/blob-${shard}.json`], report)
  }
  const merged = await vitest(
    at,
    ['run', '--merge-reports=blobs', '--reporter=default'],
    options({ report: { json: 'merged.json', html: 'merged.html' } }),
  )
  expect(merged.code).toBe(0)
  const data = read(at, 'merged.json')
  expect(data.files.map(({ file, facts }) => [file, (facts?.uses.length ?? 0) > 1])).toEqual(
    ['leaks', 'one', 'two'].map((name) => [`test/${name}.test.mjs`, true]),
  )
  // They were never at the same place at the same time.
  expect(data.hazards).toEqual([])
  expect(existsSync(join(at.root, 'merged.html'))).toBe(true)

  const cli = (...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(nodeBin, [join(import.meta.dirname, '../../dist/cli/bin.js'), 'report', ...args], {
      cwd: at.root,
      encoding: 'utf8',
    })
  const made = cli('shard-1.json', 'shard-2.json', 'shard-3.json', '-o', 'cli.html', '--json', 'cli.json')
  expect([made.status, made.stdout]).toEqual([0, 'cli.html: 3 test files\ncli.json: 3 test files\n'])
  expect(read(at, 'cli.json')).toEqual(data)
  expect(at.read('cli.html')).toHaveLength(at.read('merged.html').length)
  at.write('old.json', '{ "version": 0, "files": [] }')
  const failed = [
    cli('shard-1.json'),
    cli('-o', 'x.html'),
    cli('nowhere.json', '-o', 'x.html'),
    cli('package.json', '-o', 'x.html'),
    cli('old.json', '-o', 'x.html'),
  ]
  expect(
    failed.map(({ status, stderr }) => [status, String(stderr).replace('vitest-seccomp report: ', '').trim()]),
  ).toEqual([
    [2, 'where to? -o report.html'],
    [2, "which JSON? Runs with `report: { json: 'seccomp.json' }` in the options leave some"],
    [2, 'nowhere.json cannot be read: ENOENT'],
    [2, 'package.json is no report of vitest-pool-seccomp: see its version'],
    [2, `old.json has version 0, and this vitest-pool-seccomp reads version ${REPORT_VERSION}`],
  ])
})
