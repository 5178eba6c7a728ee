/**
 * What test code can ask of Vitest's own process, by way of its RPC: each attempt refused, told, and failing its file.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileOf, type JsonFile } from '../../e2e/json-report.js'
import { project, run, vitestMajor, type Project } from '../../e2e/run-vitest.js'

/** The fixture, with what no repository holds: FIFOs, and links that would lead nowhere in a copy. */
function attacks(): Project {
  const at = project('gate-attacks')
  at.write('.env.production', 'SECRET=env\n')
  // Vite fills in what the sources of a module's own map say.
  const map = { version: 3, sources: ['../secret/plain.txt'], names: [], mappings: 'AAAA' }
  const inline = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`
  at.write('src/mapped.mjs', `export const mapped = 1\n//# sourceMappingURL=${inline}\n`)
  at.write('src/beside.mjs', 'export const beside = 1\n//# sourceMappingURL=beside.mjs.map\n')
  at.write('src/beside.mjs.map', JSON.stringify(map))
  execFileSync('mkfifo', [join(at.root, 'fifo'), join(at.root, 'fifo.mjs')])
  symlinkSync('../.env.production', join(at.root, 'test/link.mjs'))
  symlinkSync('../secret/data.json', join(at.root, 'test/link.json'))
  return at
}

/** Those that failed by themselves: an attempt that came through. */
const failedTests = ({ assertionResults }: JsonFile): string[] =>
  assertionResults
    .filter(({ failureMessages }) => (failureMessages ?? []).some((text) => !text.startsWith('SeccompViolation:')))
    .map(({ title }) => title)

test('every attempt is refused, and fails its file although the tests swallow it', async () => {
  using at = attacks()
  const report = await run(at, ['reads', 'files', 'forges', 'victim'])
  for (const name of ['reads', 'files', 'forges']) {
    const file = fileOf(report.json, `${name}.test.mjs`)
    expect(failedTests(file), name).toEqual([])
    expect(file.status, name).toBe('failed')
  }
  expect(fileOf(report.json, 'a-victim.test.mjs').status).toBe('passed')
  expect(report.code).toBe(1)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
  for (const line of [
    "read: ['/etc/passwd']",
    "read: ['secret/data.json']",
    "read: ['secret/plain.txt']",
    // Only Vitest 5 writes results of benchmarks for its workers; to others the method is unknown.
    ...(vitestMajor >= 5 ? ["write: ['package.json']"] : []),
  ]) {
    expect(report.out).toContain(`to allow it, add to the manifest: ${line}`)
  }
  expect(report.out).toContain("to allow it all the same: read: ['.env.production']")
  expect(at.read('package.json')).toContain('gate-attacks')
  const attached = ['.vitest-attachments', '.vitest/attachments']
    .map((dir) => join(at.root, dir))
    .filter((dir) => existsSync(dir))
  expect(attached.flatMap((dir) => readdirSync(dir))).toEqual([])
  expect(report.out).not.toMatch(/root:x:|secret text|SECRET=/)
})

const ALWAYS = ['fetch /secret/data.json', 'import /etc/passwd?raw', 'the result of another test file']
/** Its methods have other names, but for those; the group `vitest` of the escape corpus has them. */
const IN_VITEST_3 = [
  ...ALWAYS,
  'fetch /secret/plain.txt?raw',
  "attach through a link of one's own",
  'coverage of other files',
]
const LATER = [
  ...ALWAYS,
  'fetch /etc/passwd?raw',
  'fetch /proc/self/environ?raw',
  'fetch /.env.production?raw',
  'fetch /src/mapped.mjs',
  'fetch /src/beside.mjs',
  'attach /etc/passwd',
  'attach /proc/self/environ',
  'results, collections and snapshots of another file',
  'a module noted for the excerpt beneath an error',
]

test('unconfined, the same attempts succeed: they show something', async () => {
  using at = attacks()
  // Without those that would hang Vitest for good, or end the run.
  const report = await run(at, ['reads', 'files', 'forges', '-t', '^(?!.*(fifo|stdin|end of the run|the method))'], {
    env: { GATE_STOCK: 'yes' },
  })
  const succeeded = new Set([...report.out.matchAll(/succeeded: (.*)/g)].map(([, title]) => title))
  for (const title of vitestMajor === 3 ? IN_VITEST_3 : LATER) expect(succeeded).toContain(title)
  if (vitestMajor >= 5) expect(at.read('package.json')).toContain('overwritten')
})

test('stacks that name other files end in words, and Vitest goes on', async () => {
  using at = attacks()
  const report = await run(at, ['stacks', 'victim'])
  const { assertionResults } = fileOf(report.json, 'stacks.test.mjs')
  expect(assertionResults).toHaveLength(6)
  for (const { title, failureMessages } of assertionResults.filter(({ status }) => status === 'failed')) {
    expect(failureMessages?.join('\n'), title).not.toMatch(/(?:fifo|passwd):\d/)
  }
  expect(report.out).toContain('Unhandled Rejection')
  expect(report.out).not.toContain('root:x:')
  expect(fileOf(report.json, 'a-victim.test.mjs').status).toBe('passed')
})
