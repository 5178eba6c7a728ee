/**
 * Projects with what people use, in Vitest's own pool and confined: the same results, with no more grants than the lines that are told.
 *
 *   node scripts/gate/honest.mjs --modules <dir> [--node <node>] [--only <glob>] [--keep]
 *
 * `--modules`: a directory with a node_modules of its own, in which are vitest, vite, this package as built, jsdom, and
 * of what scripts/gate/honest-cases.mjs needs whatever is to be tried.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { frameworks } from './frameworks.mjs'
import { CASES } from './honest-cases.mjs'

const { values: options } = parseArgs({
  options: {
    modules: { type: 'string' },
    node: { type: 'string', default: process.execPath },
    only: { type: 'string', default: '**' },
    keep: { type: 'boolean' },
  },
})
const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const modules = join(resolve(options.modules), 'node_modules')
const has = (...names) => names.every((name) => existsSync(join(modules, name, 'package.json')))
const major = Number.parseInt(JSON.parse(readFileSync(join(modules, 'vitest/package.json'), 'utf8')).version, 10)
const base = mkdtempSync(join(tmpdir(), 'honest-'))
for (const part of ['dist', 'package.json'])
  cpSync(join(repository, part), join(modules, 'vitest-pool-seccomp', part), { recursive: true })
symlinkSync(modules, join(base, 'node_modules'))

const configOf = ({ imports = '', plugins = '', config = '', test = '' }) => `
import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'
${imports}

const { manifest } = JSON.parse(readFileSync(new URL('./setting.json', import.meta.url), 'utf8'))
export default defineConfig({
  plugins: [...(manifest === null ? [] : [seccomp({ manifest })]), ${plugins}],
  ${config}${config === '' ? '' : ','}
  test: { pool: manifest === null ? 'forks' : undefined, testTimeout: 30_000, ${test} },
})
`

function make(dir, { files, cwd = 'project', ...config }) {
  const own = {
    'project/package.json': '{ "name": "honest", "private": true, "type": "module" }',
    [`${cwd}/vitest.config.mjs`]: configOf(config),
  }
  for (const [path, content] of Object.entries({ ...own, ...files })) {
    if (content === undefined) continue
    const at = join(dir, path)
    mkdirSync(dirname(at), { recursive: true })
    if (typeof content === 'function') writeFileSync(at, content())
    else if (typeof content === 'string') writeFileSync(at, content)
    else if ('link' in content) symlinkSync(content.link, at)
    else writeFileSync(at, Buffer.from(content.base64, 'base64'))
  }
  return join(dir, cwd)
}

function run(root, { command = ['run'], args = [], tells }, manifest) {
  writeFileSync(join(root, 'setting.json'), JSON.stringify({ manifest }))
  const report = join(base, 'report.json')
  rmSync(report, { force: true })
  const reporters =
    command[0] === 'bench' ? [] : ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const env = { ...process.env, NO_COLOR: '1', VITEST: undefined, CI: undefined }
  const { stdout, stderr, status } = spawnSync(
    options.node,
    [join(modules, 'vitest/vitest.mjs'), ...command, ...reporters, ...args],
    { cwd: root, env, encoding: 'utf8', timeout: 180_000 },
  )
  const out = stdout + stderr
  const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : []
  const states = results
    .flatMap(({ name, status: state, assertionResults }) => [
      `${name.slice(root.length + 1)}: ${state}`,
      ...assertionResults.map((one) => `${one.fullName}: ${one.status}`),
    ])
    .sort()
  return { status, out, seen: JSON.stringify([status, states, saidIn(out), tells?.(root, out)]) }
}

/** The lines that a test prints for this script. */
const saidIn = (out) =>
  out
    .split('\n')
    .filter((line) => line.startsWith('["'))
    .sort()

/** As the lines of violations say, until there is none: what a person does. */
function withGrants(root, one) {
  const read = []
  for (let round = 0; round < 6; round++) {
    const result = run(root, one, { read })
    const lines = [...result.out.matchAll(/to allow it, add to the manifest: read: \['([^']+)'\]/g)].map(
      ([, path]) => path,
    )
    const fresh = [...new Set(lines)].filter((path) => !read.includes(path))
    if (fresh.length === 0) return { ...result, read }
    read.push(...fresh)
  }
  return { ...run(root, one, { read }), read }
}

const all = {
  frameworks: frameworks(has),
  'frameworks, styles compiled': { ...frameworks(has), test: "css: true, setupFiles: ['setup/setup.ts']" },
  ...CASES,
}
const wanted = picomatch(options.only)
let [count, bad] = [0, 0]
for (const [name, one] of Object.entries(all)) {
  if (!wanted(name) || major < (one.from ?? 0) || major >= (one.until ?? Infinity)) continue
  const missing = (one.needs ?? []).filter((need) => !has(need))
  if (missing.length > 0) {
    console.log(`left out   ${name}: ${missing.join(', ')} is not installed`)
    continue
  }
  count++
  const root = make(join(base, String(count)), one)
  const stock = run(root, one, null)
  const confined = withGrants(root, one)
  const same = stock.seen === confined.seen
  if (!same) bad++
  console.log(`${same ? 'the same  ' : 'DIFFERENT '} ${name}: read: ${JSON.stringify(confined.read)}`)
  console.log(`  stock    ${stock.seen}`)
  if (!same)
    console.log(`  confined ${confined.seen}\n${stock.out.slice(-3000)}\n--- confined\n${confined.out.slice(-6000)}`)
  if (options.keep) console.log(`  ${root}`)
}
console.log(`${count} projects under Vitest ${major}, ${bad} of them different`)
if (!options.keep) rmSync(base, { recursive: true, force: true })
process.exitCode = bad > 0 ? 1 : 0
