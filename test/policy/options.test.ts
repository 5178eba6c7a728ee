import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManifestError, type ManifestProblem } from '../../src/errors.js'
import { passesEnv } from '../../src/policy/env-names.js'
import { filesFor } from '../../src/policy/file-globs.js'
import { parseOptions } from '../../src/policy/schema.js'

function problemsOf(input: unknown): readonly ManifestProblem[] {
  try {
    parseOptions(input)
    return []
  } catch (error) {
    if (error instanceof ManifestError) return error.problems
    throw error
  }
}

test('nothing at all is a manifest that grants nothing', () => {
  const manifest = {
    list: [],
    read: [],
    write: [],
    exec: [],
    connect: [],
    listen: [],
    deny: [],
    use: [],
    resources: [],
  }
  const choices = {
    mode: 'enforce',
    onViolation: 'fail',
    onUnsupported: 'error',
    denied: 'eacces',
    leaks: 'off',
    unsafe: [],
  }
  const defaults = { manifest, files: [], ...choices }
  expect(parseOptions(undefined)).toEqual(defaults)
  expect(parseOptions({})).toEqual(defaults)
})

test('the text of an error names every problem, its place and the way out', () => {
  const wrong = {
    manifest: { reads: ['src/'], read: ['fixtures\\x', '<temp>/'], connect: ['localhost:5432'] },
    files: { 'test/db/**': { conect: [] } },
    mode: 'enforced',
  }
  expect(() => parseOptions(wrong)).toThrow(new ManifestError(problemsOf(wrong)))
  expect(new ManifestError(problemsOf(wrong)).message).toBe(`The seccomp pool's options have 6 problems:
  manifest.read[0]
    expected: forward slashes (a backslash separates nothing and escapes nothing)
    found:    'fixtures\\\\x'
    write:    fixtures/x
  manifest.read[1]
    expected: '<root>', '<workspace>', '<tmp>', '<home>' or '<file>'
    found:    '<temp>/'
    write:    <tmp>/
  manifest.connect[0]
    expected: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'
    found:    'localhost:5432'
    write:    tcp:localhost:5432
  manifest.reads
    expected: 'list', 'read', 'write', 'exec', 'connect', 'listen', 'deny', 'use' or 'resources'
    found:    'reads'
    write:    read
  files["test/db/**"].conect
    expected: 'list', 'read', 'write', 'exec', 'connect', 'listen', 'deny', 'use' or 'resources'
    found:    'conect'
    write:    connect
  mode
    expected: 'enforce' or 'audit'
    found:    'enforced'
    write:    'enforce'`)
})

test('a promise is given up by its whole name only', () => {
  const known = ['exec-without-landlock', 'network']
  expect(parseOptions({ unsafe: known }).unsafe).toEqual(known)
  expect(problemsOf({ unsafe: ['exec'] })).toMatchObject([
    { at: 'unsafe[0]', expected: "'exec-without-landlock' or 'network'", found: "'exec'" },
  ])
  expect(problemsOf({ unsafe: true })).toMatchObject([{ at: 'unsafe', expected: 'an array of strings' }])
})

describe('a path entry', () => {
  test.each<[string, string | undefined]>([
    ['', undefined],
    ['!', undefined],
    ['a\0', undefined],
    ['a/[b', undefined],
    ['*/../x', undefined],
    ['http://x/y', undefined],
    ['x<tmp>/y', undefined],
    ['file:///%', undefined],
    ['~/x', '<home>/x'],
    ['!~/x', '!<home>/x'],
    ['$HOME/x', '<home>/x'],
    ['!${TMPDIR}/', '!<tmp>/'],
    ['$PWD', '<root>/'],
    ['file:///a/b%20c', '/a/b c'],
    ['!!c', '!c'],
    ['..', '../'],
    ['.', './'],
    ['<tmp>', '<tmp>/'],
    ['<tmp>x', '<tmp>/x'],
    ['<Root>/x', '<root>/x'],
    ['!<hom>/x', '!<home>/x'],
    [' a', 'a'],
    ['a\\b', 'a/b'],
  ])('%j is refused, %j suggested', (entry, suggestion) => {
    const [problem, ...more] = problemsOf({ manifest: { read: [entry] } })
    expect(more).toEqual([])
    expect(problem).toMatchObject({ at: 'manifest.read[0]' })
    expect(problem?.suggestion).toBe(suggestion)
  })

  test.each<[string, object]>([
    ['src/', { effect: 'grant', shape: 'tree', anchor: 'root', path: 'src' }],
    ['./src//a/../b', { shape: 'file', anchor: 'root', path: 'src/b' }],
    ['../shared/', { shape: 'tree', path: '../shared' }],
    ['./', { shape: 'tree', anchor: 'root', path: '' }],
    ['/', { shape: 'tree', anchor: '/', path: '' }],
    ['<tmp>/', { shape: 'tree', anchor: 'tmp', path: '' }],
    ['!<workspace>/a/*.key', { effect: 'exclude', shape: 'glob', anchor: 'workspace', path: 'a', rest: '*.key' }],
    ['/*', { shape: 'glob', anchor: '/', path: '', rest: '*' }],
    ['$id/x', { shape: 'file', path: '$id/x' }],
    ['./$HOME/x', { shape: 'file', path: '$HOME/x' }],
    ['app/(group)/x', { shape: 'file', path: 'app/(group)/x' }],
    ['@(a|b)/x', { shape: 'glob', path: '', rest: '@(a|b)/x' }],
  ])('%s', (entry, parsed) => {
    expect(parseOptions({ manifest: { read: [entry] } }).manifest.read[0]).toMatchObject({ ...parsed, source: entry })
  })
})

describe('an exec entry', () => {
  test.each<[string, object]>([
    ['git', { program: 'git' }],
    ['g++', { program: 'g++' }],
    ['./git', { shape: 'file', path: 'git' }],
    ['bin/', { shape: 'tree' }],
    ['bin*', { shape: 'glob' }],
  ])('%s', (entry, parsed) => {
    expect(parseOptions({ manifest: { exec: [entry] } }).manifest.exec[0]).toMatchObject(parsed)
  })
})

describe('an address', () => {
  test.each<[string, string | undefined]>([
    ['', undefined],
    ['tcp:h:99999', undefined],
    ['tcp:h:0', undefined],
    ['tcp:1.2.3:80', undefined],
    ['unix:@', undefined],
    ['!tcp:h:1', undefined],
    ['tcp:10.0.0.0/33:1', undefined],
    ['tcp:a b:1', undefined],
    ['localhost:5432', 'tcp:localhost:5432'],
    ['db:5432', 'tcp:db:5432'],
    ['[::1]:80', 'tcp:[::1]:80'],
    ['tcp:80', 'tcp:localhost:80'],
    ['tcp:localhost', 'tcp:localhost:*'],
    ['tcp:::1:80', 'tcp:[::1]:80'],
    ['tcp://db:1', 'tcp:db:1'],
    ['http://x.org/y', 'tcp:x.org:80'],
    ['redis://h', 'tcp:h:6379'],
    ['tpc:h:80', 'tcp:h:80'],
    ['/run/x', 'unix:/run/x'],
    ['unix:///x', 'unix:/x'],
    ['unix:/run/', 'unix:/run/**'],
    ['unix:~/x', 'unix:<home>/x'],
    ['tcp:10.1.2.3/8:80', 'tcp:10.0.0.0/8:80'],
    ['tcp:h:9-3', 'tcp:h:3-9'],
  ])('%j is refused, %j suggested', (entry, suggestion) => {
    const [problem, ...more] = problemsOf({ manifest: { connect: [entry] } })
    expect(more).toEqual([])
    expect(problem).toMatchObject({ at: 'manifest.connect[0]' })
    expect(problem?.suggestion).toBe(suggestion)
  })

  test('in a URL does not give its password away', () => {
    const { message } = new ManifestError(problemsOf({ manifest: { connect: ['postgres://joe:s3cr3t/@db/x'] } }))
    expect(message).not.toContain('s3cr3t')
    expect(message).toContain('tcp:db:5432')
  })

  test('to listen on may have port 0', () => {
    expect(problemsOf({ manifest: { listen: ['tcp:127.0.0.1:0'] } })).toEqual([])
  })
})

describe('report and leaks', () => {
  test.each<[object, string, string, string | undefined]>([
    [{ report: 'x.html' }, 'report', 'an object', undefined],
    [{ report: { htm: 'x' } }, 'report.htm', "'html' or 'json'", 'html'],
    [{ report: { html: '' } }, 'report.html', 'the path of a file to write', undefined],
    [{ report: { json: 'out/' } }, 'report.json', 'the path of a file to write', undefined],
    [
      { report: { json: '<tmp>/x.json' } },
      'report.json',
      'the path of a file to write, without placeholders',
      undefined,
    ],
    [{ leaks: 'fails' }, 'leaks', "'off', 'warn' or 'fail'", "'fail'"],
    [{ leaks: true }, 'leaks', "'off', 'warn' or 'fail'", undefined],
  ])('%j', (given, at, expected, suggestion) => {
    const [problem, ...more] = problemsOf(given)
    expect(more).toEqual([])
    expect([problem?.at, problem?.expected, problem?.suggestion]).toEqual([at, expected, suggestion])
  })

  test('are read', () => {
    expect(parseOptions({ report: { html: 'r/x.html' }, leaks: 'warn' })).toMatchObject({
      report: { html: 'r/x.html' },
      leaks: 'warn',
    })
  })
})

describe('env', () => {
  test.each<[string, string | undefined]>([
    ['', undefined],
    ['A B', undefined],
    ['A,B', undefined],
    ['a[b]', undefined],
    ['$HOME', 'HOME'],
    ['${HOME}', 'HOME'],
    [' CI', 'CI'],
    ['TOKEN=s3cr3t', 'TOKEN'],
  ])('%j is refused, %j suggested', (name, suggestion) => {
    const [problem, ...more] = problemsOf({ env: { pass: [name] } })
    expect(more).toEqual([])
    expect(problem?.at).toBe('env.pass[0]')
    expect(problem?.suggestion).toBe(suggestion)
    expect(JSON.stringify(problem)).not.toContain('s3cr3t')
  })

  test('a key of it that is none', () => {
    expect(problemsOf({ env: { pas: [] } })).toEqual([
      { at: 'env.pas', expected: "'pass'", found: "'pas'", suggestion: 'pass' },
    ])
  })

  test('nothing named is nothing passed; not there at all is everything', () => {
    expect(parseOptions({ env: {} }).env).toEqual({ pass: [] })
    expect(parseOptions({})).not.toHaveProperty('env')
  })

  test.each<[string, string, boolean]>([
    ['CI', 'CI', true],
    ['CI', 'CIRCLE', false],
    ['CI', 'ci', false],
    ['npm_*', 'npm_config_x', true],
    ['npm_*', 'xnpm_a', false],
    ['*', 'A\nB', true],
    ['A.B', 'AxB', false],
    ['*_TOKEN', 'GH_TOKEN', true],
    ['A*C', 'AC', true],
  ])('%j passes %j: %s', (entry, name, passes) => expect(passesEnv([entry], name)).toBe(passes))
})

describe('the shape', () => {
  test.each<[unknown, string, string | undefined]>([
    [[], 'options', undefined],
    ['x', 'options', undefined],
    [{ manifest: [] }, 'manifest', undefined],
    [{ manifest: { read: 'a,b' } }, 'manifest.read', "['a', 'b']"],
    [{ manifest: { read: [3] } }, 'manifest.read[0]', "'3'"],
    [{ manifest: { resources: { db: 1 } } }, 'manifest.resources.db', undefined],
    [{ read: [] }, 'read', 'manifest: { read: … }'],
    [{ manifest: { mode: 'audit' } }, 'manifest.mode', 'mode beside manifest, not inside'],
    [{ files: { a: null } }, 'files.a', undefined],
    [{ files: { './a': {} } }, 'files["./a"]', 'a'],
    [{ files: { 'b/': {} } }, 'files["b/"]', 'b/**'],
    [{ denied: 'hidden' }, 'denied', "'hide'"],
  ])('%j: %s', (input, at, suggestion) => {
    const [problem, ...more] = problemsOf(input)
    expect(more).toEqual([])
    expect([problem?.at, problem?.suggestion]).toEqual([at, suggestion])
  })

  test('every unknown key is named, not just the first', () => {
    expect(problemsOf({ a1: 1, b2: 2, manifest: { c3: 1, d4: 2 } }).map(({ at }) => at)).toEqual([
      'manifest.c3',
      'manifest.d4',
      'a1',
      'b2',
    ])
  })
})

test('any JSON value is either options or one ManifestError', () => {
  const start = fc.constantFrom('', 'tcp:', 'unix:', '!', '<', '<tmp>', '[', '{', '@(', '\\', '//', '..', 'file:/%')
  const entry = fc.tuple(start, fc.string()).map((parts) => parts.join(''))
  const list = fc.oneof(fc.array(entry), fc.jsonValue())
  const lists = { read: list, write: list, exec: list, connect: list, listen: list, resources: fc.jsonValue() }
  const manifest = fc.oneof(fc.record(lists, { requiredKeys: [] }), fc.jsonValue())
  const files = fc.dictionary(entry, manifest)
  const input = fc.oneof(fc.jsonValue(), fc.record({ manifest, files, mode: fc.jsonValue() }, { requiredKeys: [] }))
  // `problemsOf` lets every other exception through.
  fc.assert(
    fc.property(input, (value) => void problemsOf(value)),
    { numRuns: 2000 },
  )
})

test('files apply to a test file by glob, all that match, in order', () => {
  const options = parseOptions({ files: { 'test/**': {}, 'test/db/*.test.ts': {}, 'other/**': {} } })
  expect(filesFor(options, 'test/db/a.test.ts').map(({ glob }) => glob)).toEqual(['test/**', 'test/db/*.test.ts'])
})
