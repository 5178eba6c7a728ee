import { describe, expect, test } from 'vitest'
import { baseGrants, sourceGrants, type BaseFacts } from '../../src/policy/base.js'
import type { Looked } from '../../src/policy/bind.js'
import { explain } from '../../src/policy/explain.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { rawPath, type BytePath, type PathAccess } from '../../src/policy/request.js'
import type { PathRule } from '../../src/policy/rules.js'

const files = ['/etc/hosts', '/dev/null', '/dev/urandom', '/opt/node', '/etc/openssl[1].cnf', '/proc/meminfo']

function lookup(path: BytePath): Looked {
  if (path === '/lib') return { kind: 'dir', real: rawPath('/usr/lib') }
  if (path === '/etc/localtime') return { kind: 'file', real: rawPath('/usr/share/zoneinfo/UTC') }
  if (path === '/etc/resolv.conf') return { kind: 'dangling', target: '/run/gone' }
  if (path === '/lib64') return { kind: 'missing', real: path }
  if (path.endsWith('.snap')) return { kind: 'missing', real: path }
  return { kind: files.includes(path) ? 'file' : 'dir', real: path }
}

const facts: BaseFacts = {
  lookup,
  nodeExec: '/opt/node',
  nodeModules: ['/app/[x]/node_modules'],
  packageDir: '/app/pool',
  sourceDirs: ['/app/[x]'],
  searchPath: ['/opt/tools/bin', '/gone'],
  home: '/home/me',
  opensslConf: '/etc/openssl[1].cnf',
  snapshots: { paths: ['/app/__snapshots__/a.snap'], inline: [], write: false },
}

const lists = baseGrants(facts)
const policy = compilePolicy({ lists, sockets: [], mode: 'enforce' })
const allows = (access: PathAccess, path: string) =>
  decide(policy, { kind: 'path', access, path: rawPath(path) }).allowed

describe('the base grants', () => {
  test.each<[PathAccess, string, boolean]>([
    ['read', '/opt/node', true],
    ['execute', '/opt/node', false],
    ['read', '/app/[x]/node_modules/a/b.js', true],
    ['write', '/app/[x]/node_modules/a/b.js', false],
    ['read', '/app/[x]/node_modules/.vitest/.vitest-secret-token', false],
    ['read', '/app/[x]/node_modules/.vitest/other', true],
    ['look', '/app/[x]/src/a.ts', true],
    ['read', '/app/[x]/src/a.ts', false],
    ['look', '/app/[x]/src/a.txt', false],
    ['look', '/app/x/a.ts', false],
    ['read', '/app/[x]/src/__mocks__', true],
    ['read', '/app/[x]/__mocks__/@a', true],
    ['read', '/app/[x]/src/__mocks__/a.ts', false],
    ['look', '/app/[x]/packages/a/node_modules/sass', true],
    ['look', '/app/[x]/packages/a/node_modules/@scope/b', true],
    ['read', '/app/[x]/packages/a/node_modules/sass', false],
    ['look', '/app/[x]/packages/a/node_modules/sass/notes.txt', false],
    ['read', '/app/x/node_modules/a/b.js', false],
    ['read', '/app/src/a.ts', false],
    ['read', '/etc/openssl[1].cnf', true],
    ['read', '/usr/lib/x86_64-linux-gnu/libc.so.6', true],
    ['read', '/usr/lib/os-release', false],
    ['look', '/opt/tools/bin', true],
    ['list', '/opt/tools/bin', false],
    ['look', '/opt/tools/bin/x', false],
    ['look', '/home/me', true],
    ['look', '/home/me/.config/git', true],
    ['read', '/home/me/.gitconfig', false],
    ['look', '/home/me/.gitconfig', false],
    ['look', '/lib', true],
    ['read', '/usr/share/zoneinfo/UTC', true],
    ['look', '/etc/localtime', true],
    ['read', '/etc/passwd', false],
    ['content', '/dev/null', true],
    ['write', '/dev/null', false],
    ['read', '/dev/urandom', true],
    ['write', '/dev/urandom', false],
    ['read', '/proc/self/maps', true],
    ['read', '/proc/self/environ', false],
    ['read', '/proc/self/mem', false],
    ['read', '/proc/self/task', true],
    ['read', '/proc/self/task/7', true],
    ['read', '/proc/self/task/7/stat', true],
    ['content', '/proc/self/task/7/comm', true],
    ['read', '/proc/self/task/7/environ', false],
    ['read', '/proc/self/task/7/root/etc/passwd', false],
    ['read', '/proc/1/maps', false],
    ['read', '/proc', false],
    ['read', '/sys/fs/cgroup/a/b/memory.max', true],
    ['write', '/sys/fs/cgroup/a/b/memory.max', false],
    ['read', '/sys/fs/cgroup/a/b/cgroup.procs', false],
  ])('%s %s: %s', (access, path, expected) => {
    expect(allows(access, path)).toBe(expected)
  })

  test('each say why, and exclude nothing but what is only for some workers', () => {
    const expected = { reason: expect.stringMatching(/./), at: 'base' }
    for (const rule of lists.flat()) expect(rule).toMatchObject(expected)
    expect(explain(policy, { kind: 'path', access: 'read', path: rawPath('/opt/node') }).text).toBe(
      "open /opt/node for reading: allowed, by '/opt/node' (always: the Node executable)",
    )
  })

  test('leave out what is not there or leads nowhere, and name one place once', () => {
    const roots = lists.flat().map(({ root, pattern }) => pattern ?? root)
    expect(roots).not.toContain('/lib64/**/*.so*')
    expect(roots).not.toContain('/etc/resolv.conf')
    expect(roots.filter((root) => root === '/usr/lib/**/*.so*')).toHaveLength(1)
  })

  test('let snapshots be written only when Vitest would', () => {
    const write = compilePolicy({
      lists: baseGrants({ ...facts, snapshots: { paths: ['/app/a.snap'], inline: [], write: true } }),
      sockets: [],
      mode: 'enforce',
    })
    expect(allows('write', '/app/__snapshots__/a.snap')).toBe(false)
    expect(decide(write, { kind: 'path', access: 'write', path: rawPath('/app/a.snap') }).allowed).toBe(true)
  })
})

describe('the code of a project', () => {
  const written = (shape: PathRule['shape'], root: string, pattern?: string): PathRule => ({
    effect: 'grant',
    access: 'write',
    shape,
    root: rawPath(root),
    aliases: [],
    source: root,
    at: 'manifest.write[0]',
    ...(pattern === undefined ? {} : { pattern }),
  })
  const reads = (path: string, writes: readonly PathRule[] = []) =>
    decide(
      compilePolicy({ lists: sourceGrants(facts, writes, '/app/[x]/tmp/worker-'), sockets: [], mode: 'enforce' }),
      {
        kind: 'path',
        access: 'read',
        path: rawPath(path),
      },
    ).allowed

  test.each([
    ['/app/[x]/src/a.cjs', true],
    ['/app/[x]/src/a.ts', true],
    ['/app/[x]/src/package.json', true],
    ['/app/[x]/src/data.json', false],
    ['/app/[x]/src/a.txt', false],
    ['/app/[x]/.env.js', false],
    ['/app/[x]/.git/hooks/a.js', false],
    ['/app/[x]/src', false],
    ['/app/x/a.cjs', false],
    ['/app/[x]/tmp/a.js', true],
    ['/app/[x]/tmp/worker-1/a.js', false],
  ])('%s may be read: %s', (path, expected) => {
    expect(reads(path)).toBe(expected)
  })

  test("a worker's own temporary directory is elsewhere for each", () => {
    expect(reads('/app/[x]/src/a.js', [{ ...written('tree', '/app'), source: '<tmp>/' }])).toBe(true)
  })

  test.each<[string, PathRule]>([
    ['a tree', written('tree', '/app/[x]/out')],
    ['a file', written('file', '/app/[x]/out/a.js')],
    ['a glob', written('glob', '/app/[x]', '/app/[x]/**/a.js')],
    ['the root', written('tree', '/app/[x]')],
    ['all above it', written('tree', '/app')],
    ['a glob above it', written('glob', '/app', '/app/*/out/*')],
  ])('is nothing that tests may write: %s', (_, rule) => {
    expect(reads('/app/[x]/out/a.js')).toBe(true)
    expect(reads('/app/[x]/out/a.js', [rule])).toBe(false)
  })

  test.each<[string, PathRule]>([
    ['a tree', written('tree', '/app/[x]/out')],
    ['a file', written('file', '/app/[x]/out/a.js')],
    ['a glob', written('glob', '/app/[x]', '/app/[x]/**/a.js')],
  ])('is nothing that an entry excludes, from reading or from writing: %s', (_, rule) => {
    for (const access of ['read', 'write'] as const) {
      const exclusion = { ...rule, effect: 'exclude', access, source: '!out/' } as const
      expect(reads('/app/[x]/out/a.js', [exclusion])).toBe(false)
      expect(reads('/app/[x]/src/b.js', [exclusion])).toBe(true)
    }
  })
})

test('what other tests write is no installed package, wherever TMPDIR lies', () => {
  const reads = (tmpPrefix: string, path: string): boolean =>
    decide(compilePolicy({ lists: baseGrants({ ...facts, tmpPrefix }), sockets: [], mode: 'enforce' }), {
      kind: 'path',
      access: 'read',
      path: rawPath(path),
    }).allowed
  const modules = '/app/[x]/node_modules'
  expect(reads(`${modules}/tmp/t-`, `${modules}/tmp/t-1/secret`)).toBe(false)
  expect(reads(`${modules}/tmp/t-`, `${modules}/tmp/index.js`)).toBe(true)
  expect(reads('/tmp/t-', `${modules}/tmp/t-1/secret`)).toBe(true)
})
