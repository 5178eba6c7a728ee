/** The names of secrets have a matcher of their own, because every path is held against them. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { compileExclusionGlob, compileGlob, compileHeads, compileNameExclusion } from '../../src/policy/glob.js'
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

const generalOfOne = compileExclusionGlob('**/.env/')
const ownOfOne = compileNameExclusion('.env')

law('a name at any depth is excluded where one of its names is', { cases: 3000 }, [path], (below) => {
  expect(ownOfOne(below)).toBe(below.split('/').some(generalOfOne))
  if (generalOfOne(below)) expect(ownOfOne(below)).toBe(true)
})

law('what any exclusion by that glob covers is a secret', { cases: 3000 }, [path], (below) => {
  if (general(below)) expect(own(below)).toBe(true)
})

const names = fc.array(fc.constantFrom('a', 'b', '@a', 'ab', '.a', 'b.a'), { minLength: 1, maxLength: 3 })
const globs = fc
  .array(fc.constantFrom('a', '*', '@*', '*a', '?', '[ab]', '{a,b}', '@(a|b)', '.a', '!(a)'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((segments) => `**/${segments.join('/')}`)

law(
  'a match moves with its directory, unless a beginning of the glob matches one end',
  { cases: 5000 },
  [globs, names, names, names],
  (glob, from, to, rest) => {
    const heads = compileHeads(glob)
    const ends = [from, to].map((end) => end.join('/'))
    if (heads === undefined || heads.some((matches) => ends.some(matches))) return
    const [before, after] = ends.map((end) => compileGlob(glob)(`${end}/${rest.join('/')}`))
    expect(before).toBe(after)
  },
)
