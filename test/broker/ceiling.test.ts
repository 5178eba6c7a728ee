/** What a confined Vitest may ask for: less than the manifest file gives, never more. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtFile } from '../../src/broker/built.js'
import { Ceiling, type Ground } from '../../src/broker/ceiling.js'
import { StartFailure } from '../../src/broker/outputs.js'
import type { Attachment, Launch } from '../../src/broker/worker.js'
import { compilePolicy, decide, isLinkless, wouldRedirectExclusion, type PolicyData } from '../../src/policy/policy.js'
import { bytePath, type AccessRequest, type PathRequest } from '../../src/policy/request.js'
import type { PathRule, RuleAccess } from '../../src/policy/rules.js'

let scratch: string
let root: string
let vitestDir: string
let ceiling: Ceiling

const rule = (path: string, access: RuleAccess = 'read', shape: 'tree' | 'file' = 'tree'): PathRule => ({
  effect: 'grant',
  access,
  shape,
  root: bytePath(path),
  aliases: [],
  source: path,
  at: 'claimed',
})

function groundOf(more: Partial<Ground> = {}): Ground {
  return {
    root,
    manifestFile: './seccomp.manifest.json',
    manifestText: JSON.stringify({
      manifest: { read: ['data/'], exec: ['sh'], connect: ['tcp:127.0.0.1:5432'] },
      files: { 'special.test.ts': { read: ['special.txt'], resources: { db: { read: 'data/db' } } } },
    }),
    vitestDirs: [vitestDir],
    packages: [],
    cwd: root,
    env: { PATH: process.env.PATH ?? '', LD_PRELOAD: '/usr/lib/own.so' },
    tmp: join(scratch, 'vitest-seccomp-runner'),
    lists: [[rule(join(root, 'out'), 'write')]],
    denied: [],
    linkless: [bytePath(join(root, 'out/reports'))],
    sockets: [],
    protectedPlaces: { trees: [], files: [bytePath(join(root, 'out/kept'))], unlessNamed: [] },
    addresses: [],
    audit: false,
    ...more,
  }
}

beforeAll(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'ceiling-')))
  root = join(scratch, 'project')
  vitestDir = join(root, 'node_modules/vitest/dist')
  for (const dir of ['.git', 'data', 'out/made/node_modules', 'packages/a', 'node_modules/vitest/dist'])
    mkdirSync(join(root, dir), { recursive: true })
  for (const file of [
    '.git/config',
    'special.test.ts',
    'a.test.ts',
    'secret.txt',
    'special.txt',
    'data/db',
    'out/kept',
  ])
    writeFileSync(join(root, file), '')
  writeFileSync(join(root, 'package.json'), '{"workspaces":["packages/*"]}')
  writeFileSync(join(root, 'node_modules/vitest/package.json'), '{"name":"vitest"}')
  for (const name of ['worker.js', 'workers.js']) writeFileSync(join(vitestDir, name), '')
  symlinkSync('../secret.txt', join(root, 'packages/link.test.ts'))
  symlinkSync(scratch, join(root, 'packages/link'))
  ceiling = new Ceiling(groundOf())
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const subject = (...files: string[]): { root: string; files: string[] } => ({
  root,
  files: files.map((file) => join(root, file)),
})

const launch = (): Launch => ({
  execArgv: [],
  env: { PATH: '/usr/bin' },
  cwd: root,
  denied: 'eacces',
  stageTimeout: 1000,
  tmp: join(scratch, 'vitest-seccomp-runner/vitest-seccomp-worker'),
})

const everything: PolicyData = {
  mode: 'enforce',
  lists: [[rule('/', 'write')], [rule('/', 'execute')]],
  sockets: (['connect', 'listen'] as const).map((access) => ({
    access,
    source: '*',
    at: 'claimed',
    target: { family: 'inet', protocol: 'tcp', host: { kind: 'any' }, ports: { from: 0, to: 65_535 } },
  })),
}

function may(policy: PolicyData, request: AccessRequest): boolean {
  return decide(compilePolicy(policy), request).allowed
}

const path = (at: string, access: PathRequest['access'] = 'read'): PathRequest => ({
  kind: 'path',
  access,
  path: bytePath(at.startsWith('/') ? at : join(root, at)),
})

describe('a policy that claims everything', () => {
  test('is worth what the manifest gives every test file', () => {
    const policy = ceiling.policy(everything, subject('a.test.ts'))
    expect(may(policy, path('data/x'))).toBe(true)
    expect(may(policy, path('data/x', 'write'))).toBe(false)
    for (const at of ['secret.txt', 'special.txt', '/etc/passwd']) expect(may(policy, path(at))).toBe(false)
    expect(may(policy, path('/usr/bin/git', 'execute'))).toBe(false)
    const to = (port: number): AccessRequest => ({
      kind: 'socket',
      access: 'connect',
      address: { family: 'inet', protocol: 'tcp', host: '127.0.0.1', port },
    })
    expect(may(policy, to(5432))).toBe(true)
    expect(may(policy, to(22))).toBe(false)
    expect(may(policy, { ...to(5432), access: 'listen' } as AccessRequest)).toBe(false)
  })

  test('is worth what `files` give where it is for one of those', () => {
    const policy = ceiling.policy(everything, subject('special.test.ts'))
    expect(may(policy, path('special.txt'))).toBe(true)
    expect(policy.resources?.map(({ name }) => name)).toEqual(['db'])
  })

  test('before any file is worth what all of them have', () => {
    const policy = ceiling.policy(everything, subject())
    expect(may(policy, path('special.txt'))).toBe(false)
    expect(policy.resources).toEqual([])
  })

  test('has nothing that `deny` refuses to the runner, but what entries for tests give', () => {
    const refused = ['out/private', 'data/x'].map((at): PathRule => ({ ...rule(join(root, at)), effect: 'exclude' }))
    const policy = new Ceiling(groundOf({ denied: refused })).policy(everything, subject('a.test.ts'))
    for (const at of ['out/y', 'data/x']) expect(may(policy, path(at)), at).toBe(true)
    expect(may(policy, path('out/private/key'))).toBe(false)
  })

  test('keeps the links on the way to what entries for other test files exclude', () => {
    symlinkSync('../data', join(root, 'out/way'))
    const files = { 'special.test.ts': { read: ['data/', '!out/way/'] } }
    const own = new Ceiling(groundOf({ manifestText: JSON.stringify({ files }) }))
    const policy = compilePolicy(own.policy(everything, subject('a.test.ts')))
    rmSync(join(root, 'out/way'))
    expect(wouldRedirectExclusion(policy, bytePath(join(root, 'out/way')), 'entry')).toBe(true)
  })

  test('changes what the runner may change, but for what the run depends on', () => {
    const policy = ceiling.policy(everything, subject('a.test.ts'))
    expect(may(policy, path('out/x', 'write'))).toBe(true)
    expect(may(policy, path('out/kept', 'write'))).toBe(false)
    expect(may(policy, path('out/kept'))).toBe(true)
  })

  test('puts no link among reports, as the runner itself', () => {
    const policy = compilePolicy(ceiling.policy({ ...everything, linkless: [] }, subject('a.test.ts')))
    expect(['out/reports/x', 'out/x'].map((at) => isLinkless(policy, bytePath(join(root, at))))).toEqual([true, false])
  })
})

test('a policy that claims less is worth no more than that', () => {
  const policy = ceiling.policy({ mode: 'enforce', lists: [], sockets: [] }, subject('a.test.ts'))
  expect(may(policy, path('data/x'))).toBe(false)
})

test('a test file may be written only where Vitest writes inline snapshots', () => {
  writeFileSync(join(root, 'inline.test.ts'), 'expect(1).toMatchInlineSnapshot()')
  const both = ceiling.policy(everything, subject('a.test.ts', 'inline.test.ts'))
  expect(may(both, path('inline.test.ts', 'content'))).toBe(true)
  expect(may(both, path('a.test.ts', 'content'))).toBe(false)
  // A worker that has both may write the snapshots of both.
  for (const name of ['a', 'inline']) expect(may(both, path(`__snapshots__/${name}.test.ts.snap`, 'write'))).toBe(true)
})

test('own code may be read, but for what the manifest excludes', () => {
  writeFileSync(join(root, 'kept.cjs'), '')
  const manifestText = JSON.stringify({
    manifest: { read: ['data/', '!kept.cjs'] },
    files: { 'a.test.ts': { read: ['!special.test.ts'] } },
  })
  const policy = new Ceiling(groundOf({ manifestText })).policy(everything, subject('a.test.ts'))
  expect(may(policy, path('a.test.ts'))).toBe(true)
  for (const at of ['kept.cjs', 'special.test.ts']) expect(may(policy, path(at))).toBe(false)
})

test('resources are those of the manifest, whatever is claimed', () => {
  const resources: PolicyData['resources'] = [
    {
      name: 'key',
      at: 'claimed',
      use: {
        how: 'open',
        access: 'read',
        rule: rule('/etc/shadow', 'read', 'file'),
        create: false,
        truncate: false,
        append: false,
      },
    },
  ]
  expect(ceiling.policy({ ...everything, resources }, subject('a.test.ts')).resources).toEqual([])
})

describe('what tests acquire', () => {
  const having = (resources: object): Ceiling =>
    new Ceiling(groundOf({ lists: [], manifestText: JSON.stringify({ manifest: { resources } }) }))

  test('is a directory, but for what the run depends on', () => {
    const policy = having({ out: { write: 'out/' } }).policy(everything, subject('a.test.ts'))
    expect(may(policy, path('out/x', 'write'))).toBe(true)
    expect(may(policy, path('out/kept', 'write'))).toBe(false)
    expect(may(policy, path('out/kept'))).toBe(true)
  })

  test('is no file that the run depends on', () => {
    const kept = { write: 'out/kept', append: true }
    expect(() => having({ kept }).policy(everything, subject('a.test.ts'))).toThrow(StartFailure)
    const read = having({ kept: { read: 'out/kept' }, other: { write: 'out/x' } })
    const policy = read.policy(everything, subject('a.test.ts'))
    expect(policy.resources?.map(({ name }) => name)).toEqual(['kept', 'other'])
    // By its name alone.
    expect(may(policy, path('out/x'))).toBe(false)
  })

  test('is no place for a project, nor for code that every test may read', () => {
    const own = having({ out: { write: 'out/' } })
    expect(() => own.policy(everything, { root: join(root, 'out/made'), files: [] })).toThrow(StartFailure)
    const source = having({ made: { write: 'out/x.cjs' } })
    expect(may(source.policy(everything, subject('a.test.ts')), path('out/x.cjs'))).toBe(false)
  })
})

test('a ceiling that the runner brings along, or a terminal, is not taken over', () => {
  const policy = ceiling.policy(
    { ...everything, ceiling: { lists: everything.lists, sockets: [] }, terminal: bytePath('/dev/pts/0') },
    subject('a.test.ts'),
  )
  expect(may(policy, path('secret.txt'))).toBe(false)
  expect(policy.terminal).toBeUndefined()
})

describe('is refused:', () => {
  test.each<[string, () => unknown]>([
    ['audit', () => ceiling.policy({ ...everything, mode: 'audit' }, subject('a.test.ts'))],
    ['a test file that is a link', () => ceiling.policy(everything, subject('packages/link.test.ts'))],
    ['a test file that is a directory', () => ceiling.policy(everything, subject('data'))],
    ['a test file that is not there', () => ceiling.policy(everything, subject('none.test.ts'))],
    ['a test file outside the project', () => ceiling.policy(everything, { root, files: ['/etc/hostname'] })],
    [
      'a test file by another name',
      () =>
        ceiling.policy(
          everything,
          subject('data/../a.test.ts').files.length > 0 ? { root, files: [`${root}/data/../a.test.ts`] } : subject(),
        ),
    ],
    [
      'a test file in an installed package',
      () => ceiling.policy(everything, subject('node_modules/vitest/package.json')),
    ],
    ['a test file of git', () => ceiling.policy(everything, subject('.git/config'))],
    ['a root elsewhere', () => ceiling.policy(everything, { root: '/etc', files: [] })],
    ['a root above', () => ceiling.policy(everything, { root: dirname(root), files: [] })],
    ['a root that is a link', () => ceiling.policy(everything, { root: join(root, 'packages/link'), files: [] })],
    [
      'a root in an installed package',
      () => ceiling.policy(everything, { root: join(root, 'node_modules/vitest'), files: [] }),
    ],
    ['a root of git', () => ceiling.policy(everything, { root: join(root, '.git'), files: [] })],
    ['a root that somebody may write', () => ceiling.policy(everything, { root: join(root, 'out/made'), files: [] })],
    ['execution of anything', () => ceiling.launch({ ...launch(), executable: 'any' }, subject())],
    ['a promise given up', () => ceiling.launch({ ...launch(), unsafe: ['exec-without-landlock'] }, subject())],
    ['streams', () => ceiling.launch({ ...launch(), streams: [0, 1, 2] }, subject())],
    ...['--require', '--import'].map((option): [string, () => unknown] => [
      `Vitest's command by ${option}`,
      () =>
        ceiling.launch({ ...launch(), execArgv: [option, join(root, 'node_modules/vitest/vitest.mjs')] }, subject()),
    ]),
    [
      'a temporary directory elsewhere',
      () => ceiling.launch({ ...launch(), tmp: join(root, 'vitest-seccomp-x') }, subject()),
    ],
    [
      'a temporary directory by another name',
      () => ceiling.launch({ ...launch(), tmp: join(scratch, 'vitest-seccomp-runner/x') }, subject()),
    ],
    ...[
      ['--require', '/tmp/x.js'],
      ['-r', './x.js'],
      ['--import=data:text/javascript,1'],
      ['--loader', 'x'],
      ['--inspect'],
      ['--inspect-brk=0.0.0.0:9229'],
      ['--env-file=/root/.env'],
      ['--openssl-config=/tmp/x'],
      ['--icu-data-dir=/tmp'],
      ['--cpu-prof'],
      ['--redirect-warnings=/root/.bashrc'],
      ['--trace-event-file-pattern=/tmp/x'],
      ['--prof'],
      ['--logfile=/tmp/x'],
      ['--snapshot-blob', 'x'],
      ['--experimental-config-file=x'],
      ['--preserve-symlinks'],
      ['--preserve_symlinks'],
      ['-e', '1'],
      ['x.js'],
      ['--conditions', 'a', '--eval=1'],
      // Node takes what comes next, the worker's own script, for its value, and reads a script from stdin.
      ['--max-http-header-size'],
    ].map((execArgv): [string, () => unknown] => [
      `execArgv ${execArgv.join(' ')}`,
      () => ceiling.launch({ ...launch(), execArgv }, subject()),
    ]),
    [
      'NODE_OPTIONS=--require=/tmp/x.js',
      () => ceiling.launch({ ...launch(), env: { NODE_OPTIONS: '--require=/tmp/x.js' } }, subject()),
    ],
    ...['--require ./tools/own.cjs', '--openssl-config ./own.cnf', '--openssl-config=./dir'].map(
      (options): [string, () => unknown] => [
        `NODE_OPTIONS=${options} where the run was started with another such option`,
        () => startedWith(NODE_OPTIONS).launch({ ...launch(), env: { NODE_OPTIONS: options } }, subject()),
      ],
    ),
    [
      'NODE_OPTIONS that Node splits after a backslash',
      () => ceiling.launch({ ...launch(), env: { NODE_OPTIONS: '--conditions=\\ --require=/tmp/x.js' } }, subject()),
    ],
    ['a runtime of its own', () => attach({ runtime: pathToFileURL(join(root, 'secret.txt')).href })],
    ['a process group', () => attach({ group: 1 })],
    ['a command line', () => attach({ argv: ['x'] })],
    ['a runner of its own', () => attach({ runner: pathToFileURL(join(root, 'a.test.ts')).href })],
    ["Vitest 3's worker by the runtime for another", () => attach({ runner: ofVitest('workers.js') })],
    ['a runner that is text', () => attach({ runner: 'data:text/javascript,1' })],
    // Its command line, which loads a config.
    ['another module of Vitest as the runner', () => attach({ runner: ofVitest('cli.js') })],
    ['another module of Vitest before the filter', () => attach({ early: [ofVitest('cli.js')] })],
    ['a worker with a query', () => attach({ runner: `${ofVitest('worker.js')}?x` })],
    ['an early module of its own', () => attach({ early: [pathToFileURL(join(root, 'a.test.ts')).href] })],
    [
      'an early module behind a link',
      () => attach({ early: [pathToFileURL(join(root, 'packages/link.test.ts')).href] }),
    ],
  ])('%s', (_, ask) => {
    expect(ask).toThrow(StartFailure)
  })
})

const NODE_OPTIONS =
  '--require ./tools/own.cjs --experimental_loader ./x.mjs --openssl-config=./own.cnf --icu-data-dir ./dir'

function startedWith(options: string): Ceiling {
  return new Ceiling(groundOf({ env: { NODE_OPTIONS: options } }))
}

test('options of the user pass as they were when the run began, but for those that load code', () => {
  const own = startedWith(NODE_OPTIONS)
  const pass = '--icu-data-dir ./dir --expose-gc --openssl-config=./own.cnf'
  const env = { NODE_OPTIONS: pass }
  expect(own.launch({ ...launch(), env }, subject()).env).toEqual(env)
  expect(() => own.launch({ ...launch(), env: { NODE_OPTIONS } }, subject())).toThrow(StartFailure)
})

test('a worker starts where the run was started, and enters its own directory after the filter', () => {
  expect(ceiling.launch({ ...launch(), cwd: '/etc' }, subject()).cwd).toBe(root)
  expect(ceiling.launch(launch(), subject()).cwd).toBe(root)
  const asked = { policy: everything, setup: { runner: ofVitest('worker.js'), preload: [], landlock: [], cwd: '/etc' } }
  const entered = (cwd: string): string | undefined => ceiling.attachment(asked, subject(), { env: {}, cwd }).setup.cwd
  expect(entered(root)).toBeUndefined()
  expect(entered(join(root, 'data'))).toBe(join(root, 'data'))
})

const ofVitest = (name: string): string => pathToFileURL(join(vitestDir, name)).href

function attach(setup: Partial<Attachment['setup']>, env: Launch['env'] = {}): Attachment {
  const asked = { policy: everything, setup: { runner: ofVitest('worker.js'), preload: [], landlock: [], ...setup } }
  return ceiling.attachment(asked, subject(), { env })
}

test("what a worker reads before its filter is the run's own, and what it executes the manifest's", () => {
  const { setup } = attach({
    landlock: [
      { path: '/', right: 'read' },
      { path: '/', right: 'execute' },
      { path: '/usr/bin/git', right: 'execute' },
      { path: realpathSync('/bin/sh'), right: 'execute' },
    ],
  })
  const reading = setup.landlock.filter(({ right }) => right === 'read').map(({ path: at }) => at)
  expect(reading).toContain(join(root, 'node_modules'))
  expect(reading).not.toContain('/')
  expect(setup.landlock.filter(({ right }) => right === 'execute').map(({ path: at }) => at)).toEqual([
    realpathSync('/bin/sh'),
  ])
})

test('how a worker confines itself is not for the runner to say', () => {
  const forged = { seal: 'AAAA', opensNetwork: true, filter: 'AAAA', modules: 5 }
  expect(Object.keys(attach(forged).setup).toSorted()).toEqual([
    'early',
    'env',
    'landlock',
    'preload',
    'runner',
    'runtime',
  ])
})

test("a worker's first modules have names that nobody can turn", () => {
  const link = join(root, 'out/worker.js')
  symlinkSync(join(vitestDir, 'worker.js'), link)
  const { runner, runtime } = attach({ runner: pathToFileURL(link).href }).setup
  expect(runner).toBe(ofVitest('worker.js'))
  expect(runtime).toBe(pathToFileURL(builtFile('runtime.js')).href)
})

test('a link that a test has put in the place of its snapshots grants nothing of what it leads to', () => {
  const outside = join(scratch, 'outside')
  mkdirSync(outside)
  mkdirSync(join(root, 'packages/b'))
  writeFileSync(join(root, 'packages/b/x.test.ts'), '')
  symlinkSync(outside, join(root, 'packages/b/__snapshots__'))
  const policy = ceiling.policy(everything, subject('packages/b/x.test.ts'))
  for (const access of ['read', 'write'] as const) {
    expect(may(policy, path(join(outside, 'x.test.ts.snap'), access))).toBe(false)
    expect(may(policy, path(outside, access))).toBe(false)
  }
})

test('of the programs that a launch names the granted ones are left', () => {
  const sh = realpathSync('/bin/sh')
  expect(ceiling.launch({ ...launch(), executable: ['/usr/bin/git', sh, '/'] }, subject()).executable).toEqual([sh])
})

test('a link in a tree of programs is none of them: the worker might execute what it leads to', () => {
  const tools = join(root, 'out/tools')
  mkdirSync(tools)
  writeFileSync(join(tools, 'own'), '#!/bin/true\n', { mode: 0o755 })
  symlinkSync('/usr/bin/env', join(tools, 'link'))
  const own = new Ceiling(groundOf({ manifestText: JSON.stringify({ manifest: { exec: ['out/tools/'] } }) }))
  const executable = ['own', 'link'].map((name) => join(tools, name))
  expect(own.launch({ ...launch(), executable }, subject()).executable).toEqual(executable.slice(0, 1))
})

test('a worker may execute what is in its own temporary directory, and not what lies beside it', () => {
  const manifestText = JSON.stringify({ manifest: { exec: ['<tmp>/'] } })
  const own = new Ceiling(groundOf({ manifestText }))
  const { tmp = '' } = launch()
  const executable = [tmp, dirname(dirname(tmp)), '/tmp']
  expect(own.launch({ ...launch(), executable }, subject()).executable).toEqual([tmp])
})

test('variables that load code or open files are as they were when the run began, or not there', () => {
  const env = {
    LD_PRELOAD: '/tmp/evil.so',
    LD_LIBRARY_PATH: '/tmp',
    OPENSSL_CONF: '/tmp/x',
    NODE_EXTRA_CA_CERTS: '/root/.npmrc',
    SSLKEYLOGFILE: '/tmp/x',
    GCONV_PATH: '/tmp',
    TZ: '/root/fifo',
    MINE: '1',
    NODE_ENV: 'test',
    NODE_OPTIONS: '--max-old-space-size=4096',
  }
  // Not even what is unknown: the worker is born with what the run was started with, and with what modules look at once.
  expect(ceiling.launch({ ...launch(), env }, subject()).env).toEqual({
    NODE_ENV: 'test',
    NODE_OPTIONS: '--max-old-space-size=4096',
  })
  expect(attach({}, env).setup.env).toEqual({ MINE: '1', TZ: '/root/fifo' })
  const outside = groundOf().env
  expect(ceiling.launch({ ...launch(), env: { ...outside, PATH: '/tmp' } }, subject()).env).toEqual({
    LD_PRELOAD: outside.LD_PRELOAD,
  })
  expect(ceiling.launch({ ...launch(), env: { LD_PRELOAD: '/usr/lib/own.so' } }, subject()).env).toEqual({
    LD_PRELOAD: '/usr/lib/own.so',
  })
})

test('NODE_OPTIONS is joined of the words that were judged', () => {
  const env = { NODE_OPTIONS: ' --conditions="a b"\t"\\"c  --no-"warnings' }
  expect(ceiling.launch({ ...launch(), env }, subject()).env).toEqual({
    NODE_OPTIONS: '"--conditions=a b\t\\"c  --no-warnings"',
  })
})

test('the module table is made of installed packages, whatever else is named', () => {
  const modules = {
    roots: [bytePath('/etc')],
    aliases: [bytePath('/root')],
    without: [bytePath(join(root, 'node_modules/x'))],
    denied: [{ root: join(root, 'node_modules/y') }, { root: join(root, 'node_modules/z'), pattern: '/no/such/glob{' }],
  }
  const admitted = ceiling.launch({ ...launch(), modules }, subject()).modules
  expect(admitted?.roots).toContain(join(root, 'node_modules'))
  expect(admitted?.roots).not.toContain('/etc')
  expect(admitted?.aliases).not.toContain('/root')
  for (const name of ['x', 'y', 'z']) expect(admitted?.without).toContain(join(root, 'node_modules', name))
})

test("options of Node's that do nothing by themselves pass, and Vitest's own preloads", () => {
  const own = join(root, 'node_modules/vitest/suppress-warnings.cjs')
  writeFileSync(own, '')
  const execArgv = [
    '--experimental-import-meta-resolve',
    '--require',
    own,
    '--conditions',
    'dev',
    '--expose-gc',
    '--max-old-space-size=100',
  ]
  expect(ceiling.launch({ ...launch(), execArgv }, subject()).execArgv).toEqual(execArgv)
})

test('another project of the workspace gets what the manifest file gives from its root', () => {
  const policy = ceiling.policy(everything, { root: join(root, 'packages/a'), files: [] })
  expect(may(policy, path('packages/a/data/x'))).toBe(true)
  expect(may(policy, path('data/x'))).toBe(false)
})

test('no entry climbs out of the workspace from a place that the runner names', () => {
  const manifest = {
    read: ['<file>/../near/', '<root>/../seen/', '<workspace>/../far/', join(scratch, 'x/../named/')],
    write: ['../shared/'],
    connect: ['unix:../sock'],
    resources: { own: { read: '../held' } },
  }
  const own = new Ceiling(
    groundOf({ root: join(root, 'packages/a'), manifestText: JSON.stringify({ manifest }), lists: [] }),
  )
  const inA = own.policy(everything, { root: join(root, 'packages/a'), files: [] })
  for (const at of ['shared/x', 'near/x', 'seen/x']) expect([at, may(inA, path(`packages/${at}`))]).toEqual([at, true])
  const above = own.policy(everything, { root, files: [join(root, 'a.test.ts')] })
  for (const at of ['shared/x', 'near/x', 'seen/x'])
    expect([at, may(above, path(join(scratch, at)))]).toEqual([at, false])
  for (const at of ['far/x', 'named/x']) expect([at, may(above, path(join(scratch, at)))]).toEqual([at, true])
  const unix = ({ ceiling: of }: PolicyData) => of?.sockets.filter(({ target }) => target.family === 'unix').length
  expect([unix(inA), unix(above)]).toEqual([1, 0])
  expect(inA.resources?.map(({ name }) => name)).toEqual(['own'])
  expect(above.resources).toEqual([])
})

describe('what a test has made is refused', () => {
  const manifestText = JSON.stringify({
    manifest: {
      read: ['<file>/fixtures/'],
      write: ['made/', '<file>/beside/'],
      connect: ['unix:<file>/fixtures/sock'],
    },
  })
  const outside = (): string => join(scratch, 'elsewhere')
  let own: Ceiling

  beforeAll(() => {
    mkdirSync(outside())
    for (const dir of ['packages/a/made/evil', 'packages/c/beside/evil', 'packages/c/inner'])
      mkdirSync(join(root, dir), { recursive: true })
    for (const file of ['packages/c/x.test.ts', 'packages/a/made/x.test.ts', 'packages/c/inner/x.test.ts'])
      writeFileSync(join(root, file), '')
    for (const dir of ['packages/a/made', 'packages/c/inner']) symlinkSync(outside(), join(root, dir, 'fixtures'))
    own = new Ceiling(groundOf({ manifestText }))
  })

  test('as the root of a project, also of one that was none when the run began', () => {
    const evil = { root: join(root, 'packages/a/made/evil'), files: [] }
    own.policy(everything, { root: join(root, 'packages/a'), files: [] })
    expect(() => own.policy(everything, evil)).toThrow(StartFailure)
  })

  test('as the root of a project, beside a test file', () => {
    const evil = { root: join(root, 'packages/c/beside/evil'), files: [] }
    own.policy(everything, subject('packages/c/x.test.ts'))
    expect(() => own.policy(everything, evil)).toThrow(StartFailure)
  })

  test('as a link on the way of an entry, beside what is called a test file; a link of the project is none', () => {
    const project = { root: join(root, 'packages/a'), files: [join(root, 'packages/a/made/x.test.ts')] }
    expect(() => own.policy(everything, project)).toThrow('by way of')
    expect(may(own.policy(everything, subject('packages/c/inner/x.test.ts')), path(join(outside(), 'x')))).toBe(true)
  })
})
