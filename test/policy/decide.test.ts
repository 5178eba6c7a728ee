import { describe, expect, test } from 'vitest'
import { auditGrant, compilePolicy, decide, Granted, type PathRule } from '../../src/policy/policy.js'
import { rawPath, type PathAccess, type PathRequest } from '../../src/policy/request.js'

/** `write +/a/` or `read !/a/*.key`: a rule as one would write it, already absolute. */
function rule(text: string): PathRule {
  const [, access = 'read', sign, path = '/'] = /^(\w+) ([+!])(.*)$/.exec(text) ?? []
  const base = { aliases: [], source: `${sign === '!' ? '!' : ''}${path}`, at: 'test' }
  const kind = {
    access: access === 'write' || access === 'execute' ? access : 'read',
    effect: sign === '!' ? 'exclude' : 'grant',
  } as const
  const fixed = path.split('/').findIndex((segment) => segment.includes('*'))
  if (fixed > 0) {
    const root = rawPath(path.split('/').slice(0, fixed).join('/') || '/')
    return { ...base, ...kind, shape: 'glob', root, pattern: path }
  }
  const root = rawPath(path === '/' ? '/' : path.replace(/\/$/, ''))
  return { ...base, ...kind, shape: path.endsWith('/') ? 'tree' : 'file', root }
}

const policyOf = (...lists: string[][]) =>
  compilePolicy({ lists: lists.map((rules) => rules.map(rule)), sockets: [], mode: 'enforce' })

function ask(lists: string[][], access: PathAccess, path: string, counterpart?: string): string {
  const request: PathRequest = { kind: 'path', access, path: rawPath(path) }
  const both = counterpart === undefined ? request : { ...request, counterpart: rawPath(counterpart) }
  const verdict = decide(policyOf(...lists), both)
  return verdict.allowed ? verdict.granted.how : verdict.reason.why
}

describe('what a grant covers', () => {
  test.each<[string, PathAccess, string, string]>([
    ['read +/mbog/', 'read', '/mbog', 'rule'],
    ['read +/mbog/', 'read', '/mbog/a/b', 'rule'],
    ['read +/mbog/', 'read', '/mbogos', 'no-grant'],
    ['read +/mbog/', 'look', '/mbogos/a', 'no-grant'],
    ['read +/a/f', 'read', '/a/f', 'rule'],
    ['read +/a/f', 'read', '/a/f/x', 'no-grant'],
    ['read +/a/f', 'read', '/a', 'no-grant'],
    ['read +/a/f', 'look', '/a', 'ancestor'],
    ['read +/a/f', 'look', '/', 'ancestor'],
    ['read +/a/f', 'write', '/a/f', 'weaker-grant'],
    ['write +/a/f', 'read', '/a/f', 'rule'],
    ['write +/a/f', 'execute', '/a/f', 'weaker-grant'],
    ['execute +/a/f', 'execute', '/a/f', 'rule'],
    ['execute +/a/f', 'read', '/a/f', 'rule'],
    ['execute +/a/f', 'write', '/a/f', 'weaker-grant'],
    ['read +/', 'read', '/', 'rule'],
    ['read +/', 'read', '/etc/passwd', 'rule'],
    ['read +/a/*.json', 'read', '/a/.x.json', 'rule'],
    ['read +/a/*.json', 'read', '/a/b/x.json', 'no-grant'],
    ['read +/a/*.json', 'read', '/a', 'no-grant'],
    ['read +/a/**', 'read', '/a', 'rule'],
    ['read +/a/**/*.json', 'read', '/a/line\nfeed/x.json', 'rule'],
    ['read +/a/(g)/*.ts', 'read', '/a/(g)/x.ts', 'rule'],
    ['read +/a/(g)/*.ts', 'read', '/a/g/x.ts', 'no-grant'],
    ['read +/**/a', 'read', '/a', 'rule'],
    ['read +/a/*/', 'read', '/a/b', 'rule'],
    ['read +/a/*/', 'read', '/a/b/c', 'rule'],
  ])('%s: %s %s is %s', (grant, access, path, expected) => {
    expect(ask([[grant]], access, path)).toBe(expected)
  })
})

describe('exclusions', () => {
  test.each<[string[][], PathAccess, string, string]>([
    [[['read +/a/', 'read !/a/b/']], 'read', '/a/b', 'excluded'],
    [[['read +/a/', 'read !/a/b/']], 'look', '/a/b/c', 'excluded'],
    [[['read +/a/', 'read !/a/b/']], 'read', '/a/bc', 'rule'],
    [[['read +/a/', 'read !/a/b/', 'read +/a/b/c/']], 'read', '/a/b/c/d', 'rule'],
    [[['read +/a/', 'read !/a/b/', 'read +/a/b/c/']], 'look', '/a/b', 'ancestor'],
    [[['read +/a/', 'read !/a/']], 'read', '/a/x', 'excluded'],
    [[['read +/a/', 'read !/a/b']], 'read', '/a/b/made-later', 'excluded'],
    [[['read +/a/**/*.ts', 'read !/a/b/']], 'read', '/a/b/x.ts', 'excluded'],
    [[['read +/a/', 'read +/a/keys/', 'read !/a/**/*.key']], 'read', '/a/keys/x.key', 'excluded'],
    [[['read +/a/', 'read !/a/**/*.key']], 'read', '/a/line\nfeed/x.key', 'excluded'],
    [[['read +/a/', 'read !/a/**/secret']], 'read', '/a/secret/below', 'excluded'],
    [[['read +/a/', 'read +/a/x.key', 'read !/a/**/*.key']], 'read', '/a/x.key', 'rule'],
    [[['read +/a/', 'read !/a/b/'], ['read +/a/b/']], 'read', '/a/b/x', 'rule'],
    [[['read +/a/', 'read !/a/b/'], ['write +/a/']], 'read', '/a/b/x', 'rule'],
  ])('%j: %s %s is %s', (lists, access, path, expected) => {
    expect(ask(lists, access, path)).toBe(expected)
  })
})

describe('moving a directory', () => {
  const glob = ['write +/a/', 'write !/a/**/*.key']
  test.each<[string[][], string, string | undefined, string]>([
    [[['write +/a/']], '/a/b', undefined, 'rule'],
    [[['write +/a/b']], '/a/b', undefined, 'moves-uncovered'],
    [[['write +/a/*']], '/a/b', undefined, 'moves-uncovered'],
    [[['read +/a/']], '/a/b', undefined, 'weaker-grant'],
    // The tree at each match, but not where more than the name decides.
    [[['write +/a/b*/']], '/a/b', undefined, 'rule'],
    [[['write +/a/b*/']], '/a/b/c', undefined, 'rule'],
    [[['write +/a/*!(c)/']], '/a/bd', undefined, 'moves-uncovered'],
    [[['write +/a/b*/', 'write !/a/b/c']], '/a/b', undefined, 'moves-excluded'],
    [[['write +/a/', 'write !/a/b/c/']], '/a/b', undefined, 'moves-excluded'],
    [[['write +/a/', 'write !/a/b/c/']], '/a/d', undefined, 'rule'],
    [[['write +/a/', 'write !/a/b/c/'], ['write +/a/']], '/a/b', undefined, 'rule'],
    [[glob], '/a/b', undefined, 'moves-excluded'],
    [[glob], '/a/b', '/a/c', 'rule'],
    [[glob], '/a/b', '/tmp/c', 'moves-excluded'],
    [[[...glob, 'write +/tmp/']], '/tmp/c', '/a/b', 'rule'],
    [[glob, ['read +/a/open/']], '/a/b', '/a/open/b', 'moves-excluded'],
    [[['write +/a/', 'write !/a/*/x.key']], '/a/b', '/a/c', 'moves-excluded'],
    [[glob, ['read +/a/**/mocks/@*']], '/a/b', '/a/c', 'rule'],
    [[glob, ['read +/a/**/mocks/@*']], '/a/b', '/a/mocks', 'moves-excluded'],
    [[glob, ['read +/a/**/mocks/@*']], '/a/b/mocks', '/a/b/c', 'moves-excluded'],
    [[glob, ['read +/a/**/x/mocks/@*']], '/a/b', '/a/x', 'moves-excluded'],
  ])('%j: %s to %s is %s', (lists, path, counterpart, expected) => {
    expect(ask(lists, 'move', path, counterpart)).toBe(expected)
  })

  test('into the reach of an exclusion is refused at the end that lies in it', () => {
    expect(ask([[...glob, 'write +/tmp/']], 'move', '/a/b', '/tmp/c')).toBe('moves-excluded')
  })
})

test('an alias and its ancestors may be looked at, not read', () => {
  const linked = { ...rule('read +/data/v1/'), aliases: [rawPath('/app/links/data')] }
  const policy = compilePolicy({ lists: [[linked]], sockets: [], mode: 'enforce' })
  const allows = (access: PathAccess, path: string) =>
    decide(policy, { kind: 'path', access, path: rawPath(path) }).allowed
  expect(allows('look', '/app/links/data')).toBe(true)
  expect(allows('look', '/app')).toBe(true)
  expect(allows('read', '/app/links/data')).toBe(false)
  expect(allows('look', '/app/links/other')).toBe(false)
})

test.each(['', 'a', '/a/', '//', '/a//b', '/./a', '/a/..', '/a\0', '/\u012f'])(
  '%j is refused, not normalised',
  (path) => expect(ask([['write +/']], 'write', path)).toBe('not-canonical'),
)

describe('the permission', () => {
  const request = { kind: 'path', access: 'read', path: rawPath('/a/f') } as const

  test('carries request, path and rule', () => {
    const verdict = decide(policyOf(['read +/a/']), request)
    const expected = { request, path: '/a/f', rule: { source: '/a/' }, how: 'rule' }
    expect(verdict.allowed && verdict.granted).toMatchObject(expected)
  })

  test('cannot be made by hand', () => {
    // @ts-expect-error -- the constructor is private
    expect(Granted.isGranted(new Granted(request, undefined, 'rule'))).toBe(true)
    const lookAlike = { request, rule: undefined, how: 'rule', path: request.path }
    // @ts-expect-error -- a private field makes the class nominal
    const forged: Granted = lookAlike
    expect(Granted.isGranted(forged)).toBe(false)
    expect(Granted.isGranted(Object.create(Granted.prototype))).toBe(false)
  })

  test('is to be had without a rule in audit mode only', () => {
    const audit = compilePolicy({ lists: [], sockets: [], mode: 'audit' })
    expect(decide(audit, request).allowed).toBe(false)
    expect(auditGrant(audit, request)).toMatchObject({ path: '/a/f', how: 'audit', rule: undefined })
    expect(() => auditGrant(policyOf(), request)).toThrow(TypeError)
  })
})

test('a malformed rule ends the start', () => {
  const relative = { ...rule('read +/a'), root: rawPath('a') }
  expect(() => compilePolicy({ lists: [[relative]], sockets: [], mode: 'enforce' })).toThrow(/not canonical/)
  const broken = { ...rule('read +/a/*'), pattern: '/a/[x' }
  expect(() => compilePolicy({ lists: [[broken]], sockets: [], mode: 'enforce' })).toThrow(/Missing closing/)
  const elsewhere = { ...rule('read +/a/*'), pattern: '/b/*' }
  expect(() => compilePolicy({ lists: [[elsewhere]], sockets: [], mode: 'enforce' })).toThrow(/does not start with/)
})
