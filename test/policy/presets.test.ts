/** Manifests by name. */
import { expect, test } from 'vitest'
import { ManifestError } from '../../src/errors.js'
import { bindManifest, writtenEntries } from '../../src/policy/bind.js'
import { dangerOfEntry } from '../../src/policy/dangers.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { presets } from '../../src/policy/presets.js'
import { bytePath, rawPath } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'

const places = { root: '/p', workspace: '/p', home: '/home/u' }
const context = {
  ...places,
  searchPath: ['/usr/bin'],
  lookup: (path: string) => ({ kind: path.startsWith('/usr/bin/') ? 'file' : 'missing', real: rawPath(path) }) as const,
}
const parsed = (use: unknown) => parseOptions({ manifest: { read: ['own'], use } })

test('each can be read and bound, and its entries are told by its name', () => {
  const names = Object.keys(presets).map((name) => (name === 'sqlite' ? 'sqlite:data/a.db' : name))
  const options = parsed(names)
  const bound = bindManifest(options.manifest, context)
  expect(bound.problems).toEqual([])
  const places = bound.lists.flat().map(({ at }) => at)
  expect(places[0]).toBe('manifest.read[0]')
  expect(new Set(places.slice(1).map((at) => at.replace(/\[\d+\]$/, '')))).toEqual(new Set(['manifest.use']))
  expect(writtenEntries(options).map(({ list, source, at }) => [list, source, at])).toEqual([
    ['read', 'own', 'manifest.read[0]'],
    ...names.map((name, index) => ['use', name, `manifest.use[${index}]`]),
  ])
})

test('a database, with what SQLite keeps beside it', () => {
  const bound = bindManifest(parsed(['sqlite:data/a.db']).manifest, context)
  const policy = compilePolicy({ ...bound, mode: 'enforce' })
  const may = (path: string) => decide(policy, { kind: 'path', access: 'write', path: bytePath(path) }).allowed
  expect(['a.db', 'a.db-journal', 'a.db-wal', 'a.db-shm', 'b.db'].map((name) => may(`/p/data/${name}`))).toEqual([
    true,
    true,
    true,
    true,
    false,
  ])
})

test('what cannot be read', () => {
  const problems = (use: unknown): unknown => {
    try {
      return parsed(use)
    } catch (error) {
      return error instanceof ManifestError ? error.problems : error
    }
  }
  expect(problems(['gti', 'git:x', 'sqlite', 'sqlite:~/x', 'sqlite:src/', 'sqlite:**'])).toEqual([
    {
      at: 'manifest.use[0]',
      expected: "'git', 'npm', 'fontconfig', 'sqlite', 'postgres', 'docker' or 'playwright'",
      found: "'gti'",
      suggestion: 'git',
    },
    { at: 'manifest.use[1]', expected: 'git alone', found: "'git:x'", suggestion: 'git' },
    { at: 'manifest.use[2]', expected: 'sqlite:<file>', found: "'sqlite'" },
    {
      at: 'manifest.use[3]',
      expected: '<home> instead of ~, which only a shell understands',
      found: "'sqlite:~/x'",
    },
    { at: 'manifest.use[4]', expected: 'sqlite:<file>', found: "'sqlite:src/'" },
    { at: 'manifest.use[5]', expected: 'sqlite:<file>', found: "'sqlite:**'" },
  ])
})

test('only docker is dangerous', () => {
  const dangerous = Object.keys(presets).filter((name) => dangerOfEntry('use', name, places) !== undefined)
  expect(dangerous).toEqual(['docker'])
})
