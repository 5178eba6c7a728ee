import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { subProjects } from '../../src/project/sub-projects.js'

let root = ''
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sub-projects-')))
  for (const name of [
    'vitest.config.ts',
    'packages/one/vite.config.mts',
    'packages/two/vitest.config.js',
    'packages/two/inner/vite.config.cjs',
    'packages/three/index.ts',
    'node_modules/dep/vite.config.js',
    '.hidden/vite.config.js',
    'a/b/c/d/e/vite.config.js',
  ]) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), '')
  }
})
afterAll(() => rmSync(root, { recursive: true }))

test('directories with a config of their own, but for the root, what is hidden, installed or far down', () => {
  const found = subProjects(root).map((dir) => dir.slice(root.length + 1))
  expect(found.toSorted()).toEqual(['packages/one', 'packages/two', 'packages/two/inner'])
})

test('none where there is no such directory', () => {
  expect(subProjects(join(root, 'none'))).toEqual([])
})
