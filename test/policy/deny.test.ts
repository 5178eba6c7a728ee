/** `deny`: refused whatever else is granted, and quietly. */
import { describe, expect, test } from 'vitest'
import { ManifestError } from '../../src/errors.js'
import { bindManifest } from '../../src/policy/bind.js'
import { explain } from '../../src/policy/explain.js'
import { compilePolicy, decide, quietly } from '../../src/policy/policy.js'
import { bytePath, rawPath, type PathAccess } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'

const context = {
  root: '/p',
  workspace: '/p',
  home: '/home/u',
  searchPath: [],
  lookup: (path: string) =>
    ({ kind: path.endsWith('dir') || path === '/' ? 'dir' : 'missing', real: rawPath(path) }) as const,
}

function policyOf(manifest: object) {
  const bound = bindManifest(parseOptions({ manifest }).manifest, context)
  expect(bound.problems).toEqual([])
  return compilePolicy({ ...bound, mode: 'enforce' })
}

const asked = (access: PathAccess, path: string) => ({ kind: 'path', access, path: bytePath(path) }) as const

describe('what it refuses', () => {
  const policy = policyOf({
    read: ['dir/', 'dir/deep/kept'],
    write: ['dir/out/'],
    deny: ['dir/x', { entry: 'dir/deep/', as: 'forbidden', why: 'a reason' }, '<secrets>'],
  })

  test.each([
    ['read', '/p/dir/a', true, undefined],
    ['read', '/p/dir/x', false, 'absent'],
    ['look', '/p/dir/x', false, 'absent'],
    ['read', '/p/dir/deep/b', false, 'forbidden'],
    ['read', '/p/dir/deep/kept', true, 'forbidden'],
    ['write', '/p/dir/out/a', true, undefined],
    ['write', '/p/dir/out/.env', false, 'absent'],
    ['read', '/home/u/.ssh/config', false, 'absent'],
    ['read', '/p/other', false, undefined],
  ] as const)('%s %s: %s, %s', (access, path, allowed, quiet) => {
    expect(decide(policy, asked(access, path)).allowed).toBe(allowed)
    expect(quietly(policy, bytePath(path))?.quiet).toBe(quiet)
  })

  test('holds for unix sockets as well', () => {
    const sockets = policyOf({
      connect: ['unix:dir/*.sock', 'unix:dir/deep/kept.sock'],
      deny: ['dir/x.sock', 'dir/deep/'],
    })
    const connects = (path: string): boolean =>
      decide(sockets, { kind: 'socket', access: 'connect', address: { family: 'unix', path: bytePath(path) } }).allowed
    expect(['a', 'x', 'deep/kept'].map((name) => connects(`/p/dir/${name}.sock`))).toEqual([true, false, true])
  })

  test('is told by explain', () => {
    expect(explain(policy, asked('read', '/p/dir/x')).text).toBe(
      "open /p/dir/x for reading: as if not there, without a violation, by 'dir/x' (manifest.deny[0])",
    )
    expect(explain(policy, asked('read', '/p/dir/deep/b')).text).toBe(
      "open /p/dir/deep/b for reading: refused, without a violation, by 'dir/deep/' (manifest.deny[1]): a reason",
    )
  })

  test('nothing is moved past it', () => {
    const moving = policyOf({ write: ['dir/'], deny: ['dir/sub/x'] })
    expect(decide(moving, asked('move', '/p/dir/sub')).allowed).toBe(false)
    expect(decide(moving, asked('move', '/p/dir/other')).allowed).toBe(true)
  })
})

test('what cannot be read', () => {
  const problems = (deny: unknown): unknown => {
    try {
      return parseOptions({ manifest: { deny } })
    } catch (error) {
      return error instanceof ManifestError ? error.problems : error
    }
  }
  expect(problems(['!x', { entry: 'a', as: 'gone' }])).toMatchObject([
    {
      at: 'manifest.deny[0]',
      expected: 'a path without !: what a longer entry grants is not refused',
      found: "'!x'",
      suggestion: 'x',
    },
    { at: 'manifest.deny[1]' },
  ])
  expect(() => parseOptions({ manifest: { read: ['<secrets>'] } })).toThrow(
    '!<secrets>: a secret is granted by its own name',
  )
})
