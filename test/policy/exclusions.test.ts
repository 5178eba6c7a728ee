import { expect, test } from 'vitest'
import { Exclusions, type PathRule } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'

const rule = (root: string, more: Partial<PathRule> = {}): PathRule => ({
  effect: 'exclude',
  access: 'read',
  shape: 'tree',
  root: rawPath(root),
  aliases: [],
  source: root,
  at: 'x',
  ...more,
})

test('those of read lists and of deny, and of no other list', () => {
  const exclusions = new Exclusions()
  const covered = (...paths: string[]): boolean[] => paths.map((path) => exclusions.covers(rawPath(path)))
  expect(covered('/a/b')).toEqual([false])
  expect(exclusions.add({ lists: [[rule('/a', { effect: 'grant' })]] })).toBe(false)
  const lists = [
    [rule('/a', { effect: 'grant' }), rule('/a/b')],
    [rule('/w', { effect: 'grant', access: 'write' }), rule('/w/x', { access: 'write' })],
    [rule('/l', { access: 'list' })],
    [rule('/base', { effect: 'grant', reason: 'always' }), rule('/base/x')],
  ]
  expect(exclusions.add({ lists, denied: [rule('/d', { quiet: 'absent' })] })).toBe(true)
  expect(exclusions.add({ lists })).toBe(false)
  expect(covered('/a/b', '/a/b/c', '/A/B', '/d/x')).toEqual([true, true, true, true])
  expect(covered('/a', '/a/bc', '/w/x', '/l/x', '/base/x')).toEqual([false, false, false, false, false])
})
