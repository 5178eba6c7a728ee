/**
 * Runs the groups of the escape corpus that need no Vitest around them in Vitest's workers all the same: each program as
 * a test file in a worker of its own, confined by the pool of the version that is named. What the programs do where
 * nothing confines them, run.mjs shows.
 *
 *   node scripts/escapes/in-vitest.mjs [--only <glob>] [--json <file>] [--vitest <vitest.mjs>] [--node <node>]
 *                                      [--together <programs>] [--race-share <share>] [--behind-run] [--verbose]
 *
 * `--vitest`: of another version; vitest-pool-seccomp lies beside it. `--together`: how many programs are files of one run
 * of Vitest, one after the other; 20 unless told. Where a run shows anything that it should not, each of its programs runs
 * alone, and where none of them shows it then, it still counts as an escape. `--race-share`: of the time that races ask for, 1 unless told.
 * `--behind-run`: with Vitest itself behind `vitest-seccomp run`.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { Canaries } from './canaries.mjs'
import { GROUPS, programsOf } from './corpus.mjs'
import { layOut, verdictOn } from './in-vitest-world.mjs'
import { leftoversOfRun, newSecret, received, Stage } from './stage.mjs'
import { Table } from './table.mjs'
import { changesIn, effectsIn, files, resultIn, run, runOf } from './vitest-world.mjs'

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const corpus = `${project}/fixtures/escapes`
/** It leaves no room for what Vitest's own worker has to say on the channel, and so hangs the worker for good, as an endless loop does. */
const NOT_HERE = new Set(['resources/unread-answers'])
const SECONDS = 5
/** For Vitest itself, beside the attempts. */
const START_SECONDS = 20

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '**' },
    json: { type: 'string' },
    vitest: { type: 'string', default: `${project}/node_modules/vitest/vitest.mjs` },
    node: { type: 'string', default: process.execPath },
    verbose: { type: 'boolean', default: false },
    'behind-run': { type: 'boolean', default: false },
    together: { type: 'string', default: '20' },
    'race-share': { type: 'string', default: '1' },
  },
})

// Vitest's own process gets it: the canary in its environment.
process.env.ESCAPES_TOKEN = randomUUID()
const base = mkdtempSync(join(tmpdir(), 'escapes-in-vitest-'))
const secretText = newSecret()
const canaries = new Canaries(secretText)
const addresses = await canaries.open(base)
const vitest = resolve(options.vitest)
symlinkSync(dirname(dirname(vitest)), join(base, 'node_modules'))
mkdirSync(join(base, 'tmp'))
let count = 0

/** One run of Vitest with the programs: what came of each, and `effects` that are not of one of them. */
async function confined(modules) {
  const programs = modules.map((module) => ({
    ...module,
    stage: new Stage(join(base, `stage-${++count}`), secretText, { ...addresses, ...canaries.facts }),
  }))
  const started = Date.now()
  const root = join(base, `project-${count}`)
  const report = join(base, `report-${count}.json`)
  layOut(root, programs)
  const before = files(root)
  const seconds = programs.reduce((sum, { patience }) => sum + patience, START_SECONDS)
  const args = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const env = { ESCAPES_RACE_SHARE: options['race-share'] }
  const command = options['behind-run'] ? runOf(vitest) : vitest
  const ended = await run({ node: options.node, command, args, cwd: root, tmp: join(base, 'tmp'), env, seconds })
  const { facts } = programs[0].stage
  const effects = [
    ...effectsIn(ended, facts),
    ...changesIn(root, before, facts).filter((change) => !change.startsWith('parent.json ')),
    ...(await canaries.take()),
    ...(ended.output.match(/(?<=CONTACT ).*/g) ?? []),
  ]
  const milliseconds = Math.round((Date.now() - started) / programs.length)
  const results = []
  for (const program of programs) {
    const { passed, unclear } = existsSync(report) ? verdictOn(program, root, report) : { passed: [], unclear: true }
    results.push({
      ...resultIn(ended, `${program.name} `),
      effects: [...passed, ...(await effectsOn(program.stage))],
      unclear,
      milliseconds,
    })
  }
  rmSync(root, { recursive: true, force: true })
  rmSync(report, { force: true })
  return { results, effects, shown: options.verbose ? { output: ended.output } : {} }
}

/** What one program did to its stage. */
async function effectsOn(stage) {
  const { written } = stage
  const left = await leftoversOfRun(stage.root)
  const effects = [
    ...stage.changes(),
    ...left.map((pid) => `process ${pid} goes on`),
    ...received(stage.root).map((path) => `the parent holds ${path} now`),
    ...(stage.written === written ? [] : ['somebody still writes to the playground']),
  ]
  for (const pid of left) process.kill(pid, 'SIGKILL')
  stage.close()
  return effects
}

async function alone(module) {
  const {
    results: [{ unclear: _, ...result }],
    effects,
    shown,
  } = await confined([module])
  const all = [...effects, ...result.effects]
  return { ...result, effects: all, escaped: result.evidence !== undefined || all.length > 0, ...shown }
}

/** What a result shows that it should not. */
const signs = ({ evidence, failed, effects }) => [
  ...effects,
  ...(evidence === undefined ? [] : [JSON.stringify(evidence)]),
  ...(failed === undefined ? [] : [failed]),
]

async function examine(modules) {
  const company = modules.length > 1 ? await confined(modules) : { results: [], effects: [] }
  const found = [...company.effects, ...company.results.flatMap(signs)]
  let isExplained = found.length === 0
  for (const [index, module] of modules.entries()) {
    const { unclear, ...result } = company.results[index] ?? { unclear: true }
    const shown = found.length > 0 || unclear ? await alone(module) : { ...result, escaped: false, ...company.shown }
    isExplained ||= shown.escaped || shown.failed !== undefined
    table.add(module, undefined, shown)
  }
  if (isExplained) return
  const name = `${modules[0].name} … ${modules.at(-1).name}`
  table.add({ name, title: 'what none of the programs shows alone' }, undefined, {
    effects: found,
    escaped: true,
    milliseconds: 0,
  })
}

async function loaded(name) {
  const module = await import(pathToFileURL(`${corpus}/${name}.mjs`).href)
  const {
    title,
    vector,
    unconfined: expected,
    promised,
    grants = () => [],
    resources = () => ({}),
    workers = 1,
    patience = SECONDS,
  } = module
  return { name, title, vector, expected, promised, grants, resources, workers, patience }
}

/** Those that need several workers at once, or that nobody promises to hold, run alone. */
function batches(modules) {
  const [company, lonely] = [[], []]
  for (const module of modules) (module.workers === 1 && module.promised === undefined ? company : lonely).push(module)
  const size = Number(options.together)
  const together = Array.from({ length: Math.ceil(company.length / size) }, (_, index) =>
    company.slice(index * size, (index + 1) * size),
  )
  return [...together, ...lonely.map((module) => [module])]
}

const wanted = picomatch(options.only)
const names = programsOf(...GROUPS).filter((name) => wanted(name) && !NOT_HERE.has(name))
const table = new Table(options.verbose)
for (const batch of batches(await Promise.all(names.map(loaded)))) await examine(batch)

canaries.close()
rmSync(base, { recursive: true, force: true })
process.exit(table.close(options.json))
