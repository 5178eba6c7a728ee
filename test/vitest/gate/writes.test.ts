import { symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readSafely, withFile } from '../../../src/vitest/gate/safe-open.js'
import { walk } from '../../../src/vitest/gate/walk.js'
import { scratch, worker } from './stand-in.js'

test('what a write entry covers, and what can be moved away with it', () => {
  using at = scratch()
  const { writes } = worker(at.root, { write: ['gen/', 'one.txt'] })
  const entry = (path: string, links: readonly string[] = []): string | undefined =>
    writes.covering({ real: at.at(path), links: links.map((link) => at.at(link)) })
  expect([entry('gen/a/b.ts'), entry('one.txt'), entry('one.txt.bak'), entry('src/a.ts')]).toEqual([
    'gen/',
    'one.txt',
    undefined,
    undefined,
  ])
  expect(entry('src/a.ts', ['gen/link'])).toBe('gen/')
  expect(entry('tmp/worker-7/a.mjs')).toBe('<tmp>/')
  expect([writes.reaches(at.at('gen')), writes.reaches(at.root), writes.reaches(at.at('src'))]).toEqual([
    'gen/',
    'gen/',
    undefined,
  ])
})

test("what changed after the first worker came is a test's", () => {
  using at = scratch()
  const { writes } = worker(at.root)
  const long = Date.now() - 60_000
  const leave = writes.enter()
  expect([writes.isChanged({ changedAt: long }), writes.isChanged({ changedAt: Date.now() + 1 })]).toEqual([
    false,
    true,
  ])
  leave()
  leave()
  expect(writes.isChanged({ changedAt: long })).toBe(false)
})

test('a path is walked without opening anything', () => {
  using at = scratch()
  at.write('a/f.txt')
  symlinkSync('f.txt', at.at('a/l'))
  symlinkSync('loop', at.at('loop'))
  symlinkSync(at.at('a'), at.at('dir'))
  expect(walk(at.at('dir/l'))).toMatchObject({
    real: at.at('a/f.txt'),
    kind: 'file',
    links: [at.at('dir'), at.at('a/l')],
  })
  expect(walk(at.at('dir/../a/./f.txt'))).toMatchObject({ real: at.at('a/f.txt'), kind: 'file' })
  expect(walk(at.at('a/f.txt/x'))).toMatchObject({ kind: 'missing' })
  expect(walk(at.at('a/\0f.txt'))).toMatchObject({ kind: 'missing' })
  expect(walk(at.at('none/x'))).toMatchObject({ kind: 'missing', real: at.at('none/x') })
  expect(walk(at.at('loop'))).toMatchObject({ kind: 'missing' })
  expect(walk('/')).toMatchObject({ kind: 'dir', real: '/' })
  expect(walk('/dev/null')).toMatchObject({ kind: 'other' })
})

test('a file is opened without following a link on the way, or at the end', () => {
  using at = scratch()
  at.write('a/f.txt', 'text')
  symlinkSync('f.txt', at.at('a/l'))
  symlinkSync('a', at.at('d'))
  expect(readSafely(at.at('a/f.txt'), 100).toString()).toBe('text')
  for (const path of ['a/l', 'd/f.txt']) expect(() => readSafely(at.at(path), 100), path).toThrow(/ELOOP|ENOTDIR/)
  expect(() => readSafely(at.at('a'), 100)).toThrow(/not a regular file|EISDIR/)
  expect(() => readSafely(at.at('a/f.txt'), 3)).toThrow(/at most 3/)
  expect(() => withFile('/dev/null', 0, () => 0)).toThrow(/not a regular file/)
})
