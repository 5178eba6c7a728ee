/** Several projects in one run, several files in one worker. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { fileOf, outcomes } from './json-report.js'
import { project, run, vitestMajor } from './run-vitest.js'

test('each project has its manifest, and one of them the stock pool', async () => {
  using at = project('e2e-projects')
  const report = await run(at)
  const failed = [...report.out.matchAll(/FAIL +\|(.*)\| (.*?) >/g)].map(([, name, file]) => `${name}: ${file}`)
  expect([...new Set(failed)].sort()).toEqual(['a: test/reads-b.test.mjs', 'b: test/reads-a.test.mjs'])
  expect(report.out).toMatch(/Test Files +2 failed \| 4 passed/)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})

const REFUSED = "to allow it, add to the manifest: read: ['data/a.txt']"

/** The plugin at the top, one project with a config of its own, and one inline. */
async function pluginAtTheTop(inline: string, args: readonly string[] = []) {
  using at = project('e2e-projects')
  at.write(
    'vitest.config.mjs',
    "import { seccomp } from 'vitest-pool-seccomp'\n" +
      `export default { plugins: [seccomp()], test: { projects: ['own', { ${inline} test: { name: 'inline', include: ['test/reads-a.test.mjs'] } }] } }\n`,
  )
  at.write('own/vitest.config.mjs', "export default { test: { name: 'own' } }\n")
  at.write('own/some.test.mjs', "import { test } from 'vitest'\ntest('runs', () => {})\n")
  return await run(at, args)
}

test('a plugin at the top that no project takes over stops the run, once', async () => {
  const { code, out } = await pluginAtTheTop('extends: false,')
  expect(code).toBe(1)
  expect(
    out.split(
      'PluginUnusedError: vitest-pool-seccomp is in a config with test.projects, and none of these projects takes it over',
    ),
  ).toHaveLength(2)
  expect(out).toContain('An inline project takes it over with extends: true.')
  expect(out).not.toContain('passed')
})

test('one that takes it over is confined, and the others are as they were', async () => {
  const { out } = await pluginAtTheTop('extends: true,')
  expect(out).toContain(REFUSED)
  expect(out).toMatch(/Test Files +1 failed \| 1 passed/)
})

test('inline projects take it over by themselves on Vitest 5, and only there', async () => {
  const { code, out } = await pluginAtTheTop('')
  expect(code).toBe(1)
  expect(out).toContain(vitestMajor < 5 ? 'PluginUnusedError' : REFUSED)
})

test('another pool on the command line unconfines no project that takes it over', async () => {
  const { code, out } = await pluginAtTheTop('extends: true,', ['--pool=threads'])
  expect(code).toBe(1)
  // Before Vitest 5 a plugin's config wins over the command line in a project.
  expect(out).toContain(vitestMajor < 5 ? REFUSED : "PoolReplacedError: The tests would run in the pool 'threads'")
})

test('projects that --project leaves out may take it over as well', async () => {
  const { code, out } = await pluginAtTheTop('extends: true,', ['--project', 'own'])
  expect(out).toMatch(/Test Files +1 passed/)
  expect(code).toBe(0)
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

test('where an entry leads for another file or another project, nobody puts a link', async () => {
  using at = project('e2e-links')
  const report = await run(at)
  expect(['test/two/beside', 'shared/data', 'shared/other'].map((path) => existsSync(join(at.root, path)))).toEqual([
    false,
    false,
    true,
  ])
  expect(
    outcomes(report.json)
      .filter((line) => line.includes('links'))
      .map((line) => line.replace(/.*links /, ''))
      .sort(),
  ).toEqual(['shared/data: failed', 'shared/other: passed', 'test/two/beside: failed'])
  expect(report.code).toBe(1)
})

test("what a test may have written, of this project or another, in this run or another, is not compiled in Vitest's own process", async () => {
  using at = project('e2e-styles')
  at.write('coverage/style.css', at.read('src/style.css'))
  const report = await run(at)
  expect(
    outcomes(report.json)
      .filter((line) => line.includes('imports'))
      .map((line) => line.replace(/.*imports /, ''))
      .sort(),
  ).toEqual(['coverage: failed', 'out: failed', 'shared: failed', 'src: passed', 'test/two/gen: failed'])
  expect(report.out.match(/loads nothing that a test may have written/g)?.length).toBeGreaterThanOrEqual(4)
})

test('from the top, what pnpm has installed beside a package further down is found without an entry', async () => {
  using at = project('e2e-container')
  at.write('node_modules/.pnpm/tool@1.0.0/node_modules/tool/package.json', '{ "main": "main.js" }')
  at.write('node_modules/.pnpm/tool@1.0.0/node_modules/tool/main.js', 'module.exports = 42')
  const link = join(at.root, 'packages/a/node_modules/tool')
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync('../../../node_modules/.pnpm/tool@1.0.0/node_modules/tool', link)
  at.write(
    'test/installed.test.mjs',
    `import { createRequire } from 'node:module'
     import { expect, test } from 'vitest'
     test('finds it', () => expect(createRequire(new URL('../packages/a/', import.meta.url))('tool')).toBe(42))`,
  )
  const { out, code } = await run(at, ['installed'])
  expect(out).toContain('1 passed')
  expect(code).toBe(0)
})
