import { describe, expect, test } from 'vitest'
import { ManifestError } from '../../src/errors.js'
import { bindManifest, bindOptions, hostNamesOf } from '../../src/policy/bind.js'
import type { BindContext, Looked } from '../../src/policy/bind.js'
import type { Manifest } from '../../src/policy/manifest.js'
import { anchorsOf, compilePolicy, wouldRedirectExclusion, wouldRedirectGrant } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'

const disk: { readonly [path: string]: Looked } = {
  '/app': { kind: 'dir', real: rawPath('/app') },
  '/app/src': { kind: 'dir', real: rawPath('/app/src') },
  '/app/package.json': { kind: 'file', real: rawPath('/app/package.json') },
  '/app/link': { kind: 'dir', real: rawPath('/data/[v1]') },
  '/app/conf/x': {
    kind: 'file',
    real: rawPath('/app/v1/x'),
    way: { links: [rawPath('/app/conf'), rawPath('/app/now')], left: [rawPath('/app/old')] },
  },
  '/app/broken': { kind: 'dangling', target: '/gone' },
  '/app/locked/x': { kind: 'unreadable', errno: 'EACCES' },
  '/app/run.sh': { kind: 'file', real: rawPath('/app/run.sh') },
  '/usr/bin/git': { kind: 'file', real: rawPath('/usr/bin/git') },
  '/usr/bin/awk': { kind: 'file', real: rawPath('/usr/bin/mawk') },
  '/run/db.sock': { kind: 'other', real: rawPath('/run/db.sock') },
}

const context: BindContext = {
  root: '/app',
  workspace: '/work',
  home: '/home/u',
  searchPath: ['bin', '/usr/local/bin', '/usr/bin'],
  lookup: (path) => disk[path] ?? { kind: 'missing', real: path },
}

const bind = (manifest: Manifest, more: Partial<BindContext> = {}) =>
  bindManifest(parseOptions({ manifest }).manifest, { ...context, ...more })

describe('an entry becomes a rule', () => {
  test.each<[string, object]>([
    ['src/', { effect: 'grant', access: 'read', shape: 'tree', root: '/app/src', aliases: [] }],
    ['package.json', { shape: 'file', root: '/app/package.json' }],
    ['made-later.txt', { shape: 'file', root: '/app/made-later.txt' }],
    ['../other/', { shape: 'tree', root: '/other' }],
    ['../../../../x', { root: '/x' }],
    ['./', { shape: 'tree', root: '/app' }],
    ['/', { shape: 'tree', root: '/' }],
    ['<workspace>/a/', { root: '/work/a' }],
    ['<home>/é', { root: '/home/u/\xc3\xa9' }],
    ['src/**/*.ts', { shape: 'glob', root: '/app/src', pattern: '/app/src/**/*.ts' }],
    ['/*.ts', { shape: 'glob', root: '/', pattern: '/*.ts' }],
    ['link/', { root: '/data/[v1]', aliases: ['/app/link'] }],
    ['link/*.ts', { root: '/data/[v1]', pattern: '/data/[v1]/*.ts', aliases: ['/app/link'] }],
    ['conf/x', { root: '/app/v1/x', aliases: ['/app/conf/x', '/app/conf', '/app/now', '/app/old'] }],
    ['/proc/self/status', { root: '/proc/self/status' }],
  ])('%s', (entry, rule) => {
    const { lists, problems } = bind({ read: [entry] })
    expect(problems).toEqual([])
    expect(lists).toMatchObject([[{ ...rule, source: entry, at: 'manifest.read[0]' }]])
  })

  test.each<[string, object]>([
    ['/', { access: 'list', shape: 'file', root: '/' }],
    ['<home>/', { shape: 'file', root: '/home/u' }],
    ['link/', { shape: 'file', root: '/data/[v1]', aliases: ['/app/link'] }],
    ['src/*/', { shape: 'glob', root: '/app/src', pattern: '/app/src/*' }],
    ['src/**', { shape: 'glob', root: '/app/src', pattern: '/app/src/**' }],
    ['!src/', { effect: 'exclude', shape: 'tree', root: '/app/src' }],
    ['!src/a', { effect: 'exclude', shape: 'file', root: '/app/src/a' }],
  ])('of list, %s is the directory and nothing in it', (entry, rule) => {
    const { lists, problems } = bind({ list: [entry] })
    expect(problems).toEqual([])
    expect(lists).toMatchObject([[{ ...rule, source: entry, at: 'manifest.list[0]' }]])
  })

  test('of list, what is no directory is refused', () => {
    expect(() => parseOptions({ manifest: { list: ['src'] } })).toThrow('write:    src/')
    expect(bind({ list: ['package.json/'] }).problems).toEqual([
      {
        at: 'manifest.list[0]',
        expected: 'no slash after a file',
        found: "'package.json/' (/app/package.json), not a directory",
        suggestion: 'package.json',
      },
    ])
  })

  test('an excluded link stays excluded under both names', () => {
    expect(bind({ write: ['./', '!link/'] }).lists[0]).toMatchObject([
      { effect: 'grant' },
      { effect: 'exclude', root: '/data/[v1]' },
      { effect: 'exclude', root: '/app/link' },
    ])
  })

  test('each link on the way of an exclusion is excluded, and what it passes is nothing to put a link into', () => {
    const { lists, sockets } = bind({ write: ['./', '!conf/x'] })
    expect(lists[0]?.filter(({ effect }) => effect === 'exclude').map(({ root }) => root)).toEqual([
      '/app/v1/x',
      '/app/conf/x',
      '/app/conf',
      '/app/now',
    ])
    expect(anchorsOf({ lists, sockets })).toContain('/app/old')
    const policy = compilePolicy({ lists, sockets, mode: 'enforce' })
    const strays = (takes: 'entry' | 'tree') =>
      ['/app/now', '/app', '/app/v1/x', '/app/old'].filter((path) =>
        wouldRedirectExclusion(policy, rawPath(path), takes),
      )
    expect([strays('entry'), strays('tree')]).toEqual([['/app/now'], ['/app/now', '/app']])
  })

  test('a program is found along PATH', () => {
    const { lists } = bind({ exec: ['git', 'awk', './run.sh'] })
    expect(lists[0]?.filter(({ access }) => access === 'execute')).toMatchObject([
      { shape: 'file', root: '/usr/bin/git', aliases: [] },
      { root: '/usr/bin/mawk', aliases: ['/usr/bin/awk'] },
      { root: '/app/run.sh' },
    ])
  })

  test('no link takes the place of a program: where it is looked for on the way, or where it is nowhere', () => {
    const policy = compilePolicy({ mode: 'enforce', lists: bind({ exec: ['git', 'gti'] }).lists, sockets: [] })
    const redirects = (path: string): boolean => wouldRedirectGrant(policy, rawPath(path), 'link')
    for (const path of ['/usr/local/bin/git', '/usr/local/bin/gti', '/usr/bin/gti']) expect(redirects(path)).toBe(true)
    expect(redirects('/usr/local/bin/other')).toBe(false)
  })

  test('a program that is not there is one warning, and grants nothing', () => {
    const { lists, warnings, problems } = bind({ exec: ['gti', 'git'] })
    expect(lists.flat().flatMap(({ access, root }) => (access === 'look' ? [] : [root]))).toEqual(['/usr/bin/git'])
    expect(warnings).toEqual(["manifest.exec[0]: no program 'gti' along PATH"])
    expect(problems).toEqual([])
  })

  test('/proc/self is not looked up, because here it would be another process', () => {
    const elsewhere: Partial<BindContext> = { lookup: (path) => ({ kind: 'dir', real: rawPath(`/7${path}`) }) }
    const { lists } = bind({ read: ['/proc/self/task/'] }, elsewhere)
    expect(lists[0]?.[0]?.root).toBe('/proc/self/task')
  })
})

test('every problem of every manifest is in one error', () => {
  const options = parseOptions({
    manifest: {
      read: ['src', 'package.json/', 'broken', 'locked/x', '<tmp>/', 'package.json/*'],
      exec: ['gti', 'run.sh'],
      connect: ['unix:src', 'unix:/run/db.sock'],
    },
    files: { 'a/**': { write: ['<file>/out/'] } },
  })
  const aProgram = 'a program that is found along PATH, or a path with a slash in it'
  const error = new ManifestError([
    {
      at: 'manifest.read[0]',
      expected: 'a slash after a directory',
      found: "'src' (/app/src), a directory",
      suggestion: 'src/',
    },
    {
      at: 'manifest.read[1]',
      expected: 'no slash after a file',
      found: "'package.json/' (/app/package.json), not a directory",
      suggestion: 'package.json',
    },
    {
      at: 'manifest.read[2]',
      expected: 'a path that leads somewhere',
      found: "'broken' (/app/broken), a symbolic link to '/gone', which does not exist",
    },
    { at: 'manifest.read[3]', expected: 'a path that can be looked up', found: "'locked/x' (/app/locked/x): EACCES" },
    { at: 'manifest.read[4]', expected: '<tmp> only where there is a worker', found: "'<tmp>/'" },
    {
      at: 'manifest.read[5]',
      expected: 'a directory before the glob',
      found: "'package.json/*' (/app/package.json), not a directory",
    },
    { at: 'manifest.exec[1]', expected: aProgram, found: "'run.sh'", suggestion: './run.sh' },
    { at: 'manifest.connect[0]', expected: 'the path of a socket', found: "'src' (/app/src), a directory" },
    { at: 'files["a/**"].write[0]', expected: '<file> only where there is a test file', found: "'<file>/out/'" },
  ])
  expect(() => bindOptions(options, context)).toThrow(error)
})

test('a test file gets the manifest and the files that match it, each list on its own', () => {
  const options = parseOptions({
    manifest: { read: ['src/'] },
    files: { 'a/**': { write: ['<file>/out/'] }, 'b/**': { read: ['b/'] } },
  })
  const { lists } = bindOptions(options, { ...context, file: '/app/a/sub' }, 'a/sub/x.test.ts')
  expect(lists).toMatchObject([[{ root: '/app/src' }], [{ root: '/app/a/sub/out', at: 'files["a/**"].write[0]' }]])
})

test('what a caller has to find out first', () => {
  const options = parseOptions({
    manifest: { connect: ['tcp:db.local:1', 'tcp:DB.local:2', 'tcp:localhost:3'] },
    files: { a: { listen: ['unix:<tmp>/x'] } },
  })
  expect(hostNamesOf(options)).toEqual(['db.local'])
})
