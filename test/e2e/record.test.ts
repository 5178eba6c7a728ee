/** `vitest-seccomp record`: what tests do becomes a manifest, and under that manifest they do the same. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cli, project, run, type Project } from './run-vitest.js'

const CONFINED = `import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'

export default defineConfig({ plugins: [seccomp({ manifest: './seccomp.manifest.json' })] })
`

/** A home directory with a secret in it. */
function homeOf(at: Project): { HOME: string } {
  const home = join(at.root, '../home')
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, '.netrc'), 'password')
  return { HOME: home }
}

test(
  'a suite that knows nothing of the pool is recorded, and passes confined by what came of it',
  { timeout: 60_000 },
  async () => {
    using at = project('record')
    const env = homeOf(at)
    const recorded = await cli(at, ['record', '--', 'vitest', 'run'], { env })
    expect(recorded.out).toContain('10 passed')
    expect(
      recorded.out.split('NOTHING IS REFUSED IN THIS RUN: it is recorded, because VITEST_SECCOMP_RECORD is set.'),
    ).toHaveLength(2)
    expect(recorded.code).toBe(0)
    expect(JSON.parse(at.read('seccomp.manifest.json'))).toEqual({
      $schema: '../node_modules/vitest-pool-seccomp/dist/manifest.schema.json',
      manifest: { read: ['settings.json'] },
      files: {
        'test/files.test.mjs': { read: ['test/fixtures/'], write: ['test/out/', '<tmp>/'] },
        'test/imports.test.mjs': { read: ['src/notes.md'] },
        'test/net/server.test.mjs': { read: ['test/net/child.mjs'], exec: ['node', 'sh'], listen: ['tcp:127.0.0.1:0'] },
      },
    })
    expect(recorded.out.slice(recorded.out.indexOf('seccomp.manifest.json: added'))).toBe(`seccomp.manifest.json: added
  read: 'settings.json'
  test/files.test.mjs  read: 'test/fixtures/'
  test/files.test.mjs  write: 'test/out/'
  test/files.test.mjs  write: '<tmp>/'
  test/imports.test.mjs  read: 'src/notes.md'
  test/net/server.test.mjs  read: 'test/net/child.mjs'
  test/net/server.test.mjs  exec: 'node'
  test/net/server.test.mjs  exec: 'sh'
  test/net/server.test.mjs  listen: 'tcp:127.0.0.1:0'

DANGEROUS, and therefore NOT granted (--accept-dangerous would):
  read: '<home>/.netrc'  (it may hold a password or token; used by test/danger.test.mjs)

To enforce it, in the Vitest config:
  import { seccomp } from 'vitest-pool-seccomp'
  plugins: [seccomp({ manifest: './seccomp.manifest.json' })]
`)

    at.write('vitest.config.mjs', CONFINED)
    const enforced = await run(at, ['--exclude', 'test/danger.test.mjs'], { env })
    expect(enforced.out).toContain('9 passed')
    expect(enforced.out).not.toContain('SeccompViolation')
    expect(enforced.code).toBe(0)

    const written = at.read('seccomp.manifest.json')
    const again = await cli(at, ['record'], { env })
    expect(again.out).toContain('seccomp.manifest.json: nothing to add.')
    expect(at.read('seccomp.manifest.json')).toBe(written)
  },
)

test(
  'what is there is kept and added to; --check tells what is not needed, and what is missing',
  { timeout: 60_000 },
  async () => {
    using at = project('record')
    const env = homeOf(at)
    at.write('vitest.config.mjs', CONFINED)
    at.write(
      'seccomp.manifest.json',
      JSON.stringify({
        manifest: { read: ['gone.txt', { entry: 'settings.json', why: 'the tests ask for it' }, '!src/x'] },
        files: { 'test/imports.test.mjs': { connect: ['tcp:127.0.0.1:5432'] } },
      }),
    )
    const command = ['--', 'vitest', 'run', 'test/imports.test.mjs']
    const checked = await cli(at, ['record', '--check', ...command], { env })
    expect(checked.code).toBe(1)
    expect(checked.out.slice(checked.out.indexOf('No test used'))).toBe(`No test used:
  'gone.txt'  (./seccomp.manifest.json: manifest.read[0])
  'tcp:127.0.0.1:5432'  (./seccomp.manifest.json: files["test/imports.test.mjs"].connect[0])
The manifest lacks
  test/imports.test.mjs  read: 'src/notes.md'
`)
    await cli(at, ['record', ...command], { env })
    expect(JSON.parse(at.read('seccomp.manifest.json'))).toMatchObject({
      manifest: { read: ['gone.txt', { entry: 'settings.json', why: 'the tests ask for it' }, '!src/x'] },
      files: { 'test/imports.test.mjs': { read: ['src/notes.md'], connect: ['tcp:127.0.0.1:5432'] } },
    })
    await cli(at, ['record', '--fresh', ...command], { env })
    const whole = await cli(at, ['record', '--check', ...command], { env })
    expect(whole.out).toContain('The manifest grants what the tests use, and nothing else.')
    expect(whole.code).toBe(0)
  },
)

test('TypeScript for the config, and what is dangerous with the reason beside it', { timeout: 60_000 }, async () => {
  using at = project('record')
  const env = homeOf(at)
  const printed = await cli(
    at,
    ['record', '--print', '--accept-dangerous', '--', 'vitest', 'run', 'test/imports.test.mjs', 'test/danger.test.mjs'],
    { env },
  )
  expect(printed.out).toContain(`seccomp({
  manifest: {},
  files: {
    'test/danger.test.mjs': {
      read: [
        '<home>/.netrc', // DANGEROUS: it may hold a password or token
      ],
    },
    'test/imports.test.mjs': {
      read: ['settings.json', 'src/notes.md'],
    },
  },
})
`)
  expect(printed.code).toBe(0)
})

test('a command that runs no test in the pool', async () => {
  using at = project('record')
  const { code, out } = await cli(at, ['record', '--', 'true'])
  expect(code).toBe(2)
  expect(out).toBe(`vitest-seccomp record: 'true' ran no test in the pool, so there is nothing to write.
Name Vitest itself (vitest-seccomp record -- vitest run), or add the pool to the config:
  import { seccomp } from 'vitest-pool-seccomp'
  plugins: [seccomp({ manifest: './seccomp.manifest.json' })]
`)
})
