/** The names of secrets have a matcher of their own, because every path is held against them. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { compileExclusionGlob, compileNameExclusion } from '../../src/policy/glob.js'
import { SECRETS_GLOB, SECRETS_NAME } from '../../src/policy/path-grants.js'
import { law } from '../laws/law.js'

const PARTS = [
  '.env',
  '.',
  'example',
  'sample',
  'a',
  'local',
  '.npmrc',
  'id_rsa',
  '.ssh',
  '-',
  '_',
  ' ',
  '~1',
  ':',
  '1',
  '.ENV',
  '.NPMRC',
  'é',
  'ſ',
  '\u200d',
  '\n',
  '*',
  '(',
  ')',
  '!',
  '[',
  '{',
  '|',
]
const segment = fc
  .array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join(''))
  .filter((name) => name !== '.' && name !== '..')
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))

const general = compileExclusionGlob(SECRETS_GLOB)
// One for all cases, because it remembers directories.
const own = compileNameExclusion(SECRETS_NAME)

law('a path is a secret where one of its names is', { cases: 3000 }, [path], (below) => {
  expect(own(below)).toBe(below.split('/').some(general))
})

law('what any exclusion by that glob covers is a secret', { cases: 3000 }, [path], (below) => {
  if (general(below)) expect(own(below)).toBe(true)
})
