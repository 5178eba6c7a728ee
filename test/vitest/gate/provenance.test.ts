/** What came into a module, kept with its text. */
import { array, assert, property, string } from 'fast-check'
import { expect, test } from 'vitest'
import { provenanceOf, withProvenance } from '../../../src/vitest/gate/provenance.js'

test('what is noted comes back, and the worker gets the text as it was', () => {
  assert(
    property(string(), array(string({ unit: 'grapheme' }), { minLength: 1 }), string(), (code, paths, after) => {
      const marked = withProvenance(code, new Set(paths))
      expect(withProvenance(code, new Set())).toBe(code)
      expect(provenanceOf(marked)).toEqual({ code, paths: [...new Set(paths)] })
      // Vitest adds a map.
      expect(provenanceOf(`${marked}${after}`)).toEqual({ code: `${code}${after}`, paths: [...new Set(paths)] })
    }),
  )
})

test('a mark of somebody else’s makes it nobody’s, and no two marks hide each other', () => {
  expect(provenanceOf('a\n//# seccompReads=????\n').paths).toEqual([''])
  expect(provenanceOf(`a\n//# seccompReads=${Buffer.from('{}').toString('base64')}\n`).paths).toEqual([''])
  const twice = withProvenance(withProvenance('a', new Set(['/one'])), new Set(['/two']))
  expect(provenanceOf(twice)).toEqual({ code: 'a', paths: ['/one', '/two'] })
  const own = `\n//# seccompReads=${Buffer.from('["/one"]').toString('base64')}`
  for (const code of [`a${own}`, `a${own}${own}`, `a${own}\n`, `a${own}\n${own}`])
    expect(provenanceOf(withProvenance(code, new Set(['/two']))).paths.at(-1), code).toBe('/two')
})
