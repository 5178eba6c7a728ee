import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManifestError } from '../../src/errors.js'
import type { Looked } from '../../src/policy/bind-paths.js'
import { bindOptions } from '../../src/policy/bind.js'
import { anchorsOf } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'

function problemsOf(options: unknown): readonly string[] {
  try {
    parseOptions(options)
  } catch (error) {
    if (error instanceof ManifestError)
      return error.problems.map(
        ({ at, expected, found, suggestion }) =>
          `${at}: ${expected}; ${found}${suggestion === undefined ? '' : `; ${suggestion}`}`,
      )
    throw error
  }
  return []
}

const ofOne = (entry: unknown): readonly string[] => problemsOf({ manifest: { resources: { it: entry } } })

const context = {
  root: '/w',
  workspace: '/w',
  home: '/h',
  searchPath: [],
  tmp: '/t',
  file: '/w/test',
  addresses: new Map([['db.test', ['10.0.0.1', '10.0.0.2']]]),
  lookup: (path: string): Looked => ({
    kind: path.endsWith('dir') ? 'dir' : 'missing',
    real: rawPath(path.replace('/w/link', '/real')),
  }),
}

function bound(entry: object): unknown {
  return bindOptions(parseOptions({ manifest: { resources: { it: entry } } }), context).resources[0]?.use
}

describe('what is right', () => {
  test.each<[object]>([
    [{ read: 'seed.sql' }],
    [{ read: 'dir/' }],
    [{ write: '<tmp>/log', create: true, append: true, truncate: false }],
    [{ write: 'dir/' }],
    [{ connect: 'tcp:db.test:5432' }],
    [{ connect: 'tcp:[::1]:1' }],
    [{ connect: 'udp:localhost:53' }],
    [{ connect: 'unix:/run/x.sock' }],
    [{ connect: 'unix:@x' }],
    [{ listen: 'tcp:127.0.0.1:0' }],
    [{ listen: 'tcp:localhost:0', backlog: 5 }],
    [{ listen: 'udp:[::1]:0' }],
    [{ listen: 'unix:<tmp>/x.sock', share: 'worker' }],
    [{ listen: 'tcp:127.0.0.1:8080', share: 'run' }],
    [{ listen: 'unix:/run/x.sock', share: 'run' }],
    [{ listen: 'unix:@x', share: 'run' }],
  ])('%j', (entry) => {
    expect(ofOne(entry)).toEqual([])
  })

  test('addresses in the order in which they are tried', () => {
    expect(bound({ connect: 'tcp:db.test:5432' })).toMatchObject({
      addresses: [
        { host: '10.0.0.1', port: 5432 },
        { host: '10.0.0.2', port: 5432 },
      ],
    })
    expect(bound({ connect: 'tcp:localhost:80' })).toMatchObject({
      addresses: [{ host: '127.0.0.1' }, { host: '::1' }],
    })
    expect(bound({ connect: 'tcp:unknown.test:80' })).toMatchObject({ addresses: [] })
    expect(bound({ connect: 'udp:10.1.2.3:80' })).toMatchObject({
      addresses: [{ protocol: 'udp', host: '10.1.2.3', port: 80 }],
    })
  })

  test('paths as they really are; nothing may put a link in their place', () => {
    expect(bound({ read: 'link/x' })).toMatchObject({
      how: 'open',
      rule: { root: '/real/x', shape: 'file', aliases: ['/w/link/x'] },
    })
    const { resources } = bindOptions(
      parseOptions({
        manifest: { resources: { a: { read: 'link/x' }, b: { connect: 'unix:s' }, c: { listen: 'unix:<tmp>/l' } } },
      }),
      context,
    )
    expect(anchorsOf({ lists: [], sockets: [], resources })).toEqual(['/real/x', '/w/link/x', '/w/s', '/t/l'])
  })

  test("a test file has the manifest's and its own", () => {
    const options = parseOptions({
      manifest: { resources: { a: { read: 'a' }, b: { read: 'b' } } },
      files: { 'test/x/**': { resources: { b: { write: 'c' } } } },
    })
    const names = (file: string): unknown =>
      bindOptions(options, context, file).resources.map(
        ({ name, use }) => `${name} ${use.how === 'open' ? use.rule.root : ''}`,
      )
    expect(names('test/y.test.ts')).toEqual(['a /w/a', 'b /w/b'])
    expect(names('test/x/y.test.ts')).toEqual(['a /w/a', 'b /w/b', 'b /w/c'])
  })
})

describe('what is wrong is told, with its place and what to write', () => {
  test.each<[unknown, string]>([
    [
      'tcp:127.0.0.1:80',
      "manifest.resources.it: an object such as { connect: 'tcp:127.0.0.1:5432' }; 'tcp:127.0.0.1:80'",
    ],
    [{}, "manifest.resources.it: exactly one of 'read', 'write', 'connect', 'listen' and 'pair'; an empty object"],
    [
      { conect: 'unix:/x' },
      "manifest.resources.it: exactly one of 'read', 'write', 'connect', 'listen' and 'pair'; 'conect'; connect",
    ],
    [
      { read: 'a', write: 'a' },
      "manifest.resources.it: exactly one of 'read', 'write', 'connect', 'listen' and 'pair'; 'read' or 'write'; write alone, which includes reading",
    ],
    [{ exec: 'git' }, "manifest.resources.it: exactly one of 'read', 'write', 'connect', 'listen' and 'pair'; 'exec'"],
    [{ read: 7 }, 'manifest.resources.it.read: a string; 7'],
    [{ read: '*.txt' }, "manifest.resources.it.read: the path of one file, or of a directory: 'dir/'; '*.txt'"],
    [{ read: '!a' }, "manifest.resources.it.read: the path of one file, or of a directory: 'dir/'; '!a'"],
    [
      { read: 'a\\b' },
      "manifest.resources.it.read: forward slashes (a backslash separates nothing and escapes nothing); 'a\\\\b'; a/b",
    ],
    [{ read: 'a', create: true }, "manifest.resources.it.create: nothing beside read; 'create'"],
    [{ write: 'dir/', create: true }, "manifest.resources.it.create: create only for a file; 'dir/', a directory"],
    [{ write: 'a', creat: true }, "manifest.resources.it.creat: 'create', 'truncate' or 'append'; 'creat'; create"],
    [{ write: 'a', create: 'yes' }, "manifest.resources.it.create: true or false; 'yes'"],
    [
      { connect: 'tcp:127.0.0.1:*' },
      "manifest.resources.it.connect: one address: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'; 'tcp:127.0.0.1:*'",
    ],
    [
      { connect: 'tcp:10.0.0.0/8:1' },
      "manifest.resources.it.connect: one address: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'; 'tcp:10.0.0.0/8:1'",
    ],
    [
      { connect: 'localhost:1' },
      "manifest.resources.it.connect: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'; 'localhost:1'; tcp:localhost:1",
    ],
    [
      { connect: 'unix:/run/*.sock' },
      "manifest.resources.it.connect: one address: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'; 'unix:/run/*.sock'",
    ],
    [
      { listen: 'tcp:a.test:0' },
      "manifest.resources.it.listen: one address of this machine: 'tcp:127.0.0.1:0', 'udp:[::1]:0', 'unix:<tmp>/x.sock'; 'tcp:a.test:0'",
    ],
    [
      { listen: 'tcp:127.0.0.1:8080' },
      "manifest.resources.it.listen: port 0, a free one for each worker, or share: 'run'; 'tcp:127.0.0.1:8080', which two workers could want at once; share: 'run'",
    ],
    [
      { listen: 'unix:/run/x.sock' },
      "manifest.resources.it.listen: a path below <tmp>/, which each worker has for itself, or share: 'run'; 'unix:/run/x.sock', which two workers could want at once; share: 'run'",
    ],
    [
      { listen: 'unix:@x' },
      "manifest.resources.it.listen: a path below <tmp>/, which each worker has for itself, or share: 'run'; 'unix:@x', which two workers could want at once; share: 'run'",
    ],
    [
      { listen: 'unix:<tmp>/x', share: 'run' },
      "manifest.resources.it.listen: a path that is the same for every test file; 'unix:<tmp>/x'",
    ],
    [{ listen: 'tcp:127.0.0.1:0', share: 'all' }, "manifest.resources.it.share: 'worker' or 'run'; 'all'"],
    [{ listen: 'tcp:127.0.0.1:0', backlog: 0 }, 'manifest.resources.it.backlog: a whole number from 1 to 65535; 0'],
    [{ pair: '' }, "manifest.resources.it.pair: a name, the same for both ends; '' (an empty string)"],
  ])('%j', (entry, problem) => {
    expect(ofOne(entry)).toEqual([problem])
  })

  test.each(['', '1st', '__proto__', 'a b', 'a/b', 'é', 'a'.repeat(65)])('the name %j', (name) => {
    const resources: unknown = JSON.parse(`{ ${JSON.stringify(name)}: { "read": "a" } }`)
    expect(problemsOf({ manifest: { resources } })).toEqual([
      expect.stringContaining("a name that starts with a letter and has letters, digits, '_', '-' and '.', at most 64"),
    ])
  })

  test.each(['constructor', 'toString', 'hasOwnProperty', 'prototype'])('%s is a name like any other', (name) => {
    expect(
      bindOptions(parseOptions({ manifest: { resources: { [name]: { read: 'a' } } } }), context).resources.map(
        (one) => one.name,
      ),
    ).toEqual([name])
  })

  test('a pair has two ends, no more and no less, wherever they are', () => {
    const pair = { pair: 'line' }
    expect(ofOne(pair)).toEqual([
      "manifest.resources.it.pair: two resources with the pair 'line', one for each end; 'it'; a second resource: { pair: 'line' }",
    ])
    expect(
      problemsOf({ manifest: { resources: { a: pair } }, files: { 'b.test.ts': { resources: { b: pair } } } }),
    ).toEqual([])
    expect(
      problemsOf({
        files: { 'a.test.ts': { resources: { a: pair } }, 'b.test.ts': { resources: { b: pair, c: pair } } },
      }),
    ).toEqual([
      "files[\"a.test.ts\"].resources.a.pair: two resources with the pair 'line', one for each end; 'a', 'b' and 'c'",
    ])
  })

  test('all of it at once, with the other mistakes', () => {
    expect(
      problemsOf({
        manifest: { reads: [], resources: { a: { read: 1 }, 'b c': {}, d: { connect: 'x', listen: 'y' } } },
      }),
    ).toHaveLength(4)
    expect(problemsOf({ manifest: { resources: [] } })).toEqual(['manifest.resources: an object; an empty array'])
  })

  test('whatever it is, it is read or told', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string(),
          fc.oneof(
            fc.jsonValue(),
            fc.dictionary(
              fc.constantFrom('read', 'write', 'connect', 'listen', 'pair', 'share', 'backlog', 'create', 'x'),
              fc.oneof(fc.constantFrom('a', 'dir/', 'tcp:127.0.0.1:0', 'unix:<tmp>/x', 'run', true, 5), fc.jsonValue()),
              { maxKeys: 3 },
            ),
          ),
          { maxKeys: 3 },
        ),
        (resources) => {
          for (const problem of problemsOf({ manifest: { resources } })) expect(problem).toMatch(/^manifest\.resources/)
        },
      ),
      { numRuns: 2000 },
    )
  })
})
