/** Names with ANY in them, which stands for any text. */
import { array, assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'
import { isMatch, standsFor } from '../../../src/cli/record/alike.js'
import { rawPath } from '../../../src/policy/request.js'
import { ANY } from '../../../src/policy/spell.js'

test('a name with ANY stands for what the same regular expression matches', () => {
  const text = array(constantFrom('a', 'b'), { maxLength: 6 }).map((letters) => letters.join(''))
  const pattern = array(constantFrom('a', 'b', ANY), { maxLength: 5 }).map((letters) => letters.join(''))
  assert(
    property(pattern, text, (named, name) => {
      expect(isMatch(named, name)).toBe(new RegExp(`^${named.replaceAll(ANY, '.*')}$`).test(name))
    }),
  )
})

test.each([
  ['/a/*/c', '/a/b/c', true],
  ['/a/*/c', '/a/*/c', true],
  ['/a/*/c', '/a/b/d', false],
  ['/a/*/c', '/a/b/x/c', false],
  ['/a/*', '/a', false],
])('%s and %s: %s', (path, one, expected) => {
  expect(standsFor(rawPath(path.replaceAll('*', ANY)), rawPath(one.replaceAll('*', ANY)))).toBe(expected)
})
