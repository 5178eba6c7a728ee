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

test('what a package.json names is followed, and a link to elsewhere is found there', () => {
  using at = scratch()
  const secret = at.write('secret.json')
  const link = (path: string): void => symlinkSync(secret, at.write(`${path}/.keep`).replace('.keep', 'package.json'))
  const write = (path: string, fields: object): string => at.write(`project/${path}`, JSON.stringify(fields))
  write('own/package.json', { imports: { '#mine': './more' } })
  write('own/more/package.json', { main: '../../out/linked/a.js' })
  for (const dir of ['linked', 'a/node_modules/pk', 'b/sub', 'c/sub/dir']) link(`project/out/${dir}`)
  write('out/a/package.json', { imports: { '#x': 'pk' } })
  write('out/b/package.json', { exports: { '.': { import: './sub/m.js' } } })
  write('out/c/package.json', { exports: { './*/m': './sub/*/m.js' } })
  write('out/twice/package.json', {})
  at.write('project/out/twice/package.json', '{"main":"../linked/a.js","main":"./a.js"}')
  write('out/stray/package.json', { main: '../../../elsewhere' })
  write('out/fine/package.json', { name: 'linked', exports: { '.': './sub/m.js', './*': './*' }, files: ['sub'] })
  const settings = planted(at)
  const out = at.at('project/out')
  const resolving = (id: string, importer: string) => () => settings.checkResolving(id, importer)
  for (const [id, importer] of [
    ['#x', `${out}/a/m.js`],
    ['./m.js', `${out}/b/m.js`],
    ['c/dir/m', `${out}/c/m.js`],
    ['./m.js', `${out}/twice/m.js`],
    ['./m.js', `${out}/stray/m.js`],
    ['#mine', at.at('project/own/a.js')],
  ] as const)
    expect(resolving(id, importer), `${id} ${importer}`).toThrow(/tests may write .*package\.json/)
  // A link to a module is judged with its import, unless settings lie there.
  symlinkSync(secret, `${out}/module.js`)
  expect(resolving(`${out}/module.js`, `${out}/m.js`)).not.toThrow()
  symlinkSync(at.write('elsewhere/module.js'), `${out}/other.js`)
  at.write('elsewhere/package.json')
  expect(resolving(`${out}/other.js`, `${out}/m.js`)).toThrow(/tests may write/)
  expect(resolving('c/other/m', `${out}/c/m.js`)).not.toThrow()
  expect(resolving('linked/x', `${out}/fine/m.js`)).not.toThrow()
  expect(resolving('x', at.at('elsewhere/m.js'))).not.toThrow()
})

test('what a tsconfig.json extends or refers to is followed, from the user’s own as well, for all that compilers take', () => {
  using at = scratch()
  const write = (path: string, text: string): string => at.write(`project/${path}`, text)
  const { project, writes } = worker(at.at('project'), { write: ['out/'] })
  writes.isChanged = ({ real }) => real.includes('new')
  const settings = new PlantedSettings(project, writes)
  const compile = (path: string) => () => settings.checkCompiling(at.at(`project/${path}`))
  write('out/new.json', '{}')
  write('out/old.json', '{ "extends": ["../base"] }')
  write('out/stray.json', '{ "extends": "../../outside.json" }')
  write('base.json', '{ "extends": "../shared.json" }')
  at.write('shared.json', '{}')
  symlinkSync(at.write('outside.json'), write('out/referred/.keep', '').replace('.keep', 'tsconfig.json'))
  write('fine/tsconfig.json', '{ /* " */ "extends": ["../base", "../out/old"], "outDir": "../out/new.json", }')
  const spoilt = {
    a: '{ "extends": "../out/new.json" }',
    b: '# "\n{ // "\n "\\u0065xtends": ["../base", "../out/stray"], }',
    c: '{ "references": [{ "path": "../out/referred" }] }',
    d: '{ "extends": "../e/tsconfig.json" }',
    e: '{ "extends": "../out/new" }',
  }
  for (const [dir, text] of Object.entries(spoilt)) write(`${dir}/tsconfig.json`, text)
  for (const dir of Object.keys(spoilt))
    for (const file of ['m.ts', 'deeper/m.jsx', 'm.vue?vue&type=script&lang.ts', 'm.txt?m.tsx'])
      expect(compile(`${dir}/${file}`), `${dir}/${file}`).toThrow(/tests may write .*\.json/)
  expect(compile('fine/m.ts')).not.toThrow()
  expect(compile('c/m.css')).not.toThrow()
  // Read again once the user has changed it.
  write('fine/tsconfig.json', '{ "extends": "../out/new.json" }')
  expect(compile('fine/m.ts')).toThrow(/tests may write/)
  write('out/tsconfig.json', '{ "extends": "../../outside.json" }')
  expect(compile('out/m.js')).toThrow(/tests may write/)
})
