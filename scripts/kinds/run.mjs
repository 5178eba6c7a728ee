// node scripts/kinds/run.mjs [--dir <scratch>] [--tarball <package>] [--json <file>] [name…]
//
// Makes a project of each kind that kinds.mjs has, as somebody would have it who never heard of the pool, and does what the guide
// says: the tests as they are, `vitest-seccomp record`, the plugin in the config, the tests again. All three must pass; printed are
// the manifest that came of it, how much of what it opens was used, and how long each step took.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mustRun, run } from '../suites/checkout.mjs'
import { kinds } from './kinds.mjs'

const { values, positionals } = parseArgs({
  options: { dir: { type: 'string' }, tarball: { type: 'string' }, json: { type: 'string' } },
  allowPositionals: true,
})
const dir = path.resolve(values.dir ?? (await fs.mkdtemp(path.join(os.tmpdir(), 'kinds-'))))
const tarball = path.resolve(values.tarball ?? packed())
const unknown = positionals.filter((name) => !Object.hasOwn(kinds, name))
if (unknown.length > 0)
  throw new Error(`there is no kind ${unknown.join(', ')}; there are ${Object.keys(kinds).join(', ')}`)

const { CI: _, FORCE_COLOR: __, NODE_ENV: ___, ...env } = process.env
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

async function tried(name, { packages, files, config }) {
  const root = path.join(dir, name)
  await fs.rm(root, { recursive: true, force: true })
  for (const [file, text] of Object.entries({ ...files, 'vitest.config.mjs': configText(config, false) })) {
    await fs.mkdir(path.dirname(path.join(root, file)), { recursive: true })
    await fs.writeFile(path.join(root, file), text)
  }
  const own = {
    name: `kind-${name}`,
    private: true,
    type: 'module',
    devDependencies: { vitest: '^4.1.0', ...packages },
  }
  await fs.writeFile(path.join(root, 'package.json'), `${JSON.stringify(own, null, 2)}\n`)
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts=false']
  await mustRun('npm', ['install', ...flags], { cwd: root, env })
  const stock = await step(root, ['node_modules/vitest/vitest.mjs', 'run'])
  await mustRun('npm', ['install', '--save-dev', ...flags, tarball], { cwd: root, env })
  const record = await step(root, ['node_modules/vitest-pool-seccomp/dist/cli/bin.js', 'record', '--', 'vitest', 'run'])
  await fs.writeFile(path.join(root, 'vitest.config.mjs'), configText(config, true))
  const enforced = await step(root, ['node_modules/vitest/vitest.mjs', 'run'])
  const [, opened, used] = /^Of (\d+) files? .* open, (all|\d+) were used/m.exec(record.output) ?? []
  return {
    name,
    green: [stock, record, enforced].every(({ code }) => code === 0),
    steps: { stock: told(stock), record: told(record), enforced: told(enforced) },
    ...(opened === undefined ? {} : { opened: Number(opened), used: Number(used === 'all' ? opened : used) }),
    manifest: await fs.readFile(path.join(root, 'seccomp.manifest.json'), 'utf8').catch(() => ''),
    said: record.output.slice(Math.max(0, record.output.indexOf('seccomp.manifest.json: '))),
    failure: enforced.code === 0 ? '' : enforced.output,
  }
}

async function step(root, args) {
  const began = performance.now()
  const { code, output } = await run(process.execPath, args, { cwd: root, env: { ...env, NO_COLOR: '1' } })
  return { code, output, seconds: (performance.now() - began) / 1000 }
}

function configText({ imports = '', plugins = '', test = '{}' } = {}, confined) {
  const own = confined ? "seccomp({ manifest: './seccomp.manifest.json' })" : ''
  return `${[
    imports,
    ...(confined ? ["import { seccomp } from 'vitest-pool-seccomp'"] : []),
    `export default { plugins: [${[plugins, own].filter((part) => part !== '').join(', ')}], test: ${test} }`,
  ].join('\n')}\n`
}

function report({ name, green, steps, opened, used, said, manifest, failure }) {
  const line = Object.entries(steps).map(
    ([what, { code, seconds, tests }]) => `${what} ${code === 0 ? 'ok' : code} (${seconds} s; ${tests})`,
  )
  const tight = opened === undefined ? 'it opens no file' : `${used} of ${opened} files that it opens were used`
  process.stdout.write(
    `\n== ${name}: ${green ? 'green' : 'NOT GREEN'}; ${line.join(', ')}; ${tight}\n${manifest}${said}${failure.slice(-6000)}`,
  )
}
