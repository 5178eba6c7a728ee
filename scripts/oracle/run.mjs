/**
 * The oracle: hostile workers run, and the kernel tells what Vitest's own process has opened and connected to meanwhile. It fails
 * for whatever is not on a short list with reasons, whether or not a program got anything of it. Needs strace(1).
 *
 *   node scripts/oracle/run.mjs [--only <glob>] [--vitest <vitest.mjs>] [--node <node>] [--config <name>] [--stock] [--verbose]
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
import { Stage } from '../escapes/stage.mjs'
import { missingFor, vitestWorlds } from '../escapes/vitest-world.mjs'
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
const CONFIGS = {
  plain: { test: {} },
  coverage: has('@vitest/coverage-v8') && { test: covering('v8') },
  istanbul: has('@vitest/coverage-istanbul') && { test: covering('istanbul') },
  reports: { test: reports(['json', 'junit', 'blob', ...(has('@vitest/ui') ? ['html'] : [])]) },
  ui: has('@vitest/ui') && { test: { ui: true, open: false, watch: false, api: { host: '127.0.0.1', port: 51_321 } } },
  plugins: has('@vitejs/plugin-vue') &&
    has('@tailwindcss/vite') && {
      test: { environment: 'jsdom' },
      imports:
        "import vue from '@vitejs/plugin-vue'\nimport react from '@vitejs/plugin-react'\nimport tailwind from '@tailwindcss/vite'",
      plugins: 'vue(), react(), tailwind()',
    },
}
const wanted = Object.entries(CONFIGS).filter(([name, config]) => config && (options.config ?? name) === name)

process.env.ESCAPES_TOKEN = 'token-of-the-oracle'
const base = mkdtempSync(join(tmpdir(), 'oracle-'))
const traces = join(base, 'traces')
const traced = join(base, 'node')
writeFileSync(
  traced,
  `#!/bin/sh\nexec strace -f -y -qq -s 4096 -e trace=open,openat,creat,connect,clone,clone3,fork,vfork -o "${traces}" "${options.node}" "$@"\n`,
)
chmodSync(traced, 0o755)
const worlds = vitestWorlds(base, { vitest, node: traced })
const world = options.stock ? 'stock' : 'confined'

const matches = picomatch(options.only)
const names = readdirSync(join(repository, 'fixtures/escapes/vitest'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => basename(file, '.mjs'))
  .filter((name) => matches(name))
let [count, bad] = [0, 0]
const seen = new Map()
for (const [config, more] of wanted) {
  for (const name of names) {
    const module = await import(pathToFileURL(join(repository, 'fixtures/escapes/vitest', `${name}.mjs`)).href)
    if (missingFor(module, vitest).length > 0) continue
    const stage = new Stage(join(base, `stage-${++count}`), `canary-${count}-${Date.now()}`, {})
    const setting = (...args) => {
      const own = module.setting?.(...args) ?? {}
      // A program may bring one of them itself.
      const all = (key, by) => [...new Set([own[key], more[key]].flatMap((text) => text?.split(by) ?? []))].join(by)
      const plugins = own.plugins?.includes('\n') ? [own.plugins, more.plugins].join(', ') : all('plugins', ', ')
      const imports = all('imports', '\n')
      return { ...own, test: { ...more.test, ...own.test }, plugins, imports }
    }
    rmSync(join(base, `project-${world}-${name}`), { recursive: true, force: true })
    const result = await worlds[world](name, { ...stage.facts, parentPid: process.pid }, Number(options.seconds), {
      setting,
    })
    const root = join(base, `project-${world}-${name}`)
    const found = [
      ...(result.failed === undefined ? [] : [result.failed]),
      ...outside(readFileSync(traces, 'latin1'), { root, stage: stage.facts }),
    ]
    if (found.length > 0) bad++
    console.log(
      `${found.length === 0 ? 'ok  ' : 'BAD '} ${config.padEnd(9)} ${name}${result.timedOut ? ' (ended after its time)' : ''}`,
    )
    for (const one of found) console.log(`       ${one}`)
    stage.close()
  }
}

function outside(text, { root, stage }) {
  const { playground, grantedFile, readOnlyFile } = stage
  const pool = realpathSync(join(modules, 'vitest-pool-seccomp'))
  const allowed = allowedFor({
    root,
    modules,
    pool,
    tmp: join(base, 'tmp'),
    playground,
    grantedFile,
    readOnlyFile,
    node: options.node,
  })
  const calls = callsOfFirst(text)
  if (calls.length === 0) return ['nothing was traced']
  const paths = calls.filter(({ name }) => name !== 'connect').flatMap((call) => pathsIn(call, root))
  const addresses = calls.filter(({ name }) => name === 'connect').map(({ args }) => `connect(${args})`)
  const own = join(base, 'node_modules')
  const odd = new Set()
  for (const path of paths) {
    const at = path.startsWith(`${own}/`) ? modules + path.slice(own.length) : path
    const entry = allowed.find(([place]) => place.test(at))
    if (entry === undefined && ![root, modules, playground].some((place) => isDirectoryAbove(at, place))) odd.add(path)
    else if (entry !== undefined) seen.set(entry[1], (seen.get(entry[1]) ?? 0) + 1)
  }
  return [...odd, ...addresses.filter((address) => !/AF_UNIX|AF_UNSPEC/.test(address))]
}

/** Read for what it holds: Vite looks for a workspace. */
function isDirectoryAbove(path, place) {
  return place.startsWith(path.endsWith('/') ? path : `${path}/`) || path === '/'
}

console.log(`\n${count} runs, ${bad} in which Vitest's process touched what is on no list`)
if (options.verbose) for (const [reason, times] of seen) console.log(`  ${times} opens: ${reason}`)
rmSync(base, { recursive: true, force: true })
process.exitCode = bad > 0 ? 1 : 0
