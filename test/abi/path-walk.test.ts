import { expect, test } from 'vitest'
import { PathWalk } from '../../src/abi/path-walk.js'

/** Where a path leads in a world of links and directories. */
function walked(text: string, links: { readonly [path: string]: string }, most?: number): string {
  const walk = new PathWalk(text, most)
  for (let here = walk.next(); here !== undefined; here = walk.next()) {
    const link = links[here]
    if (link === undefined) walk.at = here
    else if (!walk.follow(link)) return 'too many'
  }
  return walk.at === '' ? '/' : walk.at
}

test.each([
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['//a/./b//', '/a/b'],
  ['/a/../b', '/b'],
  ['/../../a', '/a'],
  ['/to-b', '/a/b'],
  ['/a/up/c', '/c'],
  ['/to-b/../x', '/a/x'],
  ['/a/again', '/a/b'],
  ['/loop', 'too many'],
])('%s leads to %s', (text, to) =>
  expect(walked(text, { '/to-b': 'a/b', '/a/up': '..', '/a/again': '/to-b', '/loop': 'loop' })).toBe(to),
)

test('as many links as the kernel follows, or fewer', () => {
  const chain = Object.fromEntries(Array.from({ length: 41 }, (_, n) => [`/${n}`, `${n + 1}`]))
  expect(walked('/1', chain)).toBe('/41')
  expect(walked('/0', chain)).toBe('too many')
  expect(walked('/38', chain, 3)).toBe('/41')
  expect(walked('/37', chain, 3)).toBe('too many')
})

test('what a `..` comes back from is told, and what is still to come', () => {
  const walk = new PathWalk('/a/../b/c')
  const from: string[] = []
  expect(walk.next()).toBe('/a')
  walk.at = '/a'
  expect(walk.next((dir) => from.push(dir))).toBe('/b')
  expect([from, walk.rest]).toEqual([['/a'], ['c']])
})
