/**
 * Runs the group `vitest` of the escape corpus: each program as a test of a project of its own, in Vitest's own pool,
 * where it must get out, and confined, where it must not. The group `runner` has what runs in Vitest's own process: each
 * program as a plugin, without and with `vitest-seccomp run`.
 *
 *   node scripts/escapes/vitest.mjs [--group runner] [--only <glob>] [--json <file>] [--vitest <vitest.mjs>] [--node <node>]
 *                                   [--confined-only | --behind-run] [--verbose] [--slow <times>]
 *
 * `--behind-run`: confined means Vitest's own pool, without gate, behind `vitest-seccomp run`. What a program's `behindRun`
 * names is Vitest's own, and no promise of that wall.
 * `--vitest`: of another version; vitest-pool-seccomp lies beside it.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { programsOf } from './corpus.mjs'
import { leftoversOfRun, newSecret, Stage } from './stage.mjs'
import { Table } from './table.mjs'
import { asPlugin, missingFor, vitestWorlds } from './vitest-world.mjs'

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const SECONDS = 25

const { values: options } = parseArgs({
  options: {
    group: { type: 'string', default: 'vitest' },
    only: { type: 'string', default: '**' },
    json: { type: 'string' },
    vitest: { type: 'string', default: `${project}/node_modules/vitest/vitest.mjs` },
    node: { type: 'string', default: process.execPath },
    'confined-only': { type: 'boolean', default: false },
    'behind-run': { type: 'boolean', default: false },
    slow: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
})

// Vitest's own process gets it: the canary in its environment.
process.env.ESCAPES_TOKEN = randomUUID()
const base = mkdtempSync(join(tmpdir(), 'escapes-vitest-'))
const secretText = newSecret()
const isRunner = options.group === 'runner'
const { stock, confined, walled, behindRun } = vitestWorlds(base, {
  vitest: resolve(options.vitest),
  node: options.node,
  slow: Number(options.slow),
})
let count = 0

async function inWorld(world, name, module) {
  const stage = new Stage(join(base, `stage-${++count}`), secretText, {})
  const started = Date.now()
  const { output, effects, ...result } = await world(
    name,
    { ...stage.facts, parentPid: process.pid },
    SECONDS * Number(options.slow),
    module,
  )
  const left = await leftoversOfRun(stage.root)
  const all = [...effects, ...stage.changes(), ...left.map((pid) => `process ${pid} goes on`)]
  for (const pid of left) process.kill(pid, 'SIGKILL')
  stage.close()
  const escaped = result.evidence !== undefined || all.length > 0
  const shown = options.verbose ? { output } : {}
  return { ...result, effects: all, escaped, milliseconds: Date.now() - started, ...shown }
}

const major = Number.parseInt(
  JSON.parse(readFileSync(join(dirname(resolve(options.vitest)), 'package.json'), 'utf8')).version,
  10,
)
const wanted = picomatch(options.only)
const names = programsOf(options.group)
  .filter((name) => wanted(name) || wanted(basename(name)))
  .map((name) => basename(name))
const table = new Table(options.verbose)
for (const name of names) {
  const path = `${project}/fixtures/escapes/${options.group}/${name}.mjs`
  const program = await import(pathToFileURL(path).href)
  const module = isRunner ? asPlugin(name, program) : program
  const { title, vector, unconfined, since = 0, gone = Infinity } = module
  const promised = (options['behind-run'] ? module.behindRun : undefined) ?? module.promised
  const missing = missingFor(module, resolve(options.vitest))
  if (missing.length > 0) {
    console.log(`left out       ${options.group}/${name}: ${missing.join(', ')} is not installed`)
    continue
  }
  if (major < since) {
    console.log(`left out       ${options.group}/${name}: what it needs came with Vitest ${since}`)
    continue
  }
  const expected = major >= gone ? `refused: Vitest ${gone} no longer does it` : unconfined
  const plain = options['confined-only'] || options['behind-run'] ? undefined : await inWorld(stock, name, module)
  const caged = await inWorld(isRunner ? behindRun : options['behind-run'] ? walled : confined, name, module)
  table.add({ name: `${options.group}/${name}`, title, vector, expected, promised }, plain, caged)
}

rmSync(base, { recursive: true, force: true })
process.exitCode = table.close(options.json)
