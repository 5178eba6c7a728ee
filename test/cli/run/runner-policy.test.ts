/** The grants of a confined Vitest, made before anything of its project runs. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { outputOf } from '../../../src/cli/run/outputs.js'
import { runnerPolicy } from '../../../src/cli/run/runner-policy.js'
import { bindManifest } from '../../../src/policy/bind.js'
import {
  compilePolicy,
  decide,
  isLinkless,
  wouldRedirectExclusion,
  wouldRedirectGrant,
  type Policy,
} from '../../../src/policy/policy.js'
import { bytePath } from '../../../src/policy/request.js'
import { runnerBase } from '../../../src/policy/runner-base.js'
import { parseOptions } from '../../../src/policy/schema.js'
import { lookup } from '../../../src/project/lookup.js'

const repository = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
let scratch: string
let root: string

beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'runner-policy-')))
  root = join(scratch, 'project')
  for (const dir of ['node_modules', '.git/hooks', 'coverage', 'packages/one', 'made'])
    mkdirSync(join(root, dir), { recursive: true })
  symlinkSync(join(repository, 'node_modules/vitest'), join(root, 'node_modules/vitest'))
  writeFileSync(join(root, 'package.json'), '{}')
  writeFileSync(join(root, 'vitest.config.mjs'), `export default { test: { projects: ['packages/*'] } }`)
  writeFileSync(join(root, 'packages/one/vite.config.mjs'), '')
})

afterEach(() => rmSync(scratch, { recursive: true, force: true }))

async function mayWrite(path: string, ...reports: string[]): Promise<boolean> {
  return mayWriteWith([], path, ...reports)
}

/** `write`: the entries of the runner part. */
async function mayWriteWith(write: readonly string[], path: string, ...reports: string[]): Promise<boolean> {
  return (await writable(write, reports))(path)
}

async function writable(
  write: readonly string[],
  reports: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<(path: string) => boolean> {
  const compiled = await policyFor({ manifest: { write: ['made/'] } }, write, reports, env)
  return (path) => decide(compiled, { kind: 'path', access: 'write', path: bytePath(join(root, path)) }).allowed
}

/** `ofTests`: the options for tests. */
async function policyFor(
  ofTests: object,
  write: readonly string[],
  reports: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Policy> {
  const { policy } = await runnerPolicy({
    root,
    tmp: join(scratch, 'tmp'),
    options: { ...parseOptions(ofTests), runner: parseOptions({ manifest: { write } }).manifest },
    manifestFile: join(root, 'seccomp.manifest.json'),
    args: {
      mode: 'test',
      configs: [],
      outputs: reports.map((dir) => outputOf('coverage.reportsDirectory', join(root, dir))),
      ports: [],
    },
    terminal: undefined,
    env,
    audit: false,
  })
  return compilePolicy(policy)
}

test('reports are written through a link of the project where an entry names what it leads to', async () => {
  symlinkSync('packages', join(root, 'reports'))
  mkdirSync(join(root, 'packages/two'))
  symlinkSync('packages/two', join(root, 'html'))
  const entries = ['packages/of-mine/', 'packages/two/']
  expect(await mayWriteWith(entries, 'packages/of-mine/x', 'reports/of-mine')).toBe(true)
  expect(await mayWriteWith(entries, 'packages/two/x', 'reports/of-mine')).toBe(true)
})

test.each([
  ['html', 'html/', []],
  ['.vitest-reports', '.vitest-reports/', []],
  ['reports', 'reports/of-mine/', ['reports/of-mine']],
] as const)(
  'a link in place of %s, which the run of a root above may have left, ends the run',
  async (link, source, reports) => {
    symlinkSync('packages', join(root, link))
    const end = reports.length === 0 ? 'packages/' : 'packages/of-mine/'
    const message = `${link} to ${join(root, end).replace(/\/$/, '')}, and a plugin or test of another run may have put that link there: remove it, or add write: ['${end}'] to runner in the manifest file`
    await expect(mayWrite('packages/x', ...reports)).rejects.toThrow(message)
    await expect(mayWrite('packages/x', ...reports)).rejects.toThrow(source)
    // By the link's name, an entry says nothing of where it leads.
    await expect(mayWriteWith([source], 'packages/x', ...reports)).rejects.toThrow(message)
  },
)

test('nobody writes the manifest file of a package that has a config', async () => {
  expect(await mayWriteWith(['packages/'], 'packages/one/x')).toBe(true)
  expect(await mayWriteWith(['packages/'], 'packages/one/seccomp.manifest.json')).toBe(false)
})

test('an entry may name a package, but none that Vitest depends on', async () => {
  const install = (name: string, dependencies = {}): void => {
    mkdirSync(join(root, 'node_modules', name, 'dist'), { recursive: true })
    const text = JSON.stringify({ name, version: '4.0.0', dependencies })
    writeFileSync(join(root, 'node_modules', name, 'package.json'), text)
  }
  rmSync(join(root, 'node_modules/vitest'))
  install('vitest', { chai: '*' })
  install('chai', { 'assertion-error': '*' })
  for (const name of ['assertion-error', 'other']) install(name)
  const names = ['vitest', 'chai', 'assertion-error', 'other']
  const isWritable = await writable(
    names.map((name) => `node_modules/${name}/`),
    [],
  )
  expect(names.filter((name) => isWritable(`node_modules/${name}/index.js`))).toEqual(['other'])
})

test('nobody writes what the options and variables of the run name: it is loaded before the filter', async () => {
  const names = ['a.cjs', 'b.mjs', 'dir/index.js', 'c.so', 'd.so', 'own.cnf', 'other.cjs']
  mkdirSync(join(root, 'made/dir'))
  for (const name of names) writeFileSync(join(root, 'made', name), '')
  const may = await writable(['made/'], [], {
    NODE_OPTIONS: `--require "${root}/made/a.cjs" --import=file://${root}/made/b.mjs -r ${root}/made/dir --import file:%`,
    LD_PRELOAD: `${root}/made/c.so:${root}/made/d.so`,
    OPENSSL_CONF: join(root, 'made/own.cnf'),
    MINE: join(root, 'made/other.cjs'),
  })
  expect(names.filter((name) => may(`made/${name}`))).toEqual(['other.cjs'])
})

test.each(['vitest', 'chai', '@vitest/utils', 'vite', '@koromix'])(
  'nobody writes to a package that workers load before their filter, whatever is granted: %s',
  async (name) => {
    const source = `node_modules/${name}/`
    expect(await mayWriteWith([source], `${source}dist/index.js`)).toBe(false)
    expect(await mayWriteWith(['node_modules/another/'], 'node_modules/another/index.js')).toBe(true)
  },
)

test('nobody writes beside a package in the store of a package manager, where links say what it depends on', async () => {
  const store = join(root, 'node_modules/.store')
  const own = join(store, 'vitest@4/node_modules/vitest')
  for (const dir of [
    join(own, 'dist'),
    join(store, 'chai@5/node_modules/chai'),
    join(store, 'other@1/node_modules/other'),
  ])
    mkdirSync(dir, { recursive: true })
  writeFileSync(join(own, 'package.json'), '{ "version": "4.1.0", "dependencies": { "chai": "*" } }')
  writeFileSync(join(store, 'chai@5/node_modules/chai/package.json'), '{}')
  symlinkSync('../../chai@5/node_modules/chai', join(own, '../chai'))
  rmSync(join(root, 'node_modules/vitest'))
  symlinkSync('.store/vitest@4/node_modules/vitest', join(root, 'node_modules/vitest'))
  const may = await writable(['node_modules/.store/'], [])
  expect(may('node_modules/.store/other@1/node_modules/other/index.js')).toBe(true)
  for (const path of ['vitest@4/node_modules/chai', 'chai@5/node_modules/assertion-error/index.js'])
    expect(may(`node_modules/.store/${path}`), path).toBe(false)
})

test('nobody leaves a package or a workspace between the root and its workspace, where the next run would find it first', async () => {
  writeFileSync(join(root, 'package.json'), '{ "workspaces": ["packages/*"] }')
  root = join(root, 'packages/one')
  const may = await writable(['<workspace>/packages/', '<workspace>/../'], [])
  expect(may('../other/index.js')).toBe(true)
  const ofYarn = ['.yarnrc.yml', '.yarn/releases/yarn-4.5.0.cjs', '.corepack.env']
  for (const name of ['node_modules/vitest/index.js', 'package.json', 'pnpm-workspace.yaml', ...ofYarn])
    for (const dir of ['..', '../../..']) expect(may(`${dir}/${name}`), `${dir}/${name}`).toBe(false)
})

test('nobody writes where the loader looks for libraries', async () => {
  const may = await writable(['made/'], [], { LD_LIBRARY_PATH: `/opt/lib:${root}/made/later:` })
  expect(may('made/later/libdl.so.2')).toBe(false)
  expect(may('made/libdl.so.2')).toBe(true)
})

test('nobody writes what Node runs in place of the sources', async () => {
  const may = await writable(['made/', `${scratch}/`], [], { NODE_COMPILE_CACHE: join(root, 'made/cache') })
  expect(may('made/cache/v20/x')).toBe(false)
  expect(may('../node-compile-cache/v20/x')).toBe(false)
  expect(may('../other/x')).toBe(true)
})

test.each(['coverage', 'made'])('and not through one that somebody may have left in %s/', async (dir) => {
  symlinkSync('../.git/hooks', join(root, dir, 'of-mine'))
  await expect(mayWrite('.git/hooks/x', `${dir}/of-mine`)).rejects.toThrow('remove it')
})

test('a project has its caches, and no run has those of a run above', async () => {
  mkdirSync(join(scratch, 'node_modules'))
  const isWritable = await writable([], [])
  for (const dir of ['node_modules', 'packages/one/node_modules'])
    for (const name of ['.vitest/x', '.vitest-seccomp/x', '.vite/vitest/x'])
      expect(isWritable(`${dir}/${name}`), `${dir}/${name}`).toBe(true)
  for (const name of ['.vitest/x', '.vitest-seccomp/x', '.vite/vitest/x'])
    expect(isWritable(`../node_modules/${name}`), name).toBe(false)
  // A config may lie there.
  expect(isWritable('../node_modules/.vite-temp/vite.config.ts.timestamp-1-a.mjs')).toBe(true)
})

test.each(['coverage', 'made'])('and not behind a link that somebody may have left in %s/', async (dir) => {
  writeFileSync(join(root, dir, 'vite.config.mjs'), '')
  mkdirSync(join(root, dir, 'node_modules'))
  symlinkSync('../../.git/hooks', join(root, dir, 'node_modules/.vitest'))
  await expect(mayWrite('.git/hooks/x')).rejects.toThrow('remove it')
})

test('no report has a name by which others run what they find', async () => {
  const configs = ['later.test.js', 'a/vitest.config.mts', '.eslintrc', '.eslintrc.json', 'package.json', '.git/config']
  // For node --test, Jest, Ava, Deno, Bun.
  const tests = ['test.mjs', 'a/x-test.js', 'x_spec.ts', 'test-x.cjs', 'test/a/x.js', 'a/__tests__/x.tsx']
  // For pytest, Go, Nx.
  const others = ['conftest.py', 'test_x.py', 'a/x_test.go', 'project.json']
  // For Bazel, Pants, Buck.
  const builds = ['BUILD', 'a/BUILD.bazel', 'BUILD.pants', 'BUCK', 'a/TARGETS', 'TARGETS.v2']
  // For Jest; for linters and formatters; for Mercurial.
  const more = ['a/__mocks__/x.js', '.markdownlint-cli2.yaml', 'a/.tool.json', 'a/package.yaml', '.hg/hgrc']
  // For Python, .NET, dune.
  const sources = ['__init__.py', '__init__.pyc', 'a/__init__.abi3.so', 'testx.py', 'a/X.cs', 'x.cshtml', 'a/dune']
  // For cSpell, TSLint, and all that cosmiconfig reads for: Stylelint.
  const settings = [
    'a/cspell.json',
    'cSpell.jsonc',
    'cspell.config.yaml',
    'tslint.yml',
    '.config/xrc',
    'a/.config/xrc.js',
  ]
  // For Deno.
  const benchmarks = ['bench.js', 'a/x_bench.ts']
  const names = [...configs, ...tests, ...others, ...builds, ...sources, ...more, ...settings, ...benchmarks]
  const isWritable = await writable([], ['packages/of-mine'])
  for (const place of ['coverage', 'html', '.vitest', 'packages/of-mine'])
    for (const name of names) expect(isWritable(`${place}/${name}`), name).toBe(false)
  const pages = [
    'index.html',
    'src/a.test.ts.html',
    'test/a/index.html',
    'src/__tests__/helper.ts.html',
    '__mocks__/x.js.html',
    '.config/src.ts.html',
  ]
  for (const name of [...pages, 'sorter.js', '.tmp/coverage-0.json', 'assets/index-x.js', 'latest.js'])
    expect(isWritable(`coverage/${name}`), name).toBe(true)
})

test('reports and caches hold no link, unless an entry lets somebody write there', async () => {
  const linkless = async (write: readonly string[]): Promise<readonly string[]> => {
    const policy = await policyFor({ files: { 'a.test.ts': { write: ['html/tests/'] } } }, write, ['packages/of-mine'])
    return [...CACHES, 'coverage/x', 'html/x', '.vitest/a/b', 'packages/of-mine/x', 'packages/x', 'made/x'].filter(
      (path) => isLinkless(policy, bytePath(join(root, path))),
    )
  }
  const CACHES = [
    'node_modules/.vite/vitest/a/results.json',
    'node_modules/.vitest/x',
    'node_modules/.vitest-seccomp/x',
  ]
  expect(await linkless([])).toEqual([...CACHES, 'coverage/x', '.vitest/a/b', 'packages/of-mine/x'])
  expect(await linkless(['coverage/', 'packages/'])).toEqual([...CACHES, '.vitest/a/b'])
})

test('Vitest puts no link where an entry for tests names a place, in any project', async () => {
  const files = { 'one.test.ts': { read: ['made/b/'], resources: { c: { read: 'made/c' } } } }
  const policy = await policyFor({ manifest: { read: ['made/a/'] }, files }, ['made/'], [])
  const isKept = (path: string): boolean => wouldRedirectGrant(policy, bytePath(join(root, path)), 'link')
  for (const path of ['a', 'b', 'c'].flatMap((name) => [`made/${name}`, `packages/one/made/${name}`]))
    expect(isKept(path), path).toBe(true)
  expect(isKept('made/d')).toBe(false)
})

test('Vitest removes no link on the way to what an entry for tests excludes', async () => {
  for (const name of ['a', 'b']) symlinkSync('../packages/one', join(root, 'made', name))
  const files = { 'one.test.ts': { read: ['packages/', '!made/b/'] } }
  const policy = await policyFor({ manifest: { read: ['packages/', '!made/a/'] }, files }, ['made/'], [])
  for (const name of ['a', 'b'])
    expect(wouldRedirectExclusion(policy, bytePath(join(root, 'made', name)), 'entry')).toBe(true)
})

test('what Vite 5 writes beside its config is never called as a test file', () => {
  const base = runnerBase({
    envFiles: [],
    programs: [],
    nodeModules: [],
    ownModules: [],
    ways: [],
    userData: '/data',
    missing: [],
    reports: [],
    outputs: [],
    ports: [],
    bundlesBesideConfig: true,
  })
  const context = { root, workspace: root, home: '/home/me', tmp: '/tmp/own', file: root, searchPath: [], lookup }
  const { lists } = bindManifest(parseOptions({ manifest: base }).manifest, context)
  const compiled = compilePolicy({ mode: 'enforce', lists, sockets: [] })
  const mayWriteName = (name: string): boolean =>
    decide(compiled, { kind: 'path', access: 'write', path: bytePath(join(root, name)) }).allowed
  expect(mayWriteName('vite.config.ts.timestamp-1764428000000-5f3a9c1b2d4e8.mjs')).toBe(true)
  const others = ['x.timestamp-1-test', 'x.timestamp-1_spec', 'test-x.timestamp-1-a', 'x.timestamp-1-a.test', 'test']
  expect(others.filter((name) => mayWriteName(`${name}.mjs`))).toEqual([])
})

test('Vitest reads no repository anywhere in the project', async () => {
  const compiled = await policyFor({}, [], [])
  const mayRead = (path: string): boolean =>
    decide(compiled, { kind: 'path', access: 'read', path: bytePath(join(root, path)) }).allowed
  expect(['.git/config', 'packages/one/.git', 'vendor/lib/.GIT/config'].map(mayRead)).toEqual([false, false, false])
  expect(['.github/x.yml', 'packages/one/git/x', 'x.git'].map(mayRead)).toEqual([true, true, true])
})

test('no link of another name is an environment file, and none but to packages is node_modules', async () => {
  const home = join(scratch, 'home')
  mkdirSync(join(home, '.config'), { recursive: true })
  for (const name of ['.netrc', '.env.shared']) writeFileSync(join(home, name), '')
  symlinkSync(join(home, '.netrc'), join(root, '.env'))
  symlinkSync(join(home, '.env.shared'), join(root, '.env.test'))
  symlinkSync(home, join(root, 'packages/one/node_modules'))
  const compiled = await policyFor({}, [], [])
  const may = (access: 'read' | 'write', path: string): boolean =>
    decide(compiled, { kind: 'path', access, path: bytePath(join(home, path)) }).allowed
  expect(['.netrc', '.env.shared', '.config/x'].map((path) => may('read', path))).toEqual([false, true, false])
  expect(may('write', '.vite/vitest/x')).toBe(false)
})

test('a directory html of the project is no report of Vitest', async () => {
  expect(await mayWrite('html/index.html')).toBe(true)
  mkdirSync(join(root, 'html'))
  expect(await mayWrite('html/index.html')).toBe(true)
  writeFileSync(join(root, 'html/index.html'), '<title>Our shop</title>')
  expect(await mayWrite('html/index.html')).toBe(false)
  expect(await mayWriteWith(['html/'], 'html/index.html')).toBe(true)
  writeFileSync(join(root, 'html/html.meta.json.gz'), '')
  expect(await mayWrite('html/index.html')).toBe(true)
})

test('Vitest adds to the summary of a job on GitHub, and writes nothing beside it', async () => {
  const commands = join(scratch, 'commands')
  mkdirSync(commands)
  for (const name of ['step_summary_1', 'set_env_1']) writeFileSync(join(commands, name), '')
  const may = async (summary: string): Promise<readonly boolean[]> => {
    const policy = await policyFor({}, [], [], { GITHUB_STEP_SUMMARY: summary })
    return (['content', 'write'] as const).flatMap((access) =>
      ['step_summary_1', 'set_env_1'].map(
        (name) => decide(policy, { kind: 'path', access, path: bytePath(join(commands, name)) }).allowed,
      ),
    )
  }
  expect(await may(join(commands, 'step_summary_1'))).toEqual([true, false, false, false])
  expect(await may(commands)).toEqual([false, false, false, false])
  const inProject = await policyFor({}, [], [], { GITHUB_STEP_SUMMARY: join(root, 'vitest.config.mjs') })
  expect(
    decide(inProject, { kind: 'path', access: 'content', path: bytePath(join(root, 'vitest.config.mjs')) }).allowed,
  ).toBe(false)
})
