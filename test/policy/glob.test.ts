import { describe, expect, test } from 'vitest'
import { compileAboveGlob, compileTreeGlob } from '../../src/policy/glob.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { rule } from '../contracts/rules.js'

test.each([
  ['**/*.md', ['', 'a', 'a/b', 'a.md/b'], []],
  ['*/x/*.md', ['', 'a', 'a/x'], ['a/y', 'a/x/b', 'a/x.md']],
  ['*.md', [''], ['a', 'a.md']],
  ['a*/**/b', ['', 'ab', 'ab/c/d'], ['b', 'b/ab']],
  ['{a,b}/c', ['', 'a', 'b'], ['c', 'a/c']],
  ['{a/b,c}/d', ['', 'a', 'a/b', 'x'], []],
  ['@(a|b)/c/', ['', 'a'], ['a/c', 'x']],
  ['[ab]/c', ['', 'a'], ['c']],
])('%s may have a match below %j, and not below %j', (glob, through, off) => {
  const above = compileAboveGlob(glob)
  expect(through.filter((directory) => !above(directory))).toEqual([])
  expect(off.filter((directory) => above(directory))).toEqual([])
})

describe('a directory that a glob leads through', () => {
  const glob = { ...rule('read +/r/'), shape: 'glob' as const, pattern: '/r/**/*.md' }
  const policy = compilePolicy({ mode: 'enforce', sockets: [], lists: [[glob, rule('read !/r/secret/')]] })
  const look = (path: string, directory?: true) =>
    decide(policy, {
      kind: 'path',
      access: 'look',
      path: rawPath(path),
      ...(directory === undefined ? {} : { directory }),
    }).allowed

  test('can be looked at, where it is known to be one', () => {
    expect([look('/r/a', true), look('/r/a/b', true), look('/r/a')]).toEqual([true, true, false])
  })

  test('cannot be read, and is not there where it is excluded', () => {
    expect(decide(policy, { kind: 'path', access: 'read', path: rawPath('/r/a'), directory: true }).allowed).toBe(false)
    expect([look('/r/secret', true), look('/r/secret/a', true), look('/o', true)]).toEqual([false, false, false])
  })
})

test.each(['!(a)', '**/!(a)', '**/*(b)!(a)'])(
  'what lies below a match of %s is part of its tree, whatever it is called',
  (glob) => {
    const covers = compileTreeGlob(glob)
    expect(['aa', 'aa/a', 'ab/a/a', 'aa/c/a', 'a'].map(covers)).toEqual([true, true, true, true, false])
  },
)
