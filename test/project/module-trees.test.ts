import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Looked } from '../../src/policy/bind-paths.js'
import { rawPath } from '../../src/policy/request.js'
import {
  isDeniedIn,
  moduleTreesOf,
  packagesOfRun,
  startTreesOf,
  type ModuleFacts,
} from '../../src/project/module-trees.js'
import { rule } from '../contracts/rules.js'

const there = new Map<string, Looked>([
  ['/app/node_modules', { kind: 'dir', real: rawPath('/app/node_modules') }],
  [
    '/linked/node_modules',
    {
      kind: 'dir',
      real: rawPath('/store/node_modules'),
      way: { links: [rawPath('/linked/node_modules')], left: [] },
    },
  ],
])

function trees(facts: Partial<ModuleFacts>) {
  return moduleTreesOf({
    dirs: ['/app/node_modules'],
    lookup: (path) => there.get(path) ?? { kind: 'missing', real: path },
    lists: [],
    testDirs: [],
    ...facts,
  })
}

describe('the trees of a run', () => {
  test('are where the directories really lie, with the links that lead there; what is not there is left out', () => {
    expect(trees({ dirs: ['/app/node_modules', '/linked/node_modules', '/none/node_modules'] })).toEqual({
      roots: ['/app/node_modules', '/store/node_modules'],
      aliases: ['/linked/node_modules'],
      without: [],
    })
  })

  test.each([
    ['a tree in it', 'write +/app/node_modules/own/', ['/app/node_modules/own']],
    ['a file in it', 'write +/app/node_modules/own/state.json', ['/app/node_modules/own/state.json']],
    ['the content of a file', 'content +/app/node_modules/own/log', ['/app/node_modules/own/log']],
    ['all of it', 'write +/app/node_modules/', ['/app/node_modules']],
    ['what is above it', 'write +/app/', ['/app']],
    ['the root of everything', 'write +/', ['/']],
    ['another place', 'write +/app/test/', []],
    ['a place whose name begins alike', 'write +/app/node_modules2/', []],
  ])('leave out what a worker may write: %s', (_, text, without) => {
    expect(trees({ lists: [[rule(text)]] }).without).toEqual(without)
  })

  test('leave out what a link to them leads through, where a worker may write that', () => {
    const { without } = trees({ dirs: ['/linked/node_modules'], lists: [[rule('write +/linked/')]] })
    expect(without).toEqual(['/linked'])
  })

  test('leave out what is excluded', () => {
    const { without } = trees({ lists: [[rule('read +/app/'), rule('read !/app/node_modules/x/')]] })
    expect(without).toEqual(['/app/node_modules/x'])
  })

  test('leave out where a glob that grants writing starts, and where one that excludes does, below node_modules', () => {
    const glob = { shape: 'glob' as const, pattern: '/app/**/*.snap', source: '**/*.snap', root: rawPath('/app') }
    const below = { ...glob, root: rawPath('/app/node_modules'), pattern: '/app/node_modules/*/x' }
    expect(trees({ lists: [[{ ...rule('write +/app/'), ...glob }]] }).without).toEqual(['/app'])
    expect(trees({ lists: [[{ ...rule('read !/app/'), ...glob }]] }).without).toEqual([])
    expect(trees({ lists: [[{ ...rule('read !/app/'), ...below }]] }).without).toEqual(['/app/node_modules'])
  })

  test('leave out what an entry of `deny` refuses, wherever it starts, by any name that may be the same', () => {
    const glob = { shape: 'glob' as const, pattern: '/**/*.pem', source: '**/*.pem', root: rawPath('/') }
    const denied = [
      rule('read !/app/node_modules/kept'),
      rule('read !/app/src/kept'),
      { ...rule('read !/app/'), ...glob },
      { ...rule('read !/app/'), ...glob, pattern: '/app/dist/*', root: rawPath('/app') },
    ]
    const found = trees({ denied })
    expect(found.denied).toEqual([{ root: '/app/node_modules/kept' }, { root: '/', pattern: '/**/*.pem' }])
    const isDenied = isDeniedIn(found)
    for (const name of ['kept', 'kept/a.js', 'KEPT/a.js', 'x/key.pem', 'key.pem/x'])
      expect(isDenied(`/app/node_modules/${name}`), name).toBe(true)
    for (const name of ['kept2', 'x/kept', 'x/pem']) expect(isDenied(`/app/node_modules/${name}`), name).toBe(false)
    expect(isDeniedIn(trees({}))('/app/node_modules/kept')).toBe(false)
  })

  test.each([
    ['*.tmp', []],
    ['node_module?/', ['/app']],
    ['*/x', ['/app']],
    ['dist/*', []],
    ['{dist,node_modules}/**', ['/app']],
  ])('a glob that grants writing counts where it reaches them: %s', (rest, without) => {
    const glob = { shape: 'glob' as const, pattern: `/app/${rest}`, source: rest, root: rawPath('/app') }
    expect(trees({ lists: [[{ ...rule('write +/app/'), ...glob }]] }).without).toEqual(without)
  })

  test('hold what is protected from being changed, which may be read all the same', () => {
    const exclusion = { ...rule('write !/app/node_modules/'), isProtected: true as const }
    expect(trees({ lists: [[rule('write +/app/test/'), exclusion]] }).without).toEqual([])
  })

  test('are whole where a worker may write its own new directory', () => {
    const tmp = { ...rule('write +/'), source: '<tmp>/' }
    expect(trees({ lists: [[tmp]] }).without).toEqual([])
  })

  test('leave out the directories of test files, beside which snapshots are written', () => {
    expect(trees({ testDirs: ['/app/test', '/app/node_modules/pkg/test'] }).without).toEqual([
      '/app/node_modules/pkg/test',
    ])
  })

  test('what reading allows changes nothing', () => {
    expect(
      trees({ lists: [[rule('read +/app/node_modules/x/'), rule('execute +/app/node_modules/.bin/x')]] }).without,
    ).toEqual([])
  })
})

describe('the packages that Vitest loads while it starts', () => {
  let root = ''
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'trees-')))
    writeFileSync(join(root, 'package.json'), '{}')
    install('vitest', { dependencies: { '@scope/part': '*' }, peerDependencies: { jsdom: '*' } })
    install('@scope/part', { optionalDependencies: { native: '*' } })
    for (const name of ['native', 'jsdom', 'other']) install(name)
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  function install(name: string, manifest: object = {}): void {
    mkdirSync(join(root, 'node_modules', name, 'dist'), { recursive: true })
    writeFileSync(join(root, 'node_modules', name, 'package.json'), JSON.stringify(manifest))
  }

  function startTrees(lists: ModuleFacts['lists'] = []) {
    const packages = packagesOfRun([join(root, 'node_modules/vitest/dist')])
    const found = startTreesOf({ packages, root, lists })
    const within = (paths: readonly string[] = []): string[] =>
      paths.filter((path) => path.startsWith(`${root}/`)).map((path) => path.slice(root.length + 1))
    return {
      roots: within(found.roots).toSorted(),
      tops: within(found.tops).toSorted(),
      without: within(found.without),
    }
  }

  test('are what it depends on, and of what lies beside them the names', () => {
    expect(startTrees()).toEqual({
      roots: ['node_modules/@scope/part', 'node_modules/native', 'node_modules/vitest'],
      tops: ['node_modules', 'node_modules/@scope'],
      without: [],
    })
  })

  test('are none that it may write itself', () => {
    expect(startTrees([[rule(`write +${root}/node_modules/native/`)]]).without).toEqual(['node_modules/native'])
  })
})
