import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytePath } from '../../src/policy/request.js'
import { lookup, lookupTogether } from '../../src/project/lookup.js'

let dir = ''
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'lookup-')))
  mkdirSync(join(dir, 'real/inner'), { recursive: true })
  writeFileSync(join(dir, 'real/file'), '')
  symlinkSync('real', join(dir, 'link'))
  symlinkSync('real/file', join(dir, 'filelink'))
  symlinkSync('nowhere', join(dir, 'dangling'))
  symlinkSync('loop', join(dir, 'loop'))
  symlinkSync('link', join(dir, 'twice'))
  symlinkSync('real/inner/../../twice/./file', join(dir, 'around'))
})
afterAll(() => rmSync(dir, { recursive: true }))

test.each([
  ['real', { kind: 'dir', real: 'real' }],
  ['real/file', { kind: 'file', real: 'real/file' }],
  ['link', { kind: 'dir', real: 'real' }],
  ['link/file', { kind: 'file', real: 'real/file' }],
  ['filelink', { kind: 'file', real: 'real/file' }],
  ['missing', { kind: 'missing', real: 'missing' }],
  ['link/a/b', { kind: 'missing', real: 'real/a/b' }],
  ['real/file/below', { kind: 'missing', real: 'real/file/below' }],
])('%s', (path, expected) => {
  const { way, ...looked } = { way: undefined, ...lookup(bytePath(join(dir, path))) }
  expect(looked).toEqual({ ...expected, real: bytePath(join(dir, expected.real)) })
  expect(way === undefined).toBe(!path.includes('link'))
})

test.each([
  ['link', ['link'], []],
  ['link/a/b', ['link'], []],
  ['twice/file', ['twice', 'link'], []],
  ['around', ['around', 'twice', 'link'], ['real/inner', 'real']],
  ['dangling/below', ['dangling'], ['nowhere/below']],
])('what %s leads through', (path, links, left) => {
  const inside = (names: readonly string[]): readonly string[] => names.map((name) => bytePath(join(dir, name)))
  expect(lookup(bytePath(join(dir, path)))).toMatchObject({ way: { links: inside(links), left: inside(left) } })
})

test('what is neither file nor directory, what leads nowhere, and what cannot be looked up', () => {
  expect(lookup(bytePath('/dev/null'))).toEqual({ kind: 'other', real: '/dev/null' })
  expect(lookup(bytePath(join(dir, 'dangling')))).toEqual({ kind: 'dangling', target: 'nowhere' })
  expect(lookup(bytePath(join(dir, 'dangling/below')))).toMatchObject({
    kind: 'missing',
    real: join(dir, 'dangling/below'),
  })
  expect(lookup(bytePath(join(dir, 'loop')))).toEqual({ kind: 'unreadable', errno: 'ELOOP' })
  expect(lookup(bytePath(join(dir, 'x'.repeat(300))))).toEqual({ kind: 'unreadable', errno: 'ENAMETOOLONG' })
})

test('many paths together are looked up as each by itself, from what the first of a directory found', () => {
  const names = [
    'real',
    'real/file',
    'real/inner',
    'link',
    'link/file',
    'filelink',
    'twice/file',
    'around',
    'missing/a',
  ]
  const paths = [...names, 'dangling', 'dangling/below', 'loop', 'real/file/below'].map((name) => join(dir, name))
  const asked = [...paths, '/', '/dev/null', '/dev/.', `${dir}/real/..`, `${dir}/link/`].map(bytePath)
  const together = lookupTogether()
  for (const path of [...asked, ...asked]) expect(together(path), path).toEqual(lookup(path))
})
