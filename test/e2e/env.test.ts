/** `env.pass`: a worker and what it starts get the variables named, and nothing else of what is around the run. */
import { expect, test } from 'vitest'
import { project, run, type Report } from './run-vitest.js'

const AROUND = {
  SECRET_TOKEN: 'hunter2',
  npm_config_x: 'of npm',
  VITE_PUBLIC: 'by its prefix',
  HOME: '/dev/null/home',
  E2E_STRAY: '1',
}

async function seen(options: object): Promise<Report> {
  using at = project('e2e-env')
  return await run(at, [], { env: { ...AROUND, E2E_OPTIONS: JSON.stringify(options) } })
}

function line(report: Report, word: string): string[] {
  const found = new RegExp(`^${word} (.*)$`, 'm').exec(report.out)?.[1]
  if (found === undefined) throw new Error(`no ${word} in ${report.out}`)
  return found.split(/[ ,]/)
}

test('by default everything goes through, as in the stock pool', async () => {
  const report = await seen({})
  expect(report.code).toBe(0)
  for (const where of ['WORKER', 'CHILD'])
    expect(line(report, where)).toEqual(expect.arrayContaining(['SECRET_TOKEN', 'VITE_PUBLIC', 'HOME', 'PATH']))
})

test('with a list, only that goes through, to the worker, its children and import.meta.env', async () => {
  const report = await seen({ env: { pass: ['npm_config_*', 'NEVER_SET'] } })
  expect(report.code).toBe(0)
  const vitests = expect.arrayContaining([
    'FROM_CONFIG',
    'NODE_ENV',
    'PATH',
    'TEST',
    'TMPDIR',
    'VITEST',
    'VITEST_WORKER_ID',
    'npm_config_x',
  ])
  for (const where of ['WORKER', 'META', 'CHILD']) {
    expect(line(report, where), where).toEqual(vitests)
    const rest = line(report, where).filter(
      (name) =>
        !/^(?:FROM_CONFIG|npm_config_\w+|VITEST\w*|TINYPOOL_WORKER_ID|TEST|NODE_ENV|PATH|TMPDIR|FORCE_TTY|NO_COLOR|MODE|DEV|PROD|SSR|BASE_URL)$/.test(
          name,
        ),
    )
    expect(rest, where).toEqual([])
  }
  expect(report.out).toContain('VALUES undefined of npm yes undefined')
  expect(report.out).not.toContain('hunter2')
})

test('a value in the list is a mistake, and not printed', async () => {
  const report = await seen({ env: { pass: ['SECRET_TOKEN=hunter2'] } })
  expect(report.code).toBe(1)
  expect(report.out).toContain(`  env.pass[0]
    expected: a name without a value, which \`test.env\` is for
    found:    'SECRET_TOKEN=…'
    write:    SECRET_TOKEN`)
  expect(report.out).not.toContain('hunter2')
})

test('an empty element of LD_LIBRARY_PATH means no directory where a test could put a library for the next worker', async () => {
  using at = project('e2e-env')
  at.write(
    'test/libraries/a.test.mjs',
    `import { writeFileSync } from 'node:fs'
     import { test } from 'vitest'
     test('plants', () => writeFileSync('libc.so.6', 'no library: a process that takes it ends'))`,
  )
  for (const name of ['b', 'c', 'd', 'e'])
    at.write(
      `test/libraries/${name}.test.mjs`,
      `import { expect, test } from 'vitest'
       test('has the variable', () => expect(process.env.LD_LIBRARY_PATH).toBe('/opt/none:'))`,
    )
  const options = JSON.stringify({ manifest: { write: ['libc.so.6'] } })
  const report = await run(at, ['test/libraries/', '--no-file-parallelism'], {
    env: { LD_LIBRARY_PATH: '/opt/none:', E2E_OPTIONS: options },
  })
  expect(
    report.json.testResults.map(({ status }) => status),
    report.out,
  ).toEqual(Array.from({ length: 5 }, () => 'passed'))
  expect(at.read('libc.so.6')).toContain('no library')
})

test('a worker does not run what the compile cache of its environment holds', async () => {
  using at = project('e2e-env')
  at.write(
    'test/cache.test.mjs',
    `import module from 'node:module'
     import { expect, test } from 'vitest'
     test('is not in use', () => {
       expect(process.env.NODE_COMPILE_CACHE).toMatch(/cache$/)
       // Since Node 22.1.
       expect(module.getCompileCacheDir?.()).toBeUndefined()
     })`,
  )
  const report = await run(at, ['test/cache.test.mjs'], { env: { NODE_COMPILE_CACHE: `${at.tmp}/cache` } })
  expect(report.code, report.out).toBe(0)
})
