/** Vitest and this package linked into a project, as by `npm link`: their files, and those of what they depend on, lie elsewhere. */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repository } from '../harness/confined.js'
import { outcomes } from './json-report.js'
import { project, run } from './run-vitest.js'

const LINKED = ['vitest', 'vitest-pool-seccomp', 'jsdom']

test('linked from elsewhere, Vitest and this package run, and nothing else that lies there may be read', async () => {
  using at = project('e2e-linked')
  rmSync(join(at.root, '..', 'node_modules'))
  mkdirSync(join(at.root, 'node_modules'))
  for (const name of LINKED)
    symlinkSync(
      join(repository, name === 'vitest-pool-seccomp' ? '.' : `node_modules/${name}`),
      join(at.root, 'node_modules', name),
    )
  const report = await run(at, [], { env: { E2E_OTHERS: join(repository, 'node_modules') } })
  expect(outcomes(report.json), report.out).toEqual([
    'dom.test.mjs > in a document: passed',
    'dom.test.mjs: passed',
    'node.test.mjs > loads late what Vitest depends on: passed',
    'node.test.mjs > may not read what only lies beside it: passed',
    'node.test.mjs: passed',
  ])
  expect(report).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })
})
