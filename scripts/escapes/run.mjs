/**
 * Runs the escape corpus: each program unconfined, where it must get out, and confined, where it must not.
 *
 *   node scripts/escapes/run.mjs [--only <glob>] [--json <file>] [--dist <dir>] [--confined-only] [--verbose] [--receiving] [--slow <times>]
 *
 * --slow: on a machine that is so many times slower than usual, programs get so much more time.
 * --receiving: as on a kernel without SO_PASSRIGHTS, where the broker receives in the workers' place.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { GROUPS, programsOf } from './corpus.mjs'

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const SECONDS = 5

if (process.env.ESCAPES_TOKEN === undefined) {
  // A process's initial environment is what /proc shows of it, so the canary has to be there from the start.
  const { status } = spawnSync(process.execPath, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, ESCAPES_TOKEN: randomUUID() },
  })
  process.exit(status ?? 1)
}

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '**' },
    json: { type: 'string' },
    dist: { type: 'string', default: `${project}/dist` },
    'confined-only': { type: 'boolean', default: false },
    slow: { type: 'string', default: '1' },
    receiving: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

const { groupOf, hasEnded } = await import('../../dist/sys/process-list.js')
const { sys } = await import('../../fixtures/escapes/lib/native.mjs')
const { Canaries } = await import('./canaries.mjs')
const { Stage, leftovers, newSecret, received } = await import('./stage.mjs')
const { Strangers } = await import('./strangers.mjs')
const { Table } = await import('./table.mjs')
const { anotherRun, confinement, unconfined } = await import('./worlds.mjs')

if (!existsSync(`${options.dist}/broker/host.js`)) {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: project, stdio: 'inherit' })
}

const base = mkdtempSync(join(tmpdir(), 'escapes-'))
const secretText = newSecret()
const canaries = new Canaries(secretText)
const addresses = await canaries.open(base)
const support = options.receiving ? { unixSockets: false } : undefined
const confined = await confinement(options.dist, support)
const another = anotherRun(options.dist, support)
let count = 0

/**
 * As many processes or workers as the program asks for run it at once; each is told which one it is. `apart`: all workers
 * but the first are of another run each.
 */
async function together(run, program, facts, seconds, { workers = 1, apart = false, grants, resources }) {
  const of = (worker) => (apart && run === confined && worker > 0 ? another : run)
  const results = await Promise.all(
    Array.from({ length: workers }, (_, worker) =>
      of(worker)(program, { ...facts, worker }, seconds, { grants, resources }),
    ),
  )
  return results.find(({ evidence }) => evidence !== undefined) ?? results[0]
}

/** Runs a program in one world and says what came of it, judged from outside as well. */
async function inWorld(run, program, seconds, module) {
  const stage = new Stage(join(base, `${++count}`), secretText, { ...addresses, ...canaries.facts })
  const strangers = new Strangers(stage.facts.playground, secretText)
  const started = Date.now()
  let result
  try {
    result = await together(
      run,
      program,
      { ...stage.facts, ...strangers.facts, parentPid: process.pid },
      seconds,
      module,
    )
  } catch (error) {
    result = { failed: error.message }
  }
  const { written } = stage
  const left = leftovers(stage.root)
  const effects = [
    ...stage.changes(),
    ...(await canaries.take()),
    ...strangers.take(),
    ...left.map((pid) => `process ${pid} goes on`),
  ]
  for (const path of received(stage.root)) effects.push(`the parent holds ${path} now`)
  if (stage.written !== written) effects.push('somebody still writes to the playground')
  for (const pid of left) process.kill(pid, 'SIGKILL')
  await clearOrphans()
  strangers.close()
  stage.close()
  return {
    ...result,
    effects,
    escaped: result.evidence !== undefined || effects.length > 0,
    milliseconds: Date.now() - started,
  }
}

/**
 * Ends what an unconfined program has left, and waits for it: a broker in this process is the reaper of its workers'
 * orphans, and goes through all that there are. Of a chain of forks only dead links can be found, which share a group.
 */
async function clearOrphans() {
  const children = () =>
    readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  const own = groupOf(process.pid)
  const dead = () => children().filter(hasEnded)
  for (let orphans = dead(); orphans.length > 0; orphans = dead()) {
    const groups = new Set(orphans.map(groupOf).filter((group) => group !== undefined && group > 1 && group !== own))
    for (const group of groups) sys('kill', -group, SIGKILL)
    for (const pid of orphans) sys('wait4', pid, 0, NO_HANG, 0)
    await setTimeout(1)
  }
}

const [NO_HANG, SIGKILL] = [1, 9]
const wanted = picomatch(options.only)
const table = new Table(options.verbose)
for (const name of programsOf(...GROUPS).filter((one) => wanted(one))) {
  const path = `${project}/fixtures/escapes/${name}.mjs`
  const module = await import(pathToFileURL(path).href)
  const { title, vector, unconfined: expected, promised, machine = process.arch } = module
  if (machine !== process.arch) {
    console.log(`left out       ${name}: it is for ${machine}`)
    continue
  }
  const patience = (module.patience ?? SECONDS) * Number(options.slow)
  const plain = options['confined-only'] ? undefined : await inWorld(unconfined, path, patience, module)
  const caged = await inWorld(confined, path, patience, module)
  table.add({ name, title, vector, expected, promised }, plain, caged)
}

canaries.close()
rmSync(base, { recursive: true, force: true })
process.exit(table.close(options.json))
