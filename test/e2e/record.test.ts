/** `vitest-seccomp record`: what tests do becomes a manifest, and under that manifest they do the same. */
import { promises } from 'node:dns'
import { mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
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
  { timeout: 240_000 },
  async () => {
    using at = project('record')
    const env = homeOf(at)
    const recorded = await cli(at, ['record', '--', 'vitest', 'run'], { env, limit: 120_000 })
    expect(recorded.out).toContain('10 passed')
    expect(
      recorded.out.split('NOTHING IS REFUSED IN THIS RUN: it is recorded, because VITEST_SECCOMP_RECORD is set.'),
    ).toHaveLength(2)
    expect(recorded.code).toBe(0)
    expect(JSON.parse(at.read('seccomp.manifest.json'))).toEqual({
      $schema: '../node_modules/vitest-pool-seccomp/dist/manifest.schema.json',
      manifest: { read: [{ entry: 'settings.json', why: 'used by 2 test files' }] },
      files: {
        'test/danger.test.mjs': { deny: ['<home>/.netrc'] },
        'test/files.test.mjs': {
          list: ['test/fixtures/'],
          read: ['test/fixtures/texts/', '!<secrets>'],
          write: ['test/out/', '<tmp>/'],
        },
        'test/imports.test.mjs': { read: ['src/notes.md'] },
        'test/net/server.test.mjs': { exec: ['node', 'sh'], listen: ['tcp:127.0.0.1:0'] },
      },
    })
    expect(recorded.out.slice(recorded.out.indexOf('seccomp.manifest.json: added'))).toBe(`seccomp.manifest.json: added
  read: 'settings.json'
  test/danger.test.mjs  deny: '<home>/.netrc'
  test/files.test.mjs  list: 'test/fixtures/'
  test/files.test.mjs  read: 'test/fixtures/texts/'
  test/files.test.mjs  read: '!<secrets>'
  test/files.test.mjs  write: 'test/out/'
  test/files.test.mjs  write: '<tmp>/'
  test/imports.test.mjs  read: 'src/notes.md'
  test/net/server.test.mjs  exec: 'node'
  test/net/server.test.mjs  exec: 'sh'
  test/net/server.test.mjs  listen: 'tcp:127.0.0.1:0'

Of 5 files of the project that these entries open, all were used (100 %).

Asked for, but the tests pass without, so it is refused as if not there (deny):
  '<home>/.netrc'  (it may hold a password or token; used by test/danger.test.mjs)

To enforce it, in the Vitest config:
  import { seccomp } from 'vitest-pool-seccomp'
  plugins: [seccomp({ manifest: './seccomp.manifest.json' })]
For Vitest itself, with its plugins and reporters: npx vitest-seccomp run --record, then npx vitest-seccomp run
`)

    at.write('vitest.config.mjs', CONFINED)
    const enforced = await run(at, [], { env, limit: 120_000 })
    expect(enforced.out).toContain('10 passed')
    expect(enforced.out).not.toContain('SeccompViolation')
    expect(enforced.code).toBe(0)

    const written = at.read('seccomp.manifest.json')
    const again = await cli(at, ['record'], { env, limit: 120_000 })
    expect(again.out).toContain('seccomp.manifest.json: nothing to add.')
    expect(at.read('seccomp.manifest.json')).toBe(written)
  },
)

test(
  'what is there is kept and added to; --check tells what is not needed, and what is missing',
  { timeout: 240_000 },
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
    const checked = await cli(at, ['record', '--check', ...command], { env, limit: 120_000 })
    expect(checked.code).toBe(1)
    expect(checked.out.slice(checked.out.indexOf('No test used'))).toBe(`No test used:
  'gone.txt'  (./seccomp.manifest.json: manifest.read[0])
  'tcp:127.0.0.1:5432'  (./seccomp.manifest.json: files["test/imports.test.mjs"].connect[0])
The manifest lacks
  test/imports.test.mjs  read: 'src/notes.md'
`)
    await cli(at, ['record', ...command], { env, limit: 120_000 })
    expect(JSON.parse(at.read('seccomp.manifest.json'))).toMatchObject({
      manifest: { read: ['gone.txt', { entry: 'settings.json', why: 'the tests ask for it' }, '!src/x'] },
      files: { 'test/imports.test.mjs': { read: ['src/notes.md'], connect: ['tcp:127.0.0.1:5432'] } },
    })
    await cli(at, ['record', '--fresh', ...command], { env, limit: 120_000 })
    const whole = await cli(at, ['record', '--check', ...command], { env, limit: 120_000 })
    expect(whole.out).toContain('The manifest grants what the tests use, and nothing else.')
    expect(whole.code).toBe(0)
  },
)

test('TypeScript for the config, and what is dangerous with the reason beside it', { timeout: 240_000 }, async () => {
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

test('what the tests do need and is dangerous is told, and not granted', { timeout: 240_000 }, async () => {
  using at = project('record')
  const env = homeOf(at)
  at.write(
    'test/needs.test.mjs',
    `import { readFileSync } from 'node:fs'
import { test } from 'vitest'
test('needs it', () => void readFileSync('.env'))
`,
  )
  at.write('.env', 'A=1')
  const recorded = await cli(at, ['record', '--', 'vitest', 'run', 'test/needs.test.mjs'], { env, limit: 120_000 })
  expect(recorded.out).toContain(`Once more, to see whether the tests pass without '.env' …

seccomp.manifest.json: written, with nothing to grant.

DANGEROUS, and therefore NOT granted (--accept-dangerous would):
  read: '.env'  (environment files hold secrets; used by test/needs.test.mjs)
`)
})

test('a script that a test makes: its interpreter is recorded with it', { timeout: 240_000 }, async () => {
  using at = project('record')
  at.write(
    'test/script.test.mjs',
    `import { execFileSync } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
test('runs', () => {
  const [script, binary] = [join(tmpdir(), 'script'), join(tmpdir(), 'true')]
  writeFileSync(script, '#!/bin/sh\\necho hello', { mode: 0o755 })
  expect(execFileSync(script, { encoding: 'utf8' })).toBe('hello\\n')
  copyFileSync('/bin/true', binary)
  expect(execFileSync(binary, { encoding: 'utf8' })).toBe('')
})
`,
  )
  const recorded = await cli(at, ['record', '--', 'vitest', 'run', 'test/script.test.mjs'], { limit: 120_000 })
  expect(JSON.parse(at.read('seccomp.manifest.json'))).toMatchObject({
    files: { 'test/script.test.mjs': { exec: ['sh', '<tmp>/'] } },
  })
  expect(recorded.code).toBe(0)
  at.write('vitest.config.mjs', CONFINED)
  const { code, out } = await run(at, ['test/script.test.mjs'])
  expect({ code, out }).toMatchObject({ code: 0 })
})

test('hosts are recorded by their names, whether or not they are found, and pass', { timeout: 240_000 }, async () => {
  using at = project('record')
  at.write('vitest.config.mjs', CONFINED)
  at.write(
    'test/hosts.test.mjs',
    `import { hostname } from 'node:os'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
test('hosts', async () => {
  const codes = [
    await new Promise((resolve) => connect(9, hostname()).on('error', ({ code }) => resolve(code))),
    await fetch('https://nowhere.invalid/').catch(({ cause }) => cause.code),
  ]
  for (const code of codes) expect(code).toMatch(/ECONNREFUSED|ENOTFOUND|EAI_AGAIN/)
})
`,
  )
  const env = homeOf(at)
  const command = ['vitest', 'run', 'test/hosts.test.mjs']
  const recorded = await cli(at, ['record', '--', ...command], { env, limit: 120_000 })
  expect(recorded.code).toBe(0)
  const { files } = JSON.parse(at.read('seccomp.manifest.json'))
  expect(files['test/hosts.test.mjs'].connect).toContain('tcp:nowhere.invalid:443')
  if ((await promises.lookup(hostname()).catch(() => undefined)) !== undefined)
    expect(files['test/hosts.test.mjs'].connect).toEqual(['tcp:nowhere.invalid:443', `tcp:${hostname()}:9`])
  const enforced = await run(at, ['test/hosts.test.mjs'], { env })
  expect(enforced.out).not.toContain('SeccompViolation')
  expect(enforced.code).toBe(0)
  const checked = await cli(at, ['record', '--check', '--', ...command], { env, limit: 120_000 })
  expect(checked.out).toContain('The manifest grants what the tests use, and nothing else.')
})

test('what is compiled from a package gets an entry of its own', { timeout: 240_000 }, async () => {
  using at = project('record')
  const config = (own: string): string => `${own}
const component = {
  name: 'component',
  transform: (code, id) => (id.endsWith('.vue') ? { code: \`export default \${JSON.stringify(code)}\`, map: null } : undefined),
}
export default { plugins: [PLUGINS component], test: { environment: 'jsdom', css: true, include: ['test/styled.test.mjs'] } }
`
  const plain = config('').replace('PLUGINS', '')
  at.write('vitest.config.mjs', plain)
  at.write('node_modules/styled/package.json', '{ "name": "styled", "type": "module", "exports": { "./*": "./*" } }')
  at.write('node_modules/styled/a.css', "@import './b.css';\n.a { background: url('./a.svg?inline') }\n")
  at.write('node_modules/styled/b.css', '.b { color: red }\n')
  at.write('node_modules/styled/a.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>')
  at.write('node_modules/styled/Own.vue', '<template>own</template>')
  at.write(
    'test/styled.test.mjs',
    `import { expect, test } from 'vitest'
import 'styled/a.css'
import css from 'styled/a.css?inline'
import own from 'styled/Own.vue'
test('is compiled', () => {
  expect(own).toContain('own')
  expect(css).toMatch(/color: red[^]*background: url/)
})
`,
  )
  const recorded = await cli(at, ['record', '--', 'vitest', 'run'])
  expect(recorded.out).toContain('1 passed')
  expect(JSON.parse(at.read('seccomp.manifest.json')), recorded.out).toMatchObject({
    manifest: { read: ['node_modules/styled/Own.vue', 'node_modules/styled/a.css'] },
  })
  at.write(
    'vitest.config.mjs',
    config("import { seccomp } from 'vitest-pool-seccomp'").replace(
      'PLUGINS',
      "seccomp({ manifest: './seccomp.manifest.json' }),",
    ),
  )
  const enforced = await run(at, [])
  expect(enforced.out).toContain('1 passed')
  expect(enforced.code, enforced.out).toBe(0)
})

test('a config with the plugin: that nothing is refused is said once', async () => {
  using at = project('record')
  at.write(
    'vitest.config.mjs',
    "import { seccomp } from 'vitest-pool-seccomp'\nexport default { plugins: [seccomp({ manifest: './seccomp.manifest.json' })] }\n",
  )
  const recorded = await cli(at, ['record', '--', 'vitest', 'run', 'test/imports.test.mjs'])
  expect(recorded.out.split('NOTHING IS REFUSED')).toHaveLength(2)
  expect(recorded.code).toBe(0)
})

test('a config with a pool of its own, and the environment of the tests', { timeout: 240_000 }, async () => {
  using at = project('record')
  at.write('vitest.config.mjs', "export default { test: { pool: 'forks' } }\n")
  at.write(
    'test/environment.test.mjs',
    `import { expect, test } from 'vitest'
test('is that of tests', () => expect(process.env.NODE_ENV).toBe('test'))
`,
  )
  const recorded = await cli(at, [
    'record',
    '--',
    'vitest',
    'run',
    'test/environment.test.mjs',
    'test/imports.test.mjs',
  ])
  expect(recorded.out).toContain('2 passed')
  expect(recorded.code).toBe(0)
  expect(JSON.parse(at.read('seccomp.manifest.json'))).toMatchObject({
    files: { 'test/imports.test.mjs': { read: ['settings.json', 'src/notes.md'] } },
  })
})

test('a project in another pool is named', { timeout: 240_000 }, async () => {
  using at = project('record')
  at.write(
    'vitest.config.mjs',
    `import { seccomp } from 'vitest-pool-seccomp'
export default {
  test: {
    projects: [
      { plugins: [seccomp()], test: { name: 'confined', include: ['test/imports.test.mjs'] } },
      { test: { name: 'own', pool: 'threads', include: ['test/files.test.mjs'] } },
    ],
  },
}
`,
  )
  const recorded = await cli(at, ['record', '--', 'vitest', 'run'])
  expect(recorded.out).toContain(
    "Not recorded, and not confined:\n  the project 'own' names the pool 'threads' for itself: take that out\n",
  )
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

test('a Vitest that runs no test: what it printed is the reason', async () => {
  using at = project('record')
  const { code, out } = await cli(at, ['record', '--', 'vitest', 'run', 'no-such-file'])
  expect(code).toBe(2)
  expect(out).toContain('No test files found, exiting with code 1')
  expect(out).toMatch(
    /\nvitest-seccomp record: 'vitest run no-such-file' ended with exit code 1 and ran no test in the pool, so there is nothing to write\.\n$/,
  )
})

test('a mistake in the manifest file is told without a line of the bundle', async () => {
  using at = project('record')
  at.write('seccomp.manifest.json', '{ "manifest": { "raed": [] } }')
  const { code, out } = await cli(at, ['record', '--', 'vitest', 'run'])
  expect(code).toBe(2)
  expect(out).toContain("The seccomp pool's options have one problem:\n")
  expect(out).not.toMatch(/^.{300}|^ {4}at /m)
})

test('a config that throws: its error, without a line of the bundle', async () => {
  using at = project('record')
  at.write('vitest.config.ts', "throw new Error('thrown by the config')")
  for (const args of [['record'], ['explain', 'src/x.ts']]) {
    const { code, out } = await cli(at, args)
    expect(code).toBe(2)
    expect(out).toContain(`vitest-seccomp ${args[0]}: Error: thrown by the config\n    at `)
    expect(out).not.toMatch(/^Node\.js v/m)
  }
})

test("a mistake in the config's options is told as anywhere, and without a stack", async () => {
  using at = project('record')
  at.write(
    'vitest.config.ts',
    "import { seccomp } from 'vitest-pool-seccomp'\nexport default { plugins: [seccomp({ mode: 'adit' as 'audit' })] }",
  )
  for (const args of [['record'], ['explain', 'src/x.ts']]) {
    const { code, out } = await cli(at, args)
    expect(code).toBe(2)
    expect(out).toMatch(
      /^The seccomp pool's options have one problem:\n {2}mode\n {4}expected: .*\n {4}found: {4}'adit'\n {4}write: {4}'audit'\n$/m,
    )
  }
})
