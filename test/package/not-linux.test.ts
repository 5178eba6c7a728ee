/** On macOS and Windows the package installs, imports, type-checks, and says what it cannot do. */
import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { fixture, repository } from '../harness/confined.js'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'not-linux-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Ended {
  readonly status: number | string
  readonly output: string
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      program,
      [...args],
      { cwd, env: { ...process.env, NO_COLOR: '1', ...env }, timeout: 200_000 },
      (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : (error.code ?? 'killed'), output: stdout + stderr })
      },
    )
  })
}

const preload = ['--import', pathToFileURL(fixture('not-linux/register.mjs')).href]
let count = 0

/** A project with one test that passes, and says whether a filter is on it. */
function project(options: string, use: 'plugin' | 'pool'): string {
  const root = join(scratch, `project-${++count}`)
  mkdirSync(root)
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  const [name, config] =
    use === 'plugin'
      ? ['seccomp', `{ plugins: [seccomp(${options})] }`]
      : ['seccompPool', `{ test: { pool: seccompPool(${options}) } }`]
  writeFileSync(
    join(root, 'vitest.config.mjs'),
    `import { ${name} } from 'vitest-pool-seccomp'\nexport default ${config}\n`,
  )
  writeFileSync(
    join(root, 'a.test.mjs'),
    `import { existsSync, readFileSync } from 'node:fs'
    import { expect, test } from 'vitest'
    test('runs', () => {
      const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : 'Seccomp: 0'
      console.log('filter ' + /Seccomp:\\s*(\\d)/.exec(status)[1])
      expect(1).toBe(1)
    })`,
  )
  return root
}

const vitest = (root: string, platform: string, ...args: string[]): Promise<Ended> =>
  run(process.execPath, [...preload, join(repository, 'node_modules/vitest/vitest.mjs'), 'run', ...args], root, {
    NOT_LINUX: platform,
  })

// A manifest that means nothing on Windows: it must be taken as it is, for it is Linux that it speaks of.
const manifest = `{ read: ['test/', '/etc/hosts'], write: ['<tmp>/'], exec: ['git'], connect: ['unix:/run/x.sock'] }`

describe.each(['darwin', 'win32'])('on %s', (platform) => {
  test('every entry of the package is imported without anything that is for Linux', async () => {
    const { status, output } = await run(
      process.execPath,
      [...preload, fixture('not-linux/import-all.mjs'), repository],
      scratch,
      { NOT_LINUX: platform },
    )
    expect({ status, output }).toMatchObject({ status: 0 })
    expect(JSON.parse(output)).toMatchObject({
      '.': expect.arrayContaining(['seccomp', 'seccompPool', 'UnsupportedError']),
    })
  })

  test.each(['plugin', 'pool'] as const)('the %s refuses to run, and names the way out', async (use) => {
    const { status, output } = await vitest(project(`{ manifest: ${manifest} }`, use), platform)
    expect(output).toContain(
      `vitest-pool-seccomp cannot confine tests on this machine:\n  - Linux: this is ${platform}\n`,
    )
    expect(output).toContain(
      "To run the tests without any confinement here, set onUnsupported: 'warn' in the pool's options.",
    )
    expect(output).not.toContain('filter ')
    expect(status).toBe(1)
  })

  test('shards that ran on Linux are merged, and their report is made', async ({ skip }) => {
    skip(process.platform !== 'linux', 'there are no shards without Linux')
    skip(platform === 'win32', 'on Linux, the paths of Windows name files elsewhere')
    const root = project("{ report: { html: 'report/page.html' } }", 'plugin')
    const shard = await run(
      process.execPath,
      [join(repository, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=blob', '--outputFile=blobs/one.json'],
      root,
    )
    expect(shard.output).toContain('report written')
    rmSync(join(root, 'report'), { recursive: true })
    const { status, output } = await vitest(root, platform, '--merge-reports=blobs')
    expect(output).toMatch(/Tests +1 passed/)
    expect(output).toContain('report written to ')
    expect(readFileSync(join(root, 'report/page.html'), 'utf8')).toContain('a.test.mjs')
    expect(status).toBe(0)
  })

  test.each(['plugin', 'pool'] as const)(
    "with onUnsupported: 'warn' the %s runs the tests, and says that they are not confined",
    async (use) => {
      const { status, output } = await vitest(
        project(`{ manifest: ${manifest}, onUnsupported: 'warn' }`, use),
        platform,
      )
      expect(output).toContain(`THESE TESTS ARE NOT CONFINED. This machine lacks:\n  - Linux: this is ${platform}`)
      expect(output).toContain('filter 0')
      expect(output).toMatch(/Tests +1 passed/)
      expect(status).toBe(0)
    },
  )
})

test('on Linux without koffi, which is what is missing', async ({ skip }) => {
  skip(process.platform !== 'linux', 'elsewhere it is Linux that is missing')
  const root = project(`{ manifest: ${manifest} }`, 'plugin')
  const installed = join(root, 'node_modules')
  rmSync(installed)
  mkdirSync(installed)
  for (const name of readdirSync(join(repository, 'node_modules')))
    if (!['koffi', '@koromix', 'vitest-pool-seccomp'].includes(name))
      symlinkSync(join(repository, 'node_modules', name), join(installed, name))
  // A copy, whose dependencies are those that lie beside it.
  mkdirSync(join(installed, 'vitest-pool-seccomp'))
  for (const name of ['dist', 'package.json'])
    cpSync(join(repository, name), join(installed, 'vitest-pool-seccomp', name), { recursive: true })
  const { status, output } = await run(process.execPath, [join(installed, 'vitest/vitest.mjs'), 'run'], root)
  expect(output).toMatch(
    /^ {2}- koffi, through which the kernel is called: Cannot find module '@koromix\/koffi-linux-\w+'.*\. Was it installed without optional dependencies/m,
  )
  expect(status).toBe(1)
})

test.each(['NodeNext', 'Bundler'])('a config type-checks, with module resolution %s', async (resolution) => {
  const root = project('{}', 'plugin')
  writeFileSync(
    join(root, 'vitest.config.ts'),
    `import { defineConfig } from 'vitest/config'
    import { seccomp, type Manifest } from 'vitest-pool-seccomp'
    const manifest: Manifest = ${manifest}
    // @ts-expect-error there is no such option
    seccomp({ manifests: manifest })
    export default defineConfig({ plugins: [seccomp({ manifest })] })`,
  )
  const module = resolution === 'Bundler' ? 'ESNext' : resolution
  writeFileSync(
    join(root, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module,
        moduleResolution: resolution,
        target: 'ES2022',
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        types: [],
      },
      include: ['vitest.config.ts'],
    }),
  )
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  expect(await run(process.execPath, [tsc, '-p', '.'], root)).toEqual({ status: 0, output: '' })
})

test('what the types speak of is in the package, in Vitest or in Node', () => {
  const text = readFileSync(join(repository, 'dist/index.d.ts'), 'utf8')
  expect(text).not.toContain('koffi')
})
