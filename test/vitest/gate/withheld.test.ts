/** Variables that the options keep from workers, in the text of a module. */
import { expect, test } from 'vitest'
import { withholding } from '../../../src/vitest/gate/withheld.js'

const hide = withholding('unit "x"', [
  ['VITE_KEY', 'a "quoted" $& key'],
  ['VITE_OTHER', 'other'],
])
const ENV = '{"MODE": "test", "VITE_KEY": "a \\"quoted\\" $& key", "VITE_OTHER": "other", "VITE_PASSED": "other"}'

test.each(['import.meta', '__vite_ssr_import_meta__'])('no value stands in the text: %s', (meta) => {
  const hidden = hide(`before\n${meta}.env = ${ENV};after`)
  expect(hidden).not.toContain('quoted')
  expect(hidden).toMatch(/^before\n.*"VITE_PASSED": "other"};after$/s)
  const evaluate: unknown = new Function(`return ${hidden.slice(hidden.indexOf('{'), hidden.indexOf(';after'))}`)
  // Here as in Vitest's own process.
  expect(Reflect.apply(evaluate as () => unknown, undefined, [])).toEqual(JSON.parse(ENV))
})

test('a module without the assignment stays as it is', () => {
  const own = `export const variables = ${ENV}`
  expect(hide(own)).toBe(own)
})

test('without such a variable, no module changes', () => {
  const text = `import.meta.env = ${ENV};`
  expect(withholding('unit', [])(text)).toBe(text)
})
