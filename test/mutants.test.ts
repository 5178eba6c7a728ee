/** Mutants are found by tokens, so that the formatter may lay a source out as it likes. */
import { expect, test } from 'vitest'
// @ts-expect-error -- a script without types
import { apply } from '../scripts/mutants/apply.mjs'

const source = "f({\n  name: 'x',\n  exclusive: true,\n})\nreturn (\n  a ?? b\n)\n"

test.each([
  ["name: 'x', exclusive: true }", "name: 'x' }", "f({\n  name: 'x' })\nreturn (\n  a ?? b\n)\n"],
  ['a\n ?? b', 'a', "f({\n  name: 'x',\n  exclusive: true,\n})\nreturn (\n  a\n)\n"],
  ['exclusive: true', ' ', "f({\n  name: 'x',\n  ,\n})\nreturn (\n  a ?? b\n)\n"],
])('%j in any layout', (find, replace, mutated) => {
  expect(apply(source, { find, replace })).toEqual({ mutated })
})

test.each([
  ['nowhere', 'x', 'its text is 0 times in the source'],
  ['e', 'x', 'its text is 0 times in the source'],
  ['rue', 'x', 'its text is 0 times in the source'],
  ["'x'", "  'x'", 'it changes nothing'],
])('%j does not apply', (find, replace, problem) => {
  expect(apply(source, { find, replace })).toEqual({ problem })
})

test('a text that is there twice does not apply', () => {
  expect(apply('a + b\na+b', { find: 'a + b', replace: 'a' })).toEqual({ problem: 'its text is 2 times in the source' })
})
