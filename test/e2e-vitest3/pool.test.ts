/** What Vitest 3 leaves to its pools: environments by file, projects with options of their own, one process for several files. */
import './on-vitest3.js'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { outcomes } from '../e2e/json-report.js'
import { project, run, start, vitest } from '../e2e/run-vitest.js'
import { fixture } from '../harness/confined.js'

test('environments by docblock and glob, two projects with manifests of their own, one of them in a single process', async () => {
  using at = project('e2e-vitest3')
  const report = await run(at)
  expect(outcomes(report.json).filter((line) => !line.endsWith('passed'))).toEqual(
    ['a', 'b'].flatMap((name) => [
      `${name}.test.mjs > ${name} has the manifest of its project: failed`,
      `${name}.test.mjs: failed`,
    ]),
  )
  const single = [...report.out.matchAll(/SINGLE (\d+) (\d+)/g)].map(([, pid, id]) => `${pid} ${id}`)
  expect(single).toHaveLength(2)
  expect(new Set(single).size).toBe(1)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})

test('seccompPool() says what to write, and so does the entry for Vitest 3 under another version', async () => {
  using at = project('e2e-vitest3')
  at.write(
    'vitest.config.mjs',
    "import { seccompPool } from 'vitest-pool-seccomp'\nexport default { test: { pool: seccompPool({}) } }\n",
  )
  const { out, code } = await vitest(at, ['run'])
  expect(out).toContain('seccompPool() is for Vitest 4 and 5, and this is 3.')
  expect(out).toContain("test: { pool: 'vitest-pool-seccomp/vitest3', poolOptions: { seccomp: { manifest: { … } } } }")
  expect(code).toBe(1)
})

test('mistakes in the options of the pool are told at once', async () => {
  using at = project('e2e-vitest3')
  at.write(
    'vitest.config.mjs',
    at.read('vitest.config.mjs').replace('{ maxForks: 2 }', '{ maxForks: 0, manifest: { raed: [] } }'),
  )
  const { out, code } = await vitest(at, ['run'])
  expect(out).toMatch(/have 2 problems:\s+maxForks\s+expected: a whole number[^]*manifest\.raed/)
  expect(code).toBe(1)
})

test("where nothing can confine, onUnsupported: 'warn' runs the tests and says so", async () => {
  using at = project('e2e-vitest3')
  at.write(
    'vitest.config.mjs',
    "import { seccomp } from 'vitest-pool-seccomp'\nexport default { plugins: [seccomp({ onUnsupported: 'warn' })] }\n",
  )
  const register = pathToFileURL(fixture('not-linux/register.mjs')).href
  const { out, leftovers } = await vitest(at, ['run', 'test/dom.test.mjs', 'single/a'], {
    env: { NOT_LINUX: 'darwin', NODE_OPTIONS: `--import ${register}` },
  })
  expect(out).toContain('THESE TESTS ARE NOT CONFINED')
  expect(out).toMatch(/Tests +1 failed \| 2 passed \(3\)/)
  expect(leftovers.processes).toEqual([])
})

test('what the manifest file no longer grants is refused by workers, too, that were kept ready before', async () => {
  using at = project('e2e-watch')
  at.write('vitest.config.mjs', at.read('vitest.config.mjs').replace("{ read: ['data/'] }", "'./m.json'"))
  at.write('m.json', '{ "manifest": { "read": ["data/"] } }')
  using watching = start(at, ['--watch'])
  await watching.printed('Waiting for file changes')
  expect(watching.output()).toContain('VALUE first one')
  at.write('m.json', '{}')
  await watching.printed("read: ['data/one.txt']")
  watching.child.kill('SIGTERM')
  await watching.finished
})
