/** `vitest-seccomp explain` binds what a run would. */
import { expect, test } from 'vitest'
import { cli, project } from './run-vitest.js'

test('a config with per-file grants', async () => {
  using at = project('record')
  at.write(
    'vitest.config.mjs',
    `import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'

export default defineConfig({ plugins: [seccomp({ manifest: './m.json', files: { 'test/net/**': { read: ['settings.json'] } } })] })
`,
  )
  at.write('m.json', JSON.stringify({ manifest: { read: ['test/fixtures/'] } }))
  const allowed = await cli(at, ['explain', 'test/fixtures/texts/one.txt'])
  expect(allowed.out).toBe(
    `open ${at.root}/test/fixtures/texts/one.txt for reading: allowed, by 'test/fixtures/' (./m.json: manifest.read[0])\n`,
  )
  expect(allowed.code).toBe(0)
  const refused = await cli(at, ['explain', 'settings.json'])
  expect(refused.out).toBe(`open ${at.root}/settings.json for reading: refused, no entry covers it
  but test files that match 'test/net/**' may: 'settings.json' (files["test/net/**"].read[0])
  to allow it, add to the manifest: read: ['settings.json']
`)
  expect(refused.code).toBe(1)
  const there = await cli(at, ['explain', 'settings.json', '--file', 'test/net/server.test.mjs'])
  expect(there.out).toBe(
    `open ${at.root}/settings.json for reading: allowed, by 'settings.json' (files["test/net/**"].read[0])\n`,
  )
  expect(there.code).toBe(0)
  const nowhere = await cli(at, ['explain', 'tcp:no-such-host.invalid:80'])
  expect(nowhere.out).toBe(`connect to tcp:no-such-host.invalid:80: refused, no entry names it
  no-such-host.invalid has no address now
  to allow it, add to the manifest: connect: ['tcp:no-such-host.invalid:80']
`)
  const nobody = await cli(at, ['explain', 'settings.json', '--project', 'web'])
  expect(nobody.out).toBe('vitest-seccomp explain: no project web runs in the seccomp pool\n')
  expect([nowhere.code, nobody.code]).toEqual([1, 2])
  const base = await cli(at, ['explain', '--base'])
  expect(base.out).toContain('Always granted, for reading where nothing else is said. By reason:')
  expect(base.code).toBe(0)
})

test('a config without the pool', async () => {
  using at = project('record')
  const { code, out } = await cli(at, ['explain', 'x'])
  expect(out).toBe('vitest-seccomp explain: no project of this config runs in the seccomp pool\n')
  expect(code).toBe(2)
})
