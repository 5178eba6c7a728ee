/** Facts about a project's root, of directories that are made for it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findWorkspace, projectRoot } from '../../src/project/root.js'

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

test('a link in place of node_modules or package.json leads to packages, or to a file of that name, or grants nothing', () => {
  const [root, home, installed] = [join(top, 'project'), join(top, 'home'), join(top, 'deps')]
  for (const dir of [root, home, installed, join(top, 'other/node_modules')]) mkdirSync(dir, { recursive: true })
  writeFileSync(join(home, '.npmrc'), '')
  writeFileSync(join(installed, '.package-lock.json'), '{}')
  writeFileSync(join(top, 'other/package.json'), '{}')
  const found = (modules: string, file: string): unknown => {
    for (const name of ['node_modules', 'package.json']) rmSync(join(root, name), { force: true })
    symlinkSync(modules, join(root, 'node_modules'))
    symlinkSync(file, join(root, 'package.json'))
    const { nodeModules, base } = projectRoot(root, [], {})
    return [nodeModules.includes(join(root, 'node_modules')), base.packageFiles?.includes(join(root, 'package.json'))]
  }
  expect(found(home, join(home, '.npmrc'))).toEqual([false, false])
  expect(found(installed, join(top, 'other/package.json'))).toEqual([true, true])
  expect(found(join(top, 'other/node_modules'), join(top, 'nothing'))).toEqual([true, true])
})

test('a home directory above is no workspace, unless it is a checkout', () => {
  const home = join(top, 'home')
  const root = join(home, 'work/project')
  mkdirSync(root, { recursive: true })
  vi.stubEnv('HOME', home)
  writeFileSync(join(home, 'pnpm-workspace.yaml'), '')
  expect(findWorkspace(root)).toBe(root)
  expect(findWorkspace(home)).toBe(home)
  writeFileSync(join(top, 'package.json'), '{ "workspaces": ["*"] }')
  expect(findWorkspace(root)).toBe(root)
  mkdirSync(join(home, '.git'))
  expect(findWorkspace(root)).toBe(home)
  vi.stubEnv('HOME', join(top, 'elsewhere'))
  rmSync(join(home, '.git'), { recursive: true })
  expect(findWorkspace(root)).toBe(home)
  vi.unstubAllEnvs()
})
