/** Each violation fails the file it happened in, is reported once, and names its test where there is one. */
import { beforeAll, describe, expect, test } from 'vitest'
import { fileOf, outcomes } from './json-report.js'
import { project, run, vitest, vitestMajor, type Finished, type Report } from './run-vitest.js'

/** The file's name is the secret's; the test that the violation is told with. */
const PLACES = {
  'top-level': undefined,
  'before-all': 'suite',
  'after-all': undefined,
  'late-timer': 'is running when it fires',
  swallowed: 'outer > swallows the error',
  'also-fails': 'fails by itself, too',
  'then-killed': 'snoops and dies',
  concurrent: 'at the same time > one',
  twice: 'snoops at every attempt',
} as const

const places = Object.entries(PLACES)

/** Vitest 3 prints the whole text of an error twice: beneath the test as well. */
function failuresIn(out: string): string {
  return vitestMajor === 3 ? out.slice(out.search(/Failed (?:Suites|Tests)/)) : out
}

describe("onViolation: 'fail'", () => {
  let report: Report
  let merged: Finished
  let junit = ''
  beforeAll(async () => {
    using at = project('e2e-violations')
    report = await run(at, [
      '--reporter=junit',
      '--outputFile.junit=junit.xml',
      '--reporter=blob',
      '--outputFile.blob=blobs/blob.json',
      '--reporter=./meta-reporter.mjs',
    ])
    junit = at.read('junit.xml')
    merged = await vitest(at, ['run', '--merge-reports=blobs', '--reporter=default', '--reporter=./meta-reporter.mjs'])
  })

  test.each(places)('%s: the file fails, and says why once', (place, name) => {
    expect(fileOf(report.json, `${place}.test.mjs`).status).toBe('failed')
    expect(failuresIn(report.out).split(`manifest: read: ['secrets/${place}.txt']`)).toHaveLength(2)
    expect(report.out).toContain(`META ${place}.test.mjs: ${place}.txt in ${name ?? 'no test'}`)
  })

  test('a hook around each test counts to that test', () => {
    const { assertionResults } = fileOf(report.json, 'hook-each.test.mjs')
    const told = assertionResults.map(({ title, status }) => `${title}: ${status}`)
    expect(told).toEqual(['first: failed', 'second: failed', 'third: passed'])
  })

  test('after the last test of a file has ended, it fails the run', () => {
    expect(report.out.split("manifest: read: ['secrets/after-the-end.txt']")).toHaveLength(2)
    expect(report.out).toContain('after the tests of test/after-the-end.test.mjs had ended')
  })

  test('what is granted to a file by `files` is no violation, and innocent tests pass', () => {
    expect(fileOf(report.json, 'granted.test.mjs').status).toBe('passed')
    const failed = outcomes(report.json).filter((line) => line.includes(' > ') && line.endsWith('failed'))
    expect(failed.map((line) => line.replace(/ > .*/, ''))).toEqual([
      'also-fails.test.mjs',
      'concurrent.test.mjs',
      'hook-each.test.mjs',
      'hook-each.test.mjs',
      'late-timer.test.mjs',
      'swallowed.test.mjs',
      // By its end: what kills the worker fails the test that ran.
      'then-killed.test.mjs',
      'twice.test.mjs',
    ])
  })

  test("a failing test keeps its own reason beside ours, and json has the test's facts in its meta", () => {
    const [failing] = fileOf(report.json, 'also-fails.test.mjs').assertionResults
    expect(failing?.failureMessages?.map((text) => text.split('\n')[0])).toEqual([
      expect.stringContaining('its own reason'),
      expect.stringContaining('the test used something that its manifest does not grant'),
    ])
    expect(failing?.meta).toMatchObject({
      seccomp: {
        violations: [{ call: 'openat', access: 'read', suggestion: { key: 'read', entry: 'secrets/also-fails.txt' } }],
      },
    })
  })

  test('junit has each as a failure', () => {
    for (const [place] of places) {
      expect(junit.match(new RegExp(`<failure message="[^"]*secrets/${place}\\.txt`, 'g')), place).toHaveLength(1)
    }
  })

  test('merged blobs tell the same', () => {
    expect(merged.code).toBe(1)
    expect(merged.out).toContain(' seccomp  12 violations in 11 test files\n')
    for (const [place] of places) {
      expect(failuresIn(merged.out).split(`manifest: read: ['secrets/${place}.txt']`), place).toHaveLength(2)
      expect(merged.out).toContain(`META ${place}.test.mjs: ${place}.txt`)
    }
  })

  test('nothing is left behind', () => expect(report.leftovers).toEqual({ processes: [], tmp: [] }))
})

const some = ['swallowed', 'top-level', 'after-all', 'concurrent', 'after-the-end', 'twice']
const others = [...some, '--reporter=./meta-reporter.mjs']

test("onViolation: 'warn' passes, tells each once, and keeps the facts", async () => {
  using at = project('e2e-violations')
  // twice fails by itself until its third attempt, and passes then.
  const report = await run(at, others, { env: { E2E_OPTIONS: JSON.stringify({ onViolation: 'warn' }) } })
  expect(report).toMatchObject({ code: 0, json: { success: true } })
  for (const place of some) {
    expect(report.out.split(`manifest: read: ['secrets/${place}.txt']`), place).toHaveLength(2)
  }
  expect(report.out).toContain('META swallowed.test.mjs > swallows the error: swallowed.txt')
  expect(report.out).toContain('META top-level.test.mjs: top-level.txt in no test')
})

test('what an entry excludes is excluded for own code, too', async () => {
  using at = project('e2e-violations')
  at.write('secrets/own.cjs', '')
  at.write(
    'test/own.test.mjs',
    `import { createRequire } from 'node:module'
    import { test } from 'vitest'
    test('requires it', () => void createRequire(import.meta.url)('../secrets/own.cjs'))`,
  )
  const withRead = (read: readonly string[]): Promise<Report> =>
    run(at, ['own'], { env: { E2E_OPTIONS: JSON.stringify({ manifest: { read } }) } })
  expect(await withRead(['secrets/'])).toMatchObject({ code: 0 })
  const excluded = await withRead(['secrets/', '!secrets/own.cjs'])
  expect(excluded).toMatchObject({ code: 1 })
  expect(excluded.out).toContain("because: '!secrets/own.cjs' excludes it")
})

test('a failure with one cause is one entry', async () => {
  using at = project('e2e-violations')
  at.write(
    'test/one-cause.test.mjs',
    `import { mkdirSync, readFileSync } from 'node:fs'
    import { beforeAll, describe, test } from 'vitest'
    describe('a hook', () => { beforeAll(() => { readFileSync('secrets/twice.txt') }); test('never runs', () => {}) })
    test('a directory with its parents', () => { mkdirSync('made/deep', { recursive: true }) })
    test('a request', async () => { await fetch('http://127.0.0.1:1024/') })`,
  )
  const { code, out } = await run(at, ['one-cause'])
  expect(code).toBe(1)
  const entries = failuresIn(out).match(/^ FAIL .*$|^\w*Error: .*$|^SeccompViolation: .*$/gm)
  const ours = 'SeccompViolation: the test used something that its manifest does not grant'
  expect(entries).toEqual(
    ['a hook', 'a directory with its parents', 'a request'].flatMap((name) => [
      ` FAIL  test/one-cause.test.mjs > ${name}`,
      ours,
    ]),
  )
})

test("mode: 'audit' lets everything pass", async () => {
  using at = project('e2e-violations')
  const report = await run(at, others, { env: { E2E_OPTIONS: JSON.stringify({ mode: 'audit' }) } })
  expect(report).toMatchObject({ code: 0, json: { success: true } })
  expect(report.out).not.toContain('SeccompViolation')
  // What enforcing would have refused is told once, at the end.
  expect(report.out).toContain("mode 'audit': NOTHING WAS REFUSED IN THIS RUN")
  for (const place of some) expect(report.out.split(`secrets/${place}.txt`), place).toHaveLength(2)
})

test("denied: 'hide' makes the outside not exist, and still fails", async () => {
  using at = project('e2e-violations')
  at.write(
    'test/hidden.test.mjs',
    `
    import { expect, test } from 'vitest'
    import { snoop } from '../read.mjs'
    test('sees nothing', () => console.log('ERRNO ' + snoop('swallowed')))`,
  )
  const seen = (options: object): Promise<Report> =>
    run(at, ['hidden'], { env: { E2E_OPTIONS: JSON.stringify(options) } })
  const hidden = await seen({ denied: 'hide' })
  expect(hidden.code).toBe(1)
  expect(hidden.out).toContain('ERRNO ENOENT')
  expect((await seen({})).out).toContain('ERRNO EACCES')
})
