/** Whatever the table says of a path is what the kernel says of it, whatever lies there and however the path is spelled. */
import { lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { codeOf } from '../../src/errors.js'
import { law } from '../laws/law.js'
import { make, makeUnused, Scratch } from './trees.js'

const NAMES = ['a', 'b', 'c', 'A', 'a b', '.x', '.bin', 'node_modules', 'é', 'x'.repeat(255)] as const
const name = fc.constantFrom(...NAMES)

type Tree = { readonly [name: string]: Tree | string | { readonly to: string } }

const linkText = fc
  .tuple(
    fc.constantFrom('', '', '../', '../../', '/ROOT/', './', '../../../'),
    fc.array(fc.oneof({ weight: 4, arbitrary: name }, fc.constantFrom('..', '.', '')), { maxLength: 3 }),
    fc.constantFrom('', '', '', '/', '/.', '/..'),
  )
  .map(([start, parts, end]) => start + parts.join('/') + end || '.')

const tree: fc.Arbitrary<Tree> = fc.letrec<{ directory: Tree; entry: Tree[string] }>((tie) => ({
  directory: fc.dictionary(name, tie('entry'), { maxKeys: 5, noNullPrototype: true, depthIdentifier: 'modules' }),
  entry: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'modules' },
    { weight: 2, arbitrary: fc.constantFrom('', 'text', 'é', '\uFEFFx') },
    { weight: 3, arbitrary: linkText.map((to) => ({ to })) },
    { weight: 3, arbitrary: tie('directory') },
  ),
})).directory

const spelling = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 9, arbitrary: name },
        fc.constantFrom('..', '.', '', 'zz', 'y'.repeat(256), 'Zz', '.zz', '\n'),
      ),
      { minLength: 1, maxLength: 6 },
    ),
    fc.constantFrom('', '', '', '', '/', '/.'),
  )
  .map(([parts, end]) => parts.join('/') + end)

function build(at: string, inside: Tree, root: string): void {
  for (const [key, value] of Object.entries(inside)) {
    const path = join(at, key)
    if (typeof value === 'string') writeFileSync(path, value)
    else if (isLink(value)) symlinkSync(value.to.replace('/ROOT', root), path)
    else {
      mkdirSync(path)
      build(path, value, root)
    }
  }
}

function isLink(value: object): value is { readonly to: string } {
  return 'to' in value && typeof value.to === 'string'
}

function answer<T>(of: () => T): T | number {
  try {
    return of()
  } catch (error) {
    const code = codeOf(error)
    const errno = Object.entries(constants.errno).find(([known]) => known === code)?.[1]
    if (errno === undefined) throw error
    return -errno
  }
}

/** Every path that is there, links included and not followed. */
function all(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? [path, ...all(path)] : [path]
  })
}

/** When a file was last read is no answer of the table's. */
function withoutAccessTime(fields: readonly unknown[]): unknown[] {
  return [...fields.slice(0, 10), ...fields.slice(12)]
}

function fieldsOf(path: string): bigint[] {
  const { dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks, atimeNs, mtimeNs, ctimeNs, birthtimeNs } =
    lstatSync(path, { bigint: true })
  const times = [atimeNs, mtimeNs, ctimeNs, birthtimeNs].flatMap((time) => [
    time / 1_000_000_000n,
    time % 1_000_000_000n,
  ])
  return [dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks].concat(times)
}

law(
  'what a table says of a path, the kernel says',
  { cases: 150 },
  [tree, fc.array(spelling, { minLength: 20, maxLength: 60 }), fc.array(name, { maxLength: 2 })],
  (inside, spellings, excluded) => {
    using scratch = new Scratch()
    build(scratch.modules, inside, scratch.modules)
    const without = excluded.map((one) => join(scratch.modules, one))
    const { table, use } = makeUnused({ roots: [scratch.modules], without })
    const there = all(scratch.modules)
    const half = there.length >> 1
    for (const used of [[], there.slice(half), there.slice(0, half)]) {
      for (const path of used) use(path)
      for (const path of [...there, ...spellings.map((text) => `${scratch.modules}/${text}`)]) {
        const kind = table.kindOf(path)
        if (kind !== undefined)
          expect([path, kind]).toEqual([path, answer(() => (statSync(path).isDirectory() ? 1 : 0))])
        const fields = new BigInt64Array(18)
        if (table.lstat(path, fields))
          expect([path, ...withoutAccessTime([...fields])]).toEqual([path, ...withoutAccessTime(fieldsOf(path))])
        const content = table.contentOf(path)
        if (content !== undefined) expect([path, table.text(content)]).toEqual([path, readFileSync(path, 'utf8')])
        const isOut = without.some((out) => path === out || path.startsWith(`${out}/`))
        if (isOut) expect([path, kind, content]).toEqual([path, undefined, undefined])
      }
    }
  },
)

const PLAIN = ['a', 'b', 'c', 'node_modules'] as const
const plain: fc.Arbitrary<Tree> = fc.letrec<{ directory: Tree; entry: Tree[string] }>((tie) => ({
  directory: fc.dictionary(fc.constantFrom(...PLAIN), tie('entry'), {
    minKeys: 1,
    maxKeys: 4,
    noNullPrototype: true,
    depthIdentifier: 'plain',
  }),
  entry: fc.oneof({ maxDepth: 4, depthIdentifier: 'plain' }, fc.constant('text'), tie('directory')),
})).directory

law('of what is plain it knows everything, and what is not there as well', { cases: 100 }, [plain], (inside) => {
  using scratch = new Scratch()
  build(scratch.modules, inside, scratch.modules)
  const { table, use } = make({ roots: [scratch.modules] })
  for (const path of all(scratch.modules)) {
    const isFile = statSync(path).isFile()
    expect([path, table.kindOf(path)]).toEqual([path, isFile ? 0 : 1])
    expect([path, table.kindOf(`${path}/none`)]).toEqual([path, isFile ? -20 : -2])
    expect([path, use(path)]).toEqual([path, isFile])
    expect([path, table.contentOf(path) !== undefined]).toEqual([path, isFile])
  }
})
