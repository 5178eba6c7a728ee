/** What is protected cannot be changed under any grants, and is as readable as before; everything else is as it was. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePolicy, decide, type PathRule, type RuleList } from '../../src/policy/policy.js'
import { protect, type Protected } from '../../src/policy/protect.js'
import { bytePath, type PathRequest } from '../../src/policy/request.js'
import { law } from '../laws/law.js'

const names = fc.constantFrom('a', 'b', 'node_modules', 'kept')
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => bytePath(`/${parts.join('/')}`))

const rules = fc
  .record({
    root: paths,
    effect: fc.constantFrom('grant' as const, 'exclude' as const),
    shape: fc.constantFrom('file' as const, 'tree' as const),
    access: fc.constantFrom('read' as const, 'write' as const, 'content' as const),
  })
  .map((rule): PathRule => ({ ...rule, aliases: [], source: rule.root, at: 'test' }))
// The rules of one list have one access: a manifest's lists do.
const lists = fc.array(
  fc
    .tuple(fc.array(rules, { minLength: 1, maxLength: 4 }), fc.constantFrom('read' as const, 'write' as const))
    .map(([list, access]): RuleList => list.map((rule) => ({ ...rule, access }))),
  { maxLength: 3 },
)

const places: Protected = {
  trees: [bytePath('/a/kept')],
  files: [bytePath('/b')],
  unlessNamed: [bytePath('/node_modules')],
}

const isProtected = (path: string): boolean => /^\/a\/kept(?:\/|$)|^\/b$/.test(path)

function may(from: readonly RuleList[], access: PathRequest['access'], path: PathRequest['path']): boolean {
  return decide(compilePolicy({ mode: 'enforce', lists: from, sockets: [] }), { kind: 'path', access, path }).allowed
}

describe('grants around what is protected', () => {
  law('change nothing of it', { cases: 500 }, [lists, paths], (from, path) => {
    fc.pre(isProtected(path))
    for (const access of ['content', 'write', 'move'] as const)
      expect(may(protect(from, places), access, path)).toBe(false)
  })

  law('read what they read before', { cases: 500 }, [lists, paths], (from, path) => {
    expect(may(protect(from, places), 'read', path)).toBe(may(from, 'read', path))
  })

  law('give nothing that they did not give before', { cases: 500 }, [lists, paths], (from, path) => {
    for (const access of ['read', 'list', 'content', 'write', 'move'] as const)
      if (may(protect(from, places), access, path)) expect(may(from, access, path)).toBe(true)
  })
})

test('what an entry names in a directory that is protected as a whole stays granted', () => {
  const granted = (root: string): RuleList => [
    { effect: 'grant', access: 'write', shape: 'tree', root: bytePath(root), aliases: [], source: root, at: 'test' },
  ]
  const named = protect([granted('/node_modules/.cache')], places)
  expect(may(named, 'write', bytePath('/node_modules/.cache/x'))).toBe(true)
  const whole = protect([granted('/')], places)
  expect(may(whole, 'write', bytePath('/node_modules/.cache/x'))).toBe(false)
  expect(may(whole, 'write', bytePath('/other/x'))).toBe(true)
})
