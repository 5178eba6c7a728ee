/** Facts about a project's root, of directories that are made for it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { projectRoot } from '../../src/project/root.js'

let top = ''
beforeEach(() => (top = realpathSync(mkdtempSync(join(tmpdir(), 'root-')))))
afterEach(() => rmSync(top, { recursive: true, force: true }))

const filesOf = (root: string): readonly string[] | undefined => projectRoot(root, [], {}).base.packageFiles

test('package.json beside installed packages further up is a file of the project, and no other one above', () => {
  const root = join(top, 'middle/project')
  mkdirSync(root, { recursive: true })
  mkdirSync(join(top, 'node_modules'))
  for (const dir of [top, join(top, 'middle'), root]) writeFileSync(join(dir, 'package.json'), '{}')
  expect(filesOf(root)).toContain(join(root, 'package.json'))
  expect(filesOf(root)).toContain(join(top, 'package.json'))
  expect(filesOf(root)).not.toContain(join(top, 'middle/package.json'))
})

test('each directory up to the root of the disk is looked into for packages, whether or not there are any', () => {
  const root = join(top, 'project')
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  const { lookedFor } = projectRoot(root, [], {})
  for (const dir of [root, top, '/'])
    for (const name of ['node_modules', 'package.json']) expect(lookedFor).toContain(join(dir, name))
})
