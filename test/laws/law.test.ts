/** The laws' own machinery: what is found is written down whole, and every counterexample belongs to a law. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { law } from './law.js'
import { allPinned } from './pinned.js'
import { fromJson, toJson } from './values.js'

const root = join(import.meta.dirname, '..')
const titles = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.laws.test.ts'))
  .flatMap((name) =>
    [...readFileSync(join(root, name), 'utf8').matchAll(/\b(?:law|liveLaw)\(\s*(['"])(.*?)\1,\s*\{/g)].map(
      ([, , title]) => title,
    ),
  )

test('every law has a title of its own, by which its counterexamples know it', () => {
  expect(titles.length).toBeGreaterThan(20)
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
  for (const { file, law: title, values } of allPinned()) {
    expect(titles, `${file} names a law that is not there`).toContain(title)
    expect(Array.isArray(values), file).toBe(true)
  }
})

const leaf = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.integer(),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 9 }),
  fc.constantFrom(undefined, null, true, false),
)
const value = fc.oneof(leaf, fc.array(leaf), fc.array(fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), leaf)))

law('a case is written down as JSON and read back as it was', { cases: 300 }, [value], (one) => {
  expect(fromJson(JSON.parse(JSON.stringify(toJson(one))))).toEqual(one)
})
