import { describe, expect, test } from 'vitest'
import { parseDenyGrant } from '../../src/policy/deny.js'
import {
  compileAboveGlob,
  compileExclusionGlob,
  compileGlob,
  compileTreeGlob,
  exclusionMistake,
  globMistake,
} from '../../src/policy/glob.js'
import { parsePathGrant } from '../../src/policy/path-grants.js'
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

describe('globs as a shell reads them', () => {
  test.each([
    ['[!a]x', ['bx', '!x'], ['ax', '/x']],
    ['a[+-]b', ['a+b', 'a-b'], ['a0b', 'a]b']],
    ['a[+-9]b', ['a+b', 'a.b', 'a0b'], ['a/b']],
    ['@(a|b)?', ['ax', 'bb'], ['a', 'b', '']],
    ['@(?a)', ['xa'], ['a', '?b']],
    ['@(?!a)*', ['x!a'], ['b', 'x']],
    ['x.{1..12}', ['x.1', 'x.7', 'x.12'], ['x.13', 'x-', 'x/1', 'xx1']],
    ['{b..a}', ['a', 'b'], ['c', '{b..a}']],
    ['{3..3}', ['3'], ['{3}']],
    ['***.x', ['a.x'], ['aax', 'a/.x']],
    ['*.*', ['a.', 'a.b'], ['a']],
    ['[]a]', [']', 'a'], ['b']],
    ['[*?(|)]', ['*', '(', '|'], ['a', '']],
  ])('%s matches %j, and not %j', (glob, own, others) => {
    const matches = compileGlob(glob)
    expect(own.filter((name) => !matches(name))).toEqual([])
    expect(others.filter((name) => matches(name))).toEqual([])
  })

  test.each([
    ['!(a)', ['b', 'ab', 'ab/a', 'b/a']],
    ['!(a)/**', ['b', 'ab/a', 'b/a/c']],
    ['x/!(a|b)/', ['x/ab/a']],
    ['@(a|b)?', ['ax', 'AX', 'bb/c']],
    ['[!a]', ['b', 'b/a']],
    ['x-{9..11}', ['x-10', 'X-11/a']],
  ])('an exclusion of %s holds for %j', (glob, own) => {
    const excludes = compileExclusionGlob(glob)
    expect(own.filter((name) => !excludes(name))).toEqual([])
  })

  test.each([
    'a[/]b',
    '[[:alpha:]]',
    '[^[:punct:]]',
    '*(a|aa)',
    '+(|a)',
    '***(a)',
    '{1..2000}',
    '{01..10}',
    '{a..b,c}',
    '[a',
    'a]',
  ])('%s is a mistake', (glob) => expect(globMistake(glob)).toBeTypeOf('string'))

  test('what follows !(…) in an exclusion is a mistake, because the exclusion would not hold', () => {
    expect(['!(a)b', '!(a)/b', '{!(a),b}', '!(a)/**/b'].map((glob) => exclusionMistake(glob) === undefined)).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(['!(a)', 'b!(a)/', '!(a|@(b|c))/**', '[!(]x'].map(exclusionMistake)).toEqual(Array(4).fill(undefined))
    expect(parsePathGrant('!src/!(a)/b').ok || parseDenyGrant('src/!(a)/b').ok).toBe(false)
    expect(parsePathGrant('src/!(a)/b').ok && parseDenyGrant('src/!(a)').ok).toBe(true)
  })
})
