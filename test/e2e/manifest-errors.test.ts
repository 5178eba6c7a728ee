/** Mistakes in the options end the run before any test, all at once, with text that says what to write. */
import { expect, test } from 'vitest'
import { project, vitest, vitestMajor, type Finished } from './run-vitest.js'

type Env = Readonly<Record<string, string>>

async function withOptions(options: object, args: readonly string[] = [], env: Env = {}): Promise<Finished> {
  using at = project('e2e-manifest-errors')
  return await vitest(at, ['run', ...args], { env: { ...env, E2E_OPTIONS: JSON.stringify(options) } })
}

const blocks = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')

test('what can be seen in the options themselves', async () => {
  const { code, out } = await withOptions({
    manifest: { read: ['ok.txt', 7], wirte: ['x/'], connect: ['tcp:foo'] },
    mode: 'strict',
    files: { 'a/**': { exec: 'git' } },
  })
  expect(code).toBe(1)
  expect(out).not.toContain('A TEST RAN')
  expect(out).toContain("ManifestError: The seccomp pool's options have 5 problems:")
  for (const problem of [
    "manifest.read[1]\nexpected: a string, or { entry: '…', why: '…' }\nfound:    7\nwrite:    '7'",
    "manifest.connect[0]\nexpected: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'\n" +
      "found:    'tcp:foo'\nwrite:    tcp:foo:*",
    "manifest.wirte\nexpected: 'list', 'read', 'write', 'exec', 'connect', 'listen', 'deny', 'use' or 'resources'\n" +
      "found:    'wirte'\nwrite:    write",
    "files[\"a/**\"].exec\nexpected: an array of strings\nfound:    'git'\nwrite:    ['git']",
    "mode\nexpected: 'enforce' or 'audit'\nfound:    'strict'",
  ])
    expect(blocks(out)).toContain(problem)
})

const onDisk = { manifest: { read: ['data', 'dangling', 'not-there-yet.txt'], connect: ['unix:data'] } }

test('what only the disk can tell', async () => {
  const { code, out } = await withOptions(onDisk)
  expect(code).toBe(1)
  expect(out).not.toContain('A TEST RAN')
  expect(out).toContain("The seccomp pool's options have 3 problems:")
  const shown = blocks(out)
  expect(shown).toMatch(/read\[0\]\nexpected: a slash .*\nfound: {4}'data' \(.*\), a directory\nwrite: {4}data\//)
  expect(shown).toMatch(/read\[1\]\nexpected: a path that leads .*\nfound: {4}'dangling' \(.*\), a symbolic link/)
  expect(shown).toMatch(/manifest\.connect\[0\]\nexpected: the path of a socket\nfound: {4}'data' \(.*\), a directory/)
})

test('without the plugin, too; the list is printed for one file', async () => {
  const { code, out } = await withOptions(onDisk, [], { E2E_POOL_ALONE: 'yes' })
  expect(code).toBe(1)
  expect(out).not.toContain('A TEST RAN')
  expect(out.split("The seccomp pool's options have 3 problems:")).toHaveLength(2)
  // Vitest 3 asks the pool once for all files.
  if (vitestMajor > 3) expect(out).toContain('which the first of these errors lists')
})

test('the pool works without the plugin', async () => {
  const { code, out } = await withOptions({}, [], { E2E_POOL_ALONE: 'yes' })
  expect(out.split('A TEST RAN')).toHaveLength(3)
  expect(code).toBe(0)
})

test('another pool on the command line', async () => {
  const { code, out } = await withOptions({}, ['--pool=threads'])
  if (vitestMajor <= 4) {
    expect(out).toContain("PoolReplacedError: The tests would run in the pool 'threads', without confinement")
    expect(out).not.toContain('A TEST RAN')
    expect(code).toBe(1)
  } else {
    // A plugin's config wins over the command line here: the tests run, and confined.
    expect(out).toContain('CONFINED true')
    expect(code).toBe(0)
  }
})

test('a manifest in a file: used, and its mistakes are told with its name', async () => {
  using at = project('e2e-manifest-errors')
  const options = JSON.stringify({ manifest: './seccomp.manifest.json' })
  const missing = await vitest(at, ['run'], { env: { E2E_OPTIONS: options } })
  expect(missing.code).toBe(1)
  expect(missing.out).not.toContain('A TEST RAN')
  expect(blocks(missing.out)).toContain(
    `found:    './seccomp.manifest.json' (${at.root}/seccomp.manifest.json), which does not exist\nwrite:    npx vitest-seccomp record`,
  )
  at.write('seccomp.manifest.json', JSON.stringify({ files: { '**': { read: ['data'] } } }))
  const wrong = await vitest(at, ['run'], { env: { E2E_OPTIONS: options } })
  expect(wrong.code).toBe(1)
  expect(wrong.out).not.toContain('A TEST RAN')
  expect(blocks(wrong.out)).toContain(
    './seccomp.manifest.json: files["**"].read[0]\nexpected: a slash after a directory',
  )
  at.write(
    'seccomp.manifest.json',
    JSON.stringify({ manifest: { read: [{ entry: 'data/', why: 'the tests are made of it' }] } }),
  )
  const right = await vitest(at, ['run'], { env: { E2E_OPTIONS: options } })
  expect(right.out).toContain('A TEST RAN')
  expect(right.code).toBe(0)
})
