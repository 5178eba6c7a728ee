import { once } from 'node:events'
import { lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { ModuleTable } from '../../src/modules/table.js'
import { BOUNDS } from '../../src/modules/walk.js'
import { TableWriter } from '../../src/modules/writer.js'
import { fixture } from '../harness/confined.js'
import { later, make, makeUnused, Scratch } from './trees.js'

const ENOENT = -2
const ENOTDIR = -20

function packages(): Scratch {
  const scratch = new Scratch()
  writeFileSync(scratch.place('one/index.js'), 'one')
  writeFileSync(scratch.place('one/lib/deep.js'), 'deep')
  writeFileSync(scratch.place('.pnpm/two@1/node_modules/two/index.js'), 'two')
  symlinkSync('.pnpm/two@1/node_modules/two', scratch.place('two'))
  writeFileSync(scratch.place('.vite/deps/x.js'), 'x')
  return scratch
}

describe('what is there', () => {
  test('files, directories, and what is not there', () => {
    using scratch = packages()
    const { table } = make({ roots: [scratch.modules] })
    const kind = (name: string) => table.kindOf(join(scratch.modules, name))
    expect(kind('one')).toBe(1)
    expect(kind('one/index.js')).toBe(0)
    expect(kind('one/index.mjs')).toBe(ENOENT)
    expect(kind('one/lib/package.json')).toBe(ENOENT)
    expect(kind('three')).toBe(ENOENT)
    expect(kind('three/lib/index.js')).toBe(ENOENT)
    expect(kind('one/index.js/package.json')).toBe(ENOTDIR)
  })

  test('behind links', () => {
    using scratch = packages()
    const { table } = make({ roots: [scratch.modules] })
    expect(table.kindOf(join(scratch.modules, 'two'))).toBe(1)
    expect(table.kindOf(join(scratch.modules, 'two/index.js'))).toBe(0)
    expect(table.kindOf(join(scratch.modules, 'two/other.js'))).toBe(ENOENT)
  })

  test('through a link to the tree itself', () => {
    using scratch = packages()
    const alias = join(scratch.root, 'linked')
    symlinkSync('node_modules', alias)
    const { table } = make({ roots: [scratch.modules], aliases: [alias] })
    expect(table.kindOf(join(alias, 'one/index.js'))).toBe(0)
    expect(table.kindOf(join(alias, 'one/none.js'))).toBe(ENOENT)
  })
})

describe('a top, of which only the names are listed', () => {
  test('says what is in it and what is not, and nothing of what lies deeper but for roots', () => {
    using scratch = packages()
    writeFileSync(scratch.place('three/index.js'), 'three')
    const { table } = make({ roots: [join(scratch.modules, 'one')], tops: [scratch.modules] })
    const kind = (name: string) => table.kindOf(join(scratch.modules, name))
    expect(['none', 'none/index.js', 'three', 'one/index.js', 'one/none.js'].map(kind)).toEqual([
      ENOENT,
      ENOENT,
      1,
      0,
      ENOENT,
    ])
    expect(['three/index.js', 'three/none.js', '.vite', '.vite/none'].map(kind)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    // Its own times come and go with the caches in it.
    expect(table.lstat(scratch.modules, new BigInt64Array(18))).toBe(false)
  })
})

test('a top may lie in another, and be a root as well', () => {
  using scratch = packages()
  writeFileSync(scratch.place('@scope/three/index.js'), 'three')
  const { table } = make({
    roots: [join(scratch.modules, 'one')],
    tops: [scratch.modules, join(scratch.modules, '@scope'), join(scratch.modules, 'one')],
  })
  const kinds = ['@scope/three', '@scope/none', '@scope/three/none', 'one/lib/deep.js', 'one/lib/none'].map((name) =>
    table.kindOf(join(scratch.modules, name)),
  )
  expect(kinds).toEqual([1, ENOENT, undefined, 0, ENOENT])
})

describe('what the kernel is asked', () => {
  const cases = {
    'what lies outside': '../package.json',
    'the directory above': '..',
    'a trailing slash': 'one/',
    'a trailing slash after what is not there': 'none/',
    'a doubled slash': 'one//index.js',
    'a dot': './one/index.js',
    'two dots': 'one/../one/index.js',
    'caches that come and go': '.vite/deps/x.js',
    'hidden names that are not there': '.cache',
    'names that are not ASCII': 'one/é.js',
    'a name longer than a name can be': `one/${'x'.repeat(256)}`,
    'control characters': 'one/\n',
    'a NUL': 'one/index.js\0',
  }
  for (const [what, name] of Object.entries(cases)) {
    test(what, () => {
      using scratch = packages()
      const { table } = make({ roots: [scratch.modules] })
      expect(table.kindOf(`${scratch.modules}/${name}`)).toBeUndefined()
      expect(table.contentOf(`${scratch.modules}/${name}`)).toBeUndefined()
    })
  }

  test('links that lead out, in circles, nowhere, or through a file', () => {
    using scratch = packages()
    symlinkSync('..', scratch.place('out'))
    symlinkSync('circle', scratch.place('circle'))
    symlinkSync('nowhere', scratch.place('dangling'))
    symlinkSync('one/index.js/..', scratch.place('through'))
    symlinkSync('one/index.js/', scratch.place('slash'))
    const { table } = make({ roots: [scratch.modules] })
    for (const name of ['out', 'circle', 'dangling', 'through', 'slash', 'out/package.json', 'slash/x'])
      expect([name, table.kindOf(join(scratch.modules, name))]).toEqual([name, undefined])
  })

  test('everything below what is left out, and whether it is there', () => {
    using scratch = packages()
    const { table } = make({ roots: [scratch.modules], without: [join(scratch.modules, 'one')] })
    for (const name of ['one', 'one/index.js', 'one/none', 'one/lib/deep.js'])
      expect([name, table.kindOf(join(scratch.modules, name))]).toEqual([name, undefined])
    expect(table.kindOf(join(scratch.modules, 'three'))).toBe(ENOENT)
  })

  test('a tree that is not there, or is a file, whatever comes to stand there', () => {
    using scratch = packages()
    const [none, file] = [join(scratch.root, 'none'), join(scratch.modules, 'one/index.js')]
    const { table } = make({ roots: [none, file], tops: [join(scratch.root, 'top')] })
    for (const path of [none, file, join(scratch.root, 'top')])
      for (const at of [path, join(path, 'x')]) expect([at, table.kindOf(at)]).toEqual([at, undefined])
  })

  test('all of a tree that lies in what is left out', () => {
    using scratch = packages()
    const { table, listing } = make({ roots: [scratch.modules], without: [scratch.root] })
    expect(listing.size).toBe(1)
    expect(table.kindOf(join(scratch.modules, 'one'))).toBeUndefined()
  })

  test('directories beyond what the table may hold', () => {
    using scratch = packages()
    const { table } = make({ roots: [scratch.modules] }, { ...BOUNDS, entries: 2 })
    expect(table.kindOf(join(scratch.modules, 'one'))).toBe(1)
    expect(table.kindOf(join(scratch.modules, 'one/index.js'))).toBeUndefined()
    expect(table.kindOf(join(scratch.modules, 'one/none.js'))).toBeUndefined()
  })
})

describe('what is used', () => {
  test('is there for whoever looks things up already, content and all', () => {
    using scratch = packages()
    const { table, use } = make({ roots: [scratch.modules] })
    const path = join(scratch.modules, 'one/index.js')
    expect(table.contentOf(path)).toBeUndefined()
    expect(table.lstat(path, new BigInt64Array(18))).toBe(false)
    expect(use(path)).toBe(true)
    expect(use(path)).toBe(false)
    const content = table.contentOf(path)
    if (content === undefined) throw new Error('no content')
    expect(table.text(content)).toBe('one')
    const fields = new BigInt64Array(18)
    expect(table.lstat(path, fields)).toBe(true)
    const { dev, mode, ino, size } = lstatSync(path, { bigint: true })
    expect([fields[0], fields[1], fields[7], fields[8]]).toEqual([dev, mode, ino, size])
  })

  test('has its content behind links, too', () => {
    using scratch = packages()
    const { table, use } = make({ roots: [scratch.modules] })
    use(join(scratch.modules, '.pnpm/two@1/node_modules/two/index.js'))
    const content = table.contentOf(join(scratch.modules, 'two/index.js'))
    expect(content && table.text(content)).toBe('two')
  })

  test.each([
    ['', ''],
    ['ASCII', 'text'],
    ['a byte order mark', '\uFEFFmodule.exports = 1'],
    ['more than ASCII', 'é 漢 😀'],
  ])('text is as Node reads it: %s', (_, text) => {
    using scratch = packages()
    const path = scratch.place('one/text.js')
    writeFileSync(path, text)
    const { table, use } = make({ roots: [scratch.modules] })
    use(path)
    const content = table.contentOf(path)
    expect(content && table.text(content)).toBe(text)
  })

  test('what is not UTF-8, or too large, has no content', () => {
    using scratch = packages()
    const binary = scratch.place('one/binary.js')
    writeFileSync(binary, Buffer.from([0x61, 0xff, 0xfe]))
    const large = scratch.place('one/large.js')
    writeFileSync(large, 'x'.repeat(1000))
    const { table, use } = make({ roots: [scratch.modules] }, { ...BOUNDS, content: 999 })
    for (const path of [binary, large]) {
      expect(use(path)).toBe(true)
      expect(table.contentOf(path)).toBeUndefined()
      expect(table.kindOf(path)).toBe(0)
    }
  })

  test('what does not fit any more has none, and the rest is as it was', () => {
    using scratch = packages()
    const large = scratch.place('one/large.js')
    writeFileSync(large, 'x'.repeat(1 << 20))
    const { table, use } = make({ roots: [scratch.modules] })
    expect(use(large)).toBe(true)
    expect(table.contentOf(large)).toBeUndefined()
    expect(use(join(scratch.modules, 'one/index.js'))).toBe(true)
    expect(table.contentOf(join(scratch.modules, 'one/index.js'))).toBeDefined()
  })
})

describe('what is not used', () => {
  test('is not listed, and the kernel is asked about it', () => {
    using scratch = packages()
    writeFileSync(scratch.place('three/index.js'), 'three')
    const { table, use } = makeUnused({ roots: [scratch.modules] })
    const kinds = () =>
      ['one', 'none', 'one/none.js', 'one/lib', 'one/lib/none.js', 'three', 'three/none.js'].map((name) =>
        table.kindOf(join(scratch.modules, name)),
      )
    expect(kinds()).toEqual([1, ENOENT, undefined, undefined, undefined, 1, undefined])
    use(join(scratch.modules, 'one/index.js'))
    expect(kinds()).toEqual([1, ENOENT, ENOENT, 1, undefined, 1, undefined])
    use(join(scratch.modules, 'one/lib/deep.js'))
    expect(kinds()).toEqual([1, ENOENT, ENOENT, 1, ENOENT, 1, undefined])
  })

  test('a link leads somewhere once its end is listed', () => {
    using scratch = packages()
    const { table, use } = makeUnused({ roots: [scratch.modules] })
    const kinds = () => ['two', 'two/index.js', 'two/none.js'].map((name) => table.kindOf(join(scratch.modules, name)))
    expect(kinds()).toEqual([undefined, undefined, undefined])
    use(join(scratch.modules, '.pnpm/two@1/node_modules/two/index.js'))
    expect(kinds()).toEqual([1, 0, ENOENT])
  })

  test('what is no file, or lies outside, is not used', () => {
    using scratch = packages()
    const { table, use, listing } = makeUnused({ roots: [scratch.modules] })
    const before = listing.size
    for (const name of ['..', 'none', 'none/x', '../x', 'two/index.js', '.vite/deps/x.js', 'one'])
      expect([name, use(join(scratch.modules, name))]).toEqual([name, false])
    expect(listing.size).toBe(before)
    expect(table.kindOf(join(scratch.modules, 'one/none'))).toBeUndefined()
  })

  test('what there is no room for is asked about, and the rest as well', () => {
    using scratch = new Scratch()
    for (let at = 0; at < 6000; at++) writeFileSync(scratch.place(`many/${at}`), '')
    writeFileSync(scratch.place('one/index.js'), '')
    const { table, use } = makeUnused({ roots: [scratch.modules] })
    use(join(scratch.modules, 'many/0'))
    use(join(scratch.modules, 'one/index.js'))
    const kinds = ['many', 'many/none', 'one', 'one/none'].map((name) => table.kindOf(join(scratch.modules, name)))
    expect(kinds).toEqual([1, undefined, 1, undefined])
    const known = Array.from({ length: 6000 }, (_, at) => table.kindOf(join(scratch.modules, `many/${at}`)))
    expect(new Set(known)).toEqual(new Set([0, undefined]))
  })

  test('a link through another is led only where a change of that one would be seen', () => {
    using scratch = packages()
    const outside = join(scratch.root, 'outside')
    symlinkSync('node_modules', outside)
    symlinkSync('../outside/one', scratch.place('by-outside'))
    symlinkSync('one', scratch.place('inside'))
    symlinkSync('inside', scratch.place('by-inside'))
    symlinkSync('one/../one', scratch.place('by-parent'))
    const { table } = make({ roots: [scratch.modules] })
    const kinds = ['by-outside', 'by-inside', 'by-parent'].map((name) => table.kindOf(join(scratch.modules, name)))
    expect(kinds).toEqual([undefined, 1, undefined])
  })
})

test('a name is never missing that is added while it is looked up', async () => {
  const [directories, names] = [3000, 8]
  const memory = new SharedArrayBuffer(4 << 20)
  const writer = new Worker(fixture('modules/lists-directories.mjs'), { workerData: { memory, directories, names } })
  const ended = once(writer, 'exit')
  let table = ModuleTable.in(memory)
  while (table === undefined) table = ModuleTable.in(memory)
  const wrong: string[] = []
  for (let at = 0; at < directories; at++) {
    let kind: number | undefined
    while (kind === undefined) kind = table.kindOf(`/${at}/${names - 1}`)
    if (kind !== 0) wrong.push(`/${at}: ${kind}`)
  }
  expect(wrong).toEqual([])
  expect(await ended).toEqual([0])
})

describe('whether it is still so', () => {
  const changes = {
    'a new file': (scratch: Scratch) => writeFileSync(scratch.place('one/new.js'), ''),
    'a file that is gone': (scratch: Scratch) => rmSync(scratch.place('one/lib/deep.js')),
    'a package that is gone': (scratch: Scratch) => rmSync(scratch.place('one'), { recursive: true }),
    'a used file that is edited': (scratch: Scratch) => writeFileSync(scratch.place('one/index.js'), 'two'),
    'a link that leads elsewhere': (scratch: Scratch) => {
      rmSync(scratch.place('two'))
      symlinkSync('one', scratch.place('two'))
    },
    'a new package': (scratch: Scratch) => void mkdirSync(scratch.place('three')),
    'a file that was replaced': (scratch: Scratch) => {
      const path = scratch.place('one/index.js')
      const { atime, mtime } = lstatSync(path)
      writeFileSync(scratch.place('new'), 'new')
      renameSync(scratch.place('new'), path)
      utimesSync(path, atime, mtime)
    },
  }
  for (const [what, change] of Object.entries(changes)) {
    test(what, () => {
      using scratch = packages()
      const { listing, use } = make({ roots: [scratch.modules] })
      use(scratch.place('one/index.js'))
      expect(listing.isFresh(later())).toBe(true)
      change(scratch)
      expect(listing.isFresh(later())).toBe(false)
    })
  }

  test('a directory that was changed just now is listed again: the next change may leave the same time', () => {
    using scratch = packages()
    const now = BigInt(Date.now()) * 1_000_000n
    const trees = { roots: [scratch.modules] }
    const unlinked = make({ ...trees, without: [join(scratch.modules, 'two')] }, BOUNDS, now)
    expect(unlinked.listing.isFresh(now)).toBe(true)
    // Of a link only its own time tells.
    expect(make(trees, BOUNDS, now).listing.isFresh(now)).toBe(false)
    expect(make(trees, BOUNDS, later()).listing.isFresh(now)).toBe(true)
  })

  test('what is outdated is asked for by whoever has the table', () => {
    using scratch = packages()
    const { table, writer, use } = make({ roots: [scratch.modules] })
    const path = join(scratch.modules, 'one/index.js')
    use(path)
    expect([table.kindOf(path), table.lstat(path, new BigInt64Array(18))]).toEqual([0, true])
    writer.outdate()
    expect([table.kindOf(path), table.lstat(path, new BigInt64Array(18))]).toEqual([undefined, false])
    expect(table.contentOf(path)).toBeUndefined()
    expect(table.kindOf(`${path}/none`)).toBeUndefined()
  })
})

test('a table is a table, and of its size', () => {
  expect(() => new ModuleTable(new ArrayBuffer(64))).toThrow('no module table')
  // As memory is before it is filled.
  expect(ModuleTable.in(new ArrayBuffer(64))).toBeUndefined()
  expect(() => new TableWriter(new ArrayBuffer(64), 1)).toThrow(RangeError)
  const memory = new ArrayBuffer(1024)
  const writer = new TableWriter(memory, 2)
  expect(new ModuleTable(memory).kindOf('/x')).toBeUndefined()
  expect(['/x', '/x', '/y', '/z'].map((path) => writer.add(path, 0))).toEqual([true, true, true, false])
  expect(['/x', '/y', '/z'].map((path) => new ModuleTable(memory).kindOf(path))).toEqual([0, 0, undefined])
})
