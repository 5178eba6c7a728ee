import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parentOf } from '../../src/policy/canonical.js'
import { compilePolicy, decide, maySeeInto } from '../../src/policy/policy.js'
import { rawPath, type AccessRequest, type BytePath, type PathAccess } from '../../src/policy/request.js'
import type { RuleList } from '../../src/policy/rules.js'
import { canonicalPath, pathAccess, pathRequest, ruleList, ruleLists } from '../arbitraries/policy.js'
import { law } from '../laws/law.js'
import { naivelyAllowed } from './naive-model.js'

const policyOf = (lists: readonly RuleList[]) => compilePolicy({ lists, sockets: [], mode: 'enforce' })
const allows = (lists: readonly RuleList[], access: PathAccess, path: BytePath) =>
  decide(policyOf(lists), { kind: 'path', access, path }).allowed

law('a decision equals the naive model', { cases: 3000 }, [ruleLists, pathRequest], (lists, request) => {
  fc.pre(request.access !== 'move')
  expect(decide(policyOf(lists), request).allowed).toBe(naivelyAllowed(lists, request))
})

law(
  'a further list never takes anything away, except that it may bind directories to their place',
  { cases: 2000 },
  [ruleLists, ruleList, pathRequest],
  (lists, more, request) => {
    fc.pre(request.access !== 'move')
    if (decide(policyOf(lists), request).allowed) expect(decide(policyOf([...lists, more]), request).allowed).toBe(true)
  },
)

law(
  'a further grant in a list never takes anything away',
  { cases: 2000 },
  [ruleLists, ruleList, ruleList, pathRequest],
  (lists, rules, more, request) => {
    fc.pre(request.access !== 'move')
    const before = [...lists, rules]
    const after = [...lists, [...rules, ...more.filter((rule) => rule.effect === 'grant')]]
    if (decide(policyOf(before), request).allowed) expect(decide(policyOf(after), request).allowed).toBe(true)
  },
)

law(
  'the order of lists and of rules does not matter',
  { cases: 2000 },
  [ruleLists, canonicalPath, canonicalPath, pathAccess],
  (lists, path, counterpart, access) => {
    const reversed = lists.map((rules) => rules.toReversed()).toReversed()
    const request = { kind: 'path', access, path, counterpart } as const
    expect(decide(policyOf(reversed), request).allowed).toBe(decide(policyOf(lists), request).allowed)
  },
)

law(
  'names may be looked up in every directory on the way to what may be looked at, whatever is excluded',
  { cases: 5000 },
  [ruleLists, canonicalPath],
  (lists, path) => {
    fc.pre(allows(lists, 'look', path))
    const policy = policyOf(lists)
    for (let at = path; at !== '/'; at = parentOf(at))
      expect([at, maySeeInto(policy, parentOf(at))]).toEqual([at, true])
  },
)

law(
  'every directory on the way to what may be used can be looked at, and a directory off the way only below a glob that grants',
  { cases: 3000 },
  [ruleLists, canonicalPath, pathAccess],
  (lists, path, access) => {
    const grants = lists.map((rules) => rules.filter(({ effect }) => effect === 'grant'))
    const asDirectory = (at: BytePath) =>
      decide(policyOf(grants), { kind: 'path', access: 'look', path: at, directory: true }).allowed
    const above = path
      .split('/')
      .slice(1)
      .map((_, depth, names) => rawPath(`/${names.slice(0, depth).join('/')}`))
    if (access !== 'move' && allows(grants, access, path)) expect(above.filter((at) => !asDirectory(at))).toEqual([])
    const isBelowAGlob = grants
      .flat()
      .some(({ shape, root }) => shape === 'glob' && (root === '/' || path === root || path.startsWith(`${root}/`)))
    if (!isBelowAGlob) expect(asDirectory(path)).toBe(allows(grants, 'look', path))
  },
)

law(
  'that a directory is there never matters for anything but a look, and never takes one away',
  { cases: 1000 },
  [ruleLists, pathRequest],
  (lists, request) => {
    const [plain, known] = [decide(policyOf(lists), request), decide(policyOf(lists), { ...request, directory: true })]
    if (request.access !== 'look') expect(known).toEqual(plain)
    else if (plain.allowed) expect(known.allowed).toBe(true)
  },
)

const everything = policyOf([
  [
    {
      effect: 'grant',
      access: 'write',
      shape: 'tree',
      root: rawPath('/'),
      aliases: [],
      source: '/',
      at: 'test',
    },
  ],
])
const special = fc.constantFrom('', '//', '/a/', '/a//b', '/./a', '/a/..', 'a', '/\0')
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'binary' }).map((rest) => `/${rest}`),
  special,
)

law(
  'whatever string stands for a path, there is an answer, and only canonical ones are allowed',
  { cases: 2000 },
  [text, pathAccess],
  (path, access) => {
    const { allowed } = decide(everything, { kind: 'path', access, path: rawPath(path) })
    const segments = path.slice(1).split('/')
    const isPlain = path.startsWith('/') && (path === '/' || !segments.some((name) => ['', '.', '..'].includes(name)))
    const isBytes = [...path].every((char) => char !== '\0' && char <= '\xff')
    expect(allowed).toBe(isPlain && isBytes && access !== 'execute')
  },
)

const anything = fc.record({
  family: fc.constantFrom('inet', 'unix', 'abstract'),
  protocol: fc.constantFrom('tcp', 'udp'),
  host: fc.string(),
  port: fc.integer(),
  path: fc.string(),
  name: fc.string(),
})

law(
  'any address has an answer',
  { cases: 300 },
  [anything, fc.constantFrom('connect', 'listen')],
  (address, access) => {
    // Deliberately loose: what reaches the policy from a broken decoder must be refused, too.
    const request = { kind: 'socket', access, address } as unknown as AccessRequest
    expect(decide(policyOf([]), request).allowed).toBe(false)
  },
)

let tried = 0
let moves = 0
law(
  'a directory that may be moved takes nothing out of reach and nothing into reach',
  { cases: 20_000 },
  [ruleLists, canonicalPath, canonicalPath, canonicalPath],
  (lists, from, to, below) => {
    tried++
    const policy = policyOf(lists)
    const isMove = (path: BytePath, counterpart: BytePath) =>
      decide(policy, { kind: 'path', access: 'move', path, counterpart }).allowed
    if (below === '/' || from === '/' || to === '/' || !isMove(from, to) || !isMove(to, from)) return
    if (lists.flat().some((rule) => rule.effect === 'exclude')) moves++
    for (const access of ['read', 'write'] as const) {
      const [before, after] = [rawPath(from + below), rawPath(to + below)]
      expect([access, allows(lists, access, after)]).toEqual([access, allows(lists, access, before)])
    }
  },
)

test('that law was put to the test', () => {
  expect(moves / tried).toBeGreaterThan(0.01)
})
