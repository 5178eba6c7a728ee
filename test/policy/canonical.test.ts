import { expect, test } from 'vitest'
import { isCanonical, isWithin, parentOf } from '../../src/policy/canonical.js'
import { rawPath } from '../../src/policy/request.js'

test.each([
  ['/a', '/a', true],
  ['/a/b', '/a', true],
  ['/a/b/c', '/a', true],
  ['/a', '/', true],
  ['/', '/', true],
  ['/ab', '/a', false],
  ['/a.bak', '/a', false],
  ['/a', '/a/b', false],
  ['/b/a', '/a', false],
  ['/', '/a', false],
])('%s within %s is %s', (path, top, expected) => {
  expect(isWithin(rawPath(path), rawPath(top))).toBe(expected)
})

test('a path is within its parent, and the top is its own', () => {
  for (const path of ['/a', '/a/b', '/a/b/c']) expect(isWithin(rawPath(path), parentOf(rawPath(path)))).toBe(true)
  expect(parentOf(rawPath('/'))).toBe('/')
})

test.each(['', 'a', '/a/', '/a//b', '/./a', '/a/.', '/..', '/a/../b', '/a\0b', '/\u012f'])(
  '%j is not canonical',
  (path) => {
    expect(isCanonical(path)).toBe(false)
  },
)
