import { describe, expect, test } from 'vitest'
import type { Looked } from '../../src/policy/bind-paths.js'
import { rawPath } from '../../src/policy/request.js'
import { moduleTreesOf, type ModuleFacts } from '../../src/project/module-trees.js'
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
