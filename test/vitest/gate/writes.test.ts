import { symlinkSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { parsePathGrant } from '../../../src/policy/path-grants.js'
import type { PathRule, Resource } from '../../../src/policy/policy.js'
import { bytePath } from '../../../src/policy/request.js'
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

test('what is acquired, what the base grants of whole directories, and what `<file>` may mean for another test file', () => {
  using at = scratch()
  const { writes } = worker(at.root)
  const entry = (path: string): string | undefined => writes.covering({ real: at.at(path), links: [] })
  const rule = (path: string, more: Partial<PathRule> = {}): PathRule => ({
    effect: 'grant',
    access: 'write',
    shape: 'tree',
    root: bytePath(at.at(path)),
    aliases: [],
    source: path,
    at: 'test',
    ...more,
  })
  const open = (name: string, access: 'read' | 'write'): Resource => ({
    name,
    at: 'test',
    use: { how: 'open', access, rule: rule(name, { access }), create: false, truncate: false, append: false },
  })
  writes.add({
    lists: [[rule('coverage', { reason: 'coverage data' }), rule('a.snap', { shape: 'file', reason: 'snapshots' })]],
    resources: [open('out', 'write'), open('in', 'read')],
  })
  expect(['coverage/x.less', 'a.snap', 'out/x.less', 'in/x.less'].map(entry)).toEqual([
    'coverage',
    undefined,
    'out',
    undefined,
  ])

  const settled = writes.settled(at)
  const grants = ['<file>/gen/', '<file>/one.ts', '<file>/../up/', '<file>/*.made.ts'].map((source) => {
    const parsed = parsePathGrant(source)
    if (!parsed.ok) throw new Error(source)
    return parsed.value
  })
  writes.addBeside(at.at('p'), grants)
  expect(writes.settled(at)).not.toBe(settled)
  expect(
    ['p/gen/x', 'p/test/a/gen/x/y', 'p/gen', 'p/one.ts', 'p/a/one.ts', 'up/x', 'p/up/x', 'p/a/x.made.ts'].map(entry),
  ).toEqual([
    '<file>/gen/',
    '<file>/gen/',
    '<file>/gen/',
    '<file>/one.ts',
    '<file>/one.ts',
    '<file>/../up/',
    '<file>/../up/',
    '<file>/*.made.ts',
  ])
  expect(['gen/x', 'p/regen/x', 'p/one.tsx', 'p/x.ts', 'p/node_modules/a/gen/x'].map(entry)).toEqual(
    Array(5).fill(undefined),
  )
  writes.addBeside(at.root, [{ effect: 'grant', shape: 'tree', anchor: 'file', path: '', source: '<file>/' }])
  expect(['src/a.ts', 'node_modules/a/b.js'].map(entry)).toEqual(['<file>/', undefined])
})

test("what changed after the run began is a test's, until the next run begins", () => {
  using at = scratch()
  const { writes } = worker(at.root)
  const changed = (changedAt: number, real = at.at('out/x')) => writes.isChanged({ real, changedAt })
  const long = Date.now() - 60_000
  const later = Date.now() + 60_000
  expect([changed(long), changed(later)]).toEqual([false, true])
  vi.setSystemTime(later + 1000)
  expect(changed(later)).toBe(true)
  writes.beginRun()
  expect(changed(later)).toBe(false)
  vi.useRealTimers()
  // Attachments are content of tests, however old they are.
  writes.addContent(at.at('.attachments'))
  const attached = at.at('.attachments/a.js')
  expect(changed(long, attached)).toBe(true)
  expect([writes.mayHold(attached), writes.covering({ real: attached, links: [] })]).toEqual([true, '<attachments>/'])
  // But no entry lets a test write there.
  expect(writes.reaches(at.at('.attachments'))).toBeUndefined()
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
