/** Settings that rolldown reads by itself, and that a test may have put there. */
import { execFileSync } from 'node:child_process'
import { symlinkSync, utimesSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PlantedSettings } from '../../../src/vitest/gate/planted.js'
import { scratch, worker, type Scratch } from './stand-in.js'

function planted(at: Scratch): PlantedSettings {
  const { project, writes } = worker(at.at('project'), { write: ['out/'] })
  return new PlantedSettings(project, writes)
}

test('a package.json of a test is no link to elsewhere, and no FIFO, for whatever name it would be read', () => {
  using at = scratch()
  const secret = at.write('secret.json')
  at.write('project/src/a.js')
  at.write('project/out/fine/package.json')
  at.write('project/own/package.json')
  symlinkSync(
    at.at('project/out/fine/package.json'),
    at.write('project/out/inside/.keep').replace('.keep', 'package.json'),
  )
  symlinkSync(secret, at.write('project/out/linked/.keep').replace('.keep', 'package.json'))
  symlinkSync(secret, at.write('project/out/node_modules/x/.keep').replace('.keep', 'package.json'))
  at.write('project/out/pipe/.keep')
  execFileSync('mkfifo', [at.at('project/out/pipe/package.json')])
  symlinkSync(at.at('elsewhere'), at.at('project/out/dir'))
  at.write('elsewhere/package.json')
  const settings = planted(at)
  const refused = (id: string, importer?: string): boolean => {
    try {
      settings.checkResolving(id, importer)
      return false
    } catch (error) {
      expect(String(error)).toMatch(/tests may write .*package\.json/)
      return true
    }
  }
  const out = at.at('project/out')
  for (const id of [
    `${out}/linked/a.js`,
    `${out}/linked/deeper/a.js?raw`,
    `/@fs/${out}/linked/a.js`,
    '/out/linked/a.js',
    `${out}/pipe`,
  ])
    expect(refused(id), id).toBe(true)
  expect(refused('./linked/a.js', `${out}/a.js`)).toBe(true)
  expect(refused('#x', `${out}/linked/a.js`)).toBe(true)
  expect(refused('x', `${out}/a.js`)).toBe(true)
  expect(refused(`${out}/dir/a.js`)).toBe(true)
  for (const id of [
    `${out}/fine/a.js`,
    `${out}/inside/a.js`,
    `${out}/none/a.js`,
    at.at('project/own/a.js'),
    'vitest',
    './a.js',
  ])
    expect(refused(id, at.at('project/src/a.js')), id).toBe(false)
})

test('a tsconfig.json that a test wrote compiles nothing, that of the user does, and only TypeScript asks', () => {
  using at = scratch()
  at.write('project/out/old/tsconfig.json')
  utimesSync(at.at('project/out/old/tsconfig.json'), 1, 1)
  at.write('project/out/new/tsconfig.json')
  at.write('project/own/tsconfig.json')
  symlinkSync(at.write('secret.json'), at.write('project/out/linked/.keep').replace('.keep', 'tsconfig.json'))
  const { project, writes } = worker(at.at('project'), { write: ['out/'] })
  writes.isChanged = () => false
  const settings = new PlantedSettings(project, writes)
  const compile = (path: string) => () => settings.checkCompiling(at.at(path))
  expect(compile('project/out/old/deeper/a.ts')).not.toThrow()
  expect(compile('project/own/a.ts')).not.toThrow()
  expect(compile('project/out/linked/a.ts')).toThrow(/tests may write .*tsconfig\.json/)
  writes.isChanged = () => true
  for (const path of ['a.ts', 'deeper/a.tsx', 'a.mts?x'])
    expect(compile(`project/out/new/${path}`), path).toThrow(/tests may write .*tsconfig\.json/)
  expect(compile('project/out/new/a.js')).not.toThrow()
  expect(compile('project/own/a.ts')).not.toThrow()
})
