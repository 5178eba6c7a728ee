/** Small trees of directories, files and symbolic links, grants on them, and ways of spelling a path in them. */
import * as fc from 'fast-check'
import type { Sketch } from '../contracts/fake-files.js'

const NAMES = ['a', 'b', 'c', 'd'] as const
const name = fc.constantFrom(...NAMES)
const names = fc.array(name, { minLength: 1, maxLength: 3 }).map((all) => all.join('/'))

/** What a link says: up and down from where it stands, or from the top. */
const linkText = fc.oneof(
  names,
  names.map((rest) => `/${rest}`),
  names.map((rest) => `../${rest}`),
  names.map((rest) => `../../${rest}`),
  fc.constantFrom('.', '..', '/', 'a/'),
)

export const tree: fc.Arbitrary<Sketch> = fc.letrec<{ directory: Sketch; entry: string | Sketch }>((tie) => ({
  directory: fc.dictionary(name, tie('entry'), { maxKeys: 4, noNullPrototype: true, depthIdentifier: 'tree' }),
  entry: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'tree' },
    { weight: 2, arbitrary: fc.constant('a file') },
    { weight: 3, arbitrary: linkText.map((text) => `-> ${text}`) },
    { weight: 3, arbitrary: tie('directory') },
  ),
})).directory

/** A manifest's entries: `read +/a/`, `write !/a/b`. Those of one list stand together. */
export const rules: fc.Arbitrary<readonly (readonly string[])[]> = fc.array(
  fc.constantFrom('read', 'list', 'write').chain((access) =>
    fc.array(
      fc
        .tuple(fc.constantFrom('+', '+', '!'), names, fc.constantFrom('', '/', '/'))
        .map(([sign, path, end]) => `${access} ${sign}/${path}${end}`),
      { minLength: 1, maxLength: 3 },
    ),
  ),
  { maxLength: 3 },
)

/** Absolute or not, with detours, and perhaps a slash at the end. */
export const spelling: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('', '/', '/'),
    fc.array(fc.oneof({ weight: 5, arbitrary: name }, fc.constantFrom('.', '..', '')), { minLength: 1, maxLength: 6 }),
    fc.constantFrom('', '', '', '/', '/.'),
  )
  .map(([start, parts, end]) => start + parts.join('/') + end)
  .filter((text) => text !== '')

export const directory: fc.Arbitrary<string> = fc.array(name, { maxLength: 2 }).map((all) => `/${all.join('/')}`)
