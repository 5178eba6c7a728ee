/**
 * The oracle: hostile workers run, and the kernel tells what Vitest's own process has opened and connected to meanwhile. It fails
 * for whatever is not on a short list with reasons, whether or not a program got anything of it. Needs strace(1).
 *
 *   node scripts/oracle/run.mjs [--only <glob>] [--vitest <vitest.mjs>] [--node <node>] [--config <name>] [--stock] [--verbose]
 *                               [--together <programs>]
 *
 * Programs that need nothing of the whole run are projects of one run, as many as `--together` says. One that did not begin there, because another
 * ended or held up the run, runs by itself.
 *
 * `--stock`: in Vitest's own pool, where it has to find something. `--config`: what the run has besides: plain, coverage, istanbul, reports, ui, plugins. All of them, if none is named.
 *
 * Not by a broker of this package around Vitest: the kernel allows one seccomp listener in a chain of filters, so the workers
 * inside could not be confined (seccomp_unotify(2)). Only Vitest's process and its threads count; the broker's own openat2(2),
 * beneath what a worker may use, does not.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { MARK } from '../escapes/program.mjs'
import { Stage } from '../escapes/stage.mjs'
import { missingFor, run, vitestWorlds, writeProject } from '../escapes/vitest-world.mjs'
import { allowedFor } from './allowed.mjs'
import { callsOfFirst, pathsIn } from './trace.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '**' },
    vitest: { type: 'string', default: `${repository}/node_modules/vitest/vitest.mjs` },
    node: { type: 'string', default: process.execPath },
    config: { type: 'string' },
    stock: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '90' },
    together: { type: 'string', default: '12' },
  },
})
if (spawnSync('strace', ['-V']).status !== 0) throw new Error('strace is not installed')

const vitest = resolve(options.vitest)
const modules = realpathSync(dirname(dirname(vitest)))
const has = (name) => existsSync(join(modules, name, 'package.json'))
const reports = (names) => ({
  reporters: ['default', ...names],
  outputFile: Object.fromEntries(
    names.map((name) => [name, `reports/${name}${name === 'html' ? '/index.html' : '.xml'}`]),
  ),
})
const covering = (provider) => ({
  coverage: { enabled: true, provider, reporter: ['html', 'json'], reportOnFailure: true },
})
const PLUGINS = [
  ['@vitejs/plugin-vue', "import vue from '@vitejs/plugin-vue'", 'vue()'],
  ['@vitejs/plugin-react', "import react from '@vitejs/plugin-react'", 'react()'],
  [
    '@sveltejs/vite-plugin-svelte',
    "import { svelte } from '@sveltejs/vite-plugin-svelte'",
    'svelte({ configFile: false })',
  ],
  ['@tailwindcss/vite', "import tailwind from '@tailwindcss/vite'", 'tailwind()'],
].filter(([name]) => has(name))
const CONFIGS = {
  plain: { test: {} },
  coverage: has('@vitest/coverage-v8') && { test: covering('v8') },
  istanbul: has('@vitest/coverage-istanbul') && { test: covering('istanbul') },
  reports: { test: reports(['json', 'junit', 'blob', ...(has('@vitest/ui') ? ['html'] : [])]) },
  ui: has('@vitest/ui') && { test: { ui: true, open: false, watch: false, api: { host: '127.0.0.1', port: 51_321 } } },
  plugins: PLUGINS.length > 0 && {
    test: { environment: 'jsdom' },
    imports: PLUGINS.map(([, imports]) => imports).join('\n'),
    plugins: PLUGINS.map(([, , call]) => call).join(', '),
  },
}
const wanted = Object.entries(CONFIGS).filter(([name, config]) => config && (options.config ?? name) === name)

process.env.ESCAPES_TOKEN = 'token-of-the-oracle'
const base = mkdtempSync(join(tmpdir(), 'oracle-'))
const traces = join(base, 'traces')
const traced = join(base, 'node')
writeFileSync(
  traced,
  `#!/bin/sh\nexec strace -f --seccomp-bpf -y -qq -s 4096 -e trace=open,openat,creat,connect,clone,clone3,fork,vfork -o "${traces}" "${options.node}" "$@"\n`,
)
chmodSync(traced, 0o755)
const worlds = vitestWorlds(base, { vitest, node: traced })
const world = options.stock ? 'stock' : 'confined'

const matches = picomatch(options.only)
const names = readdirSync(join(repository, 'fixtures/escapes/vitest'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => basename(file, '.mjs'))
  .filter((name) => matches(name))
const programs = await Promise.all(
  names.map(async (name) => {
    const module = await import(pathToFileURL(join(repository, 'fixtures/escapes/vitest', `${name}.mjs`)).href)
    return { name, module }
  }),
)
/** Options of a whole run, which no project of one has. */
const OF_RUN = [
  'coverage',
  'reporters',
  'outputFile',
  'ui',
  'open',
  'watch',
  'api',
  'dangerouslyIgnoreUnhandledErrors',
  'sequence',
]
const entriesOf = (test = {}, isOfRun) =>
  Object.fromEntries(Object.entries(test).filter(([key]) => OF_RUN.includes(key) === isOfRun))

const seen = new Map()
let [count, allBad] = [0, 0]
for (const [config, more] of wanted) {
  // What nobody promises to keep from them is no news.
  const there = programs.filter(
    ({ module }) => module.promised === undefined && missingFor(module, vitest).length === 0,
  )
  const results = new Map()
  const together = there.filter(({ name, module }) => isForAnyRun(name, module))
  for (let at = 0; at < together.length; at += Number(options.together))
    await runTogether(together.slice(at, at + Number(options.together)), more, results)
  for (const { name, module } of there) if (!results.has(name)) results.set(name, await runAlone(name, module, more))
  const bad = [...results].filter(([, { found }]) => found.length > 0)
  allBad += bad.length
  for (const [name, { found, note }] of results) {
    if (found.length > 0 || options.verbose)
      console.log(`${found.length === 0 ? 'ok  ' : 'BAD '} ${config.padEnd(9)} ${name}${note}`)
    for (const one of found) console.log(`       ${one}`)
  }
  const ended = [...results.values()].filter(({ note }) => note !== '').length
  console.log(`${config.padEnd(9)} ${results.size} programs, ${bad.length} bad, ${ended} ended after their time`)
}

function isForAnyRun(name, module) {
  const stage = newStage()
  const own = module.setting?.(stage.facts, join(base, 'none')) ?? {}
  stage.close()
  return own.args === undefined && Object.keys(entriesOf(own.test, true)).length === 0
}

function newStage() {
  return new Stage(join(base, `stage-${++count}`), `canary-${count}-${Date.now()}`, {})
}

function combined(own, more) {
  // A program may bring one of them itself.
  const all = (key, by) => [...new Set([own[key], more[key]].flatMap((text) => text?.split(by) ?? []))].join(by)
  const plugins = own.plugins?.includes('\n')
    ? [own.plugins, more.plugins].filter((text) => text !== undefined).join(', ')
    : all('plugins', ', ')
  return { ...own, test: { ...more.test, ...own.test }, plugins, imports: all('imports', '\n') }
}

async function runAlone(name, module, more) {
  const stage = newStage()
  const root = join(base, `project-${world}-${name}`)
  rmSync(root, { recursive: true, force: true })
  const setting = (...args) => combined(module.setting?.(...args) ?? {}, more)
  const facts = { ...stage.facts, parentPid: process.pid }
  const { failed, timedOut } = await worlds[world](name, facts, Number(options.seconds), { setting })
  const found = [
    ...(failed === undefined ? [] : [failed]),
    ...outside(readFileSync(traces, 'latin1'), [{ root, stage: stage.facts }], root),
  ]
  stage.close()
  return { found, note: timedOut ? ' (ended after its time)' : '' }
}

async function runTogether(some, more, results) {
  const top = join(base, `together-${++count}`)
  mkdirSync(top)
  const stages = some.map(({ name, module }) => {
    const stage = newStage()
    const root = join(top, name)
    mkdirSync(root)
    const facts = { ...stage.facts, parentPid: process.pid }
    const { test, ...own } = combined(module.setting?.(facts, root) ?? {}, more)
    writeProject(root, name, facts, { ...own, test: entriesOf(test, false) }, !options.stock, `-${name}-`)
    return { name, root, opened: stage, stage: stage.facts }
  })
  writeFileSync(join(top, 'package.json'), '{ "name": "together", "private": true, "type": "module" }\n')
  const test = { ...entriesOf(more.test, true), projects: some.map(({ name }) => `./${name}`) }
  writeFileSync(join(top, 'vitest.config.mjs'), `export default ${JSON.stringify({ test })}\n`)
  const seconds = 20 * some.length
  const { output } = await run({ node: traced, vitest, cwd: top, tmp: join(base, 'tmp'), seconds })
  const found = outside(readFileSync(traces, 'latin1'), stages, top)
  for (const { name, opened } of stages) {
    opened.close()
    // Whose deed it was shows where each runs by itself.
    if (found.length === 0 && output.includes(`${MARK}-${name}-`)) results.set(name, { found: [], note: '' })
  }
  if (options.verbose && results.size < some.length) console.log(output.slice(-3000))
}

/** What the traces hold that is on no list. */
function outside(text, projects, cwd) {
  const pool = realpathSync(join(modules, 'vitest-pool-seccomp'))
  const allowed = projects.flatMap(({ root, stage: { playground, grantedFile, readOnlyFile } }) =>
    allowedFor({
      root,
      modules,
      pool,
      tmp: join(base, 'tmp'),
      playground,
      grantedFile,
      readOnlyFile,
      node: options.node,
    }),
  )
  const calls = callsOfFirst(text)
  if (calls.length === 0) return ['nothing was traced']
  const paths = calls.filter(({ name }) => name !== 'connect').flatMap((call) => pathsIn(call, cwd))
  const addresses = calls.filter(({ name }) => name === 'connect').map(({ args }) => `connect(${args})`)
  const own = join(base, 'node_modules')
  const places = [modules, ...projects.flatMap(({ root, stage }) => [root, stage.playground])]
  const odd = new Set()
  for (const path of new Set(paths)) {
    const at = path.startsWith(`${own}/`) ? modules + path.slice(own.length) : path
    const entry =
      allowed.find(([place]) => place.test(at)) ?? (at === cwd || isOfTop(at, cwd) ? [undefined, 'the run'] : undefined)
    if (entry === undefined && !places.some((place) => isDirectoryAbove(at, place))) odd.add(path)
    else if (entry !== undefined) seen.set(entry[1], (seen.get(entry[1]) ?? 0) + 1)
  }
  return [...odd, ...addresses.filter((address) => !/AF_UNIX|AF_UNSPEC/.test(address))]
}

/** What belongs to the run of several projects: its config, its reports, its caches. */
function isOfTop(path, cwd) {
  return /^\/(?:package\.json|vitest\.config\.mjs[^/]*|node_modules|reports|coverage|html|\.vitest[\w-]*)(?:\/|$)/.test(
    path.slice(path.startsWith(`${cwd}/`) ? cwd.length : path.length),
  )
}

/** Read for what it holds: Vite looks for a workspace. */
function isDirectoryAbove(path, place) {
  return place.startsWith(path.endsWith('/') ? path : `${path}/`) || path === '/'
}

console.log(`\n${allBad} programs for which Vitest's process touched what is on no list`)
if (options.verbose) for (const [reason, times] of seen) console.log(`  ${times} opens: ${reason}`)
rmSync(base, { recursive: true, force: true })
process.exitCode = allBad > 0 ? 1 : 0
