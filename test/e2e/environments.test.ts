/** Coverage, DOM environments. */
import { expect, test } from 'vitest'
import { fileOf } from './json-report.js'
import { project, run, vitestMajor } from './run-vitest.js'

test('v8 coverage has the numbers of the stock pool', async () => {
  using at = project('e2e-coverage')
  const measure = async (env: Readonly<Record<string, string>>): Promise<unknown> => {
    const report = await run(at, ['--coverage'], { env })
    expect(report).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })
    return JSON.parse(at.read('coverage/coverage-summary.json'))
  }
  const ours = await measure({})
  expect(ours).toMatchObject({
    total: { statements: { total: vitestMajor === 3 ? 9 : 8, covered: expect.any(Number) } },
  })
  expect(ours).toEqual(await measure({ E2E_STOCK: 'yes' }))
})

test('jsdom and happy-dom load without a violation', async () => {
  using at = project('e2e-dom')
  const report = await run(at)
  expect(report).toMatchObject({ code: 0, json: { success: true }, leftovers: { processes: [], tmp: [] } })
  expect(report.json.testResults).toHaveLength(2)
})

/** In pieces, or Vitest would take it for this file's own. */
const DOCBLOCK = ['@vitest', 'environment'].join('-')

/** A package of the project's own, which reads a file when it is set up. */
function withEnvironment(at: ReturnType<typeof project>, options: string): void {
  at.write(
    'node_modules/vitest-environment-own/package.json',
    '{"name":"vitest-environment-own","type":"module","exports":"./index.js"}',
  )
  at.write(
    'node_modules/vitest-environment-own/index.js',
    `import { readFileSync } from 'node:fs'
export default {
  name: 'own',
  viteEnvironment: 'ssr',
  transformMode: 'ssr',
  setup() {
    globalThis.fromEnvironment = readFileSync('settings.txt', 'utf8')
    return { teardown() {} }
  },
}
`,
  )
  at.write('settings.txt', 'here')
  at.write(
    'test/own.test.mjs',
    `// ${DOCBLOCK} own
import { expect, test } from 'vitest'
test('was set up', () => expect(globalThis.fromEnvironment).toBe('here'))
`,
  )
  at.write(
    'vitest.config.mjs',
    `import { seccomp } from 'vitest-pool-seccomp'
export default { plugins: [seccomp(${options})], test: { include: ['test/own.test.mjs'] } }
`,
  )
}

test.skipIf(vitestMajor === 3)('an environment of its own has what its test files are granted', async () => {
  using at = project('e2e-dom')
  withEnvironment(at, "{ files: { 'test/own.test.mjs': { read: ['settings.txt'] } } }")
  const report = await run(at)
  expect(report.out).toContain('1 passed')
  expect(report.code).toBe(0)
})

test('where it is not, the file fails with the line to add, in every report', async () => {
  using at = project('e2e-dom')
  withEnvironment(at, '{}')
  const report = await run(at)
  expect(report.out).toContain(`  refused: open ${at.root}/settings.txt for reading
  because: no entry covers it
  to allow it, add to the manifest: read: ['settings.txt']`)
  expect(report.out).toContain("    manifest: { read: ['settings.txt'] },")
  expect(report.out).not.toContain('Unhandled')
  expect(fileOf(report.json, 'own.test.mjs')).toMatchObject({ status: 'failed' })
  expect(fileOf(report.json, 'own.test.mjs').message).toContain("read: ['settings.txt']")
  expect(report.code).toBe(1)
})
