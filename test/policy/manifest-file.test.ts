import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManifestError } from '../../src/errors.js'
import { bindOptions } from '../../src/policy/bind.js'
import { listKeys } from '../../src/policy/lists.js'
import type { ManifestFile } from '../../src/policy/manifest.js'
import { parseOptions, withManifestFile } from '../../src/policy/schema.js'

const FILE = './seccomp.manifest.json'
const options = parseOptions({ manifest: FILE, files: { 'test/a/**': { read: ['a'] } } })
const load = (text: string | undefined) => withManifestFile(options, FILE, text)

function messageOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof ManifestError) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}

test('a file holds what the config could, and both lists of test files apply', () => {
  const written: ManifestFile = {
    $schema: './node_modules/vitest-pool-seccomp/dist/manifest.schema.json',
    manifest: { read: ['fixtures/', { entry: '/etc/hostname', why: 'the test of os.hostname() compares' }] },
    files: { 'test/db/**': { connect: ['tcp:127.0.0.1:5432'] } },
  }
  const loaded = load(JSON.stringify(written))
  expect(loaded.manifest.read).toMatchObject([
    { source: 'fixtures/' },
    { source: '/etc/hostname', why: 'the test of os.hostname() compares' },
  ])
  expect(loaded.files).toMatchObject([{ glob: 'test/db/**', from: FILE }, { glob: 'test/a/**' }])
})

test('until its file is read, a manifest grants nothing', () => {
  expect(options.manifest).toEqual(parseOptions({}).manifest)
})

test('mistakes are told as for an object, with the name of the file', () => {
  const wrong = {
    manifest: { reads: [], read: ['fixtures\\x', { entry: 'a' }, 7] },
    file: {},
    files: { 'test/**': { connect: ['localhost:1'] } },
  }
  expect(messageOf(() => load(JSON.stringify(wrong)))).toBe(`The seccomp pool's options have 6 problems:
  ./seccomp.manifest.json: manifest.read[0]
    expected: forward slashes (a backslash separates nothing and escapes nothing)
    found:    'fixtures\\\\x'
    write:    fixtures/x
  ./seccomp.manifest.json: manifest.read[1]
    expected: a string, or { entry: '…', why: '…' }
    found:    an object
  ./seccomp.manifest.json: manifest.read[2]
    expected: a string, or { entry: '…', why: '…' }
    found:    7
    write:    '7'
  ./seccomp.manifest.json: manifest.reads
    expected: 'list', 'read', 'write', 'exec', 'connect', 'listen', 'deny', 'use' or 'resources'
    found:    'reads'
    write:    read
  ./seccomp.manifest.json: files["test/**"].connect[0]
    expected: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'
    found:    'localhost:1'
    write:    tcp:localhost:1
  ./seccomp.manifest.json: file
    expected: 'manifest', 'files', 'runner' or '$schema'
    found:    'file'
    write:    files`)
})

test('an entry that cannot be bound is told with the name of the file', () => {
  const context = {
    root: '/p',
    workspace: '/p',
    home: '/h',
    searchPath: [],
    tmp: '/t',
    file: '/p',
    lookup: () => ({ kind: 'dir' as const, real: '/p/dir' as never }),
  }
  const loaded = load(JSON.stringify({ files: { '**': { read: ['dir'] } } }))
  expect(messageOf(() => bindOptions({ ...loaded, files: loaded.files.slice(0, 1) }, context)))
    .toBe(`The seccomp pool's options have one problem:
  ./seccomp.manifest.json: files["**"].read[0]
    expected: a slash after a directory
    found:    'dir' (/p/dir), a directory
    write:    dir/`)
})

test('a file that is not there, and one that is not JSON', () => {
  expect(messageOf(() => load(undefined))).toBe(`The seccomp pool's options have one problem:
  manifest
    expected: the path of a manifest file, relative to the Vitest root
    found:    './seccomp.manifest.json', which does not exist
    write:    npx vitest-seccomp record -- vitest run   (on the command line: it makes one)`)
  expect(messageOf(() => withManifestFile(options, FILE, undefined, '/p/seccomp.manifest.json'))).toContain(
    "found:    './seccomp.manifest.json' (/p/seccomp.manifest.json), which does not exist",
  )
  expect(messageOf(() => load('{ "manifest": {}, // nothing\n }'))).toMatch(
    /^The seccomp pool's options have one problem:\n {2}\.\/seccomp\.manifest\.json\n {4}expected: JSON, without comments \(a reason goes into \{ entry, why \}\)\n {4}found: {4}\S/,
  )
})

describe('the published JSON schema', () => {
  const schema = JSON.parse(readFileSync(new URL('../../dist/manifest.schema.json', import.meta.url), 'utf8'))
  const accepts = new Ajv().compile(schema)
  /** Entries that are well written, so that only the shape is in question. */
  const entry = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('tcp:127.0.0.1:80', 'unix:/run/x.sock') },
    { weight: 6, arbitrary: fc.record({ entry: fc.constant('tcp:127.0.0.1:80'), why: fc.string() }) },
    fc.record(
      { entry: fc.constant('tcp:127.0.0.1:80'), why: fc.oneof(fc.string(), fc.integer()), more: fc.string() },
      { requiredKeys: [] },
    ),
    fc.constantFrom(1, null, [], {}),
  )
  const list = fc.oneof(
    { weight: 6, arbitrary: fc.array(entry, { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>('a', 1, null, {}) },
  )
  const key = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('connect', 'listen') },
    { weight: 1, arbitrary: fc.constantFrom('resources', 'reads') },
  )
  const aManifest = fc.oneof(
    { weight: 6, arbitrary: fc.dictionary(key, list, { maxKeys: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>([], 'a', null, 1) },
  )
  const parts = {
    $schema: fc.oneof({ weight: 9, arbitrary: fc.string() }, { weight: 1, arbitrary: fc.integer() }),
    manifest: aManifest,
    files: fc.oneof(
      { weight: 9, arbitrary: fc.dictionary(fc.constantFrom('test/**', 'a.test.ts'), aManifest, { maxKeys: 2 }) },
      { weight: 1, arbitrary: fc.constant([]) },
    ),
  }
  const aFile = fc.oneof(
    { weight: 9, arbitrary: fc.record(parts, { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.record({ ...parts, mode: fc.constant('audit') }, { requiredKeys: ['mode'] }) },
  )

  test('takes what the parser takes, and nothing else, as far as shapes go', () => {
    let taken = 0
    fc.assert(
      fc.property(aFile, (written) => {
        const isTaken = isParsed(written)
        if (isTaken) taken++
        expect(accepts(written)).toBe(isTaken)
      }),
      { numRuns: 2000 },
    )
    expect(taken).toBeGreaterThan(200)
    expect(taken).toBeLessThan(1900)
  })

  test('describes every list', () => {
    for (const name of listKeys) expect(schema.properties.manifest.properties[name].description).toMatch(/\w/)
  })
})

function isParsed(written: unknown): boolean {
  try {
    load(JSON.stringify(written))
    return true
  } catch (error) {
    if (error instanceof ManifestError) return false
    throw error
  }
}
