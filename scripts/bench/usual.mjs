/**
 * node scripts/bench/usual.mjs [--node FILE]… [--dir DIR] [--only TEXT] [--rounds N] [--worlds forks,threads,ours,…] [--json FILE] [--write]
 *
 * Suites as people have them, in this pool and in Vitest's own: wall and CPU time, and the size of Vitest's process. Worlds take turns, and
 * what is printed are medians of the ratios of rounds, with the middle half of them; the first round is not counted. The package is measured
 * as it is built. In DIR, which may be used again, the packages are installed once. FILE keeps what was measured, of this time and those
 * before it; --write puts the table of all that is in it into docs/performance.md. So one command does all,
 *
 *     node scripts/bench/usual.mjs --node node20 --node node24 --json found.json --write
 *
 * and several, with `--only` and one Node each, do the same piece by piece.
 *
 * Worlds: `forks` and `threads` are Vitest's pools, `ours` is this one, `without table` is this one without the module table.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import koffi from 'koffi'
import { adoptOrphans } from '../../dist/sys/confine.js'
import { renewDocument, usualTable } from './report.mjs'
import { ratio, summary } from './statistics.mjs'
import { childrenTime } from './suites.mjs'
import { install, lay, USUAL } from './usual-projects.mjs'

const { values } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: [process.execPath] },
    dir: { type: 'string' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    worlds: { type: 'string', default: 'forks,ours' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const worlds = values.worlds.split(',')
const [base] = worlds
if (values.dir !== undefined) mkdirSync(values.dir, { recursive: true })
const dir = realpathSync(values.dir ?? mkdtempSync(join(tmpdir(), 'bench-usual-')))
if (values.dir === undefined) process.on('exit', () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }))
const log = (line) => process.stderr.write(`${line}\n`)
log(`installing packages in ${dir}`)
install(dir)
const vitest = join(dir, 'node_modules/vitest/vitest.mjs')

const facts = join(dir, 'facts.json')

function environment(world) {
  return {
    ...process.env,
    NO_COLOR: '1',
    WORLD: world,
    FACTS: facts,
    ...(world === 'without table' ? { VITEST_SECCOMP_WITHOUT_MODULE_TABLE: '1' } : {}),
  }
}

const waitpid = koffi.load(null).func('int waitpid(int, void *, int)')
const NO_HANG = 1
const ENDED_MS = 3000
// The broker process has a session of its own: its time counts only once somebody has waited for it.
adoptOrphans()

function reapOrphans() {
  const until = performance.now() + ENDED_MS
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let pid = waitpid(-1, null, NO_HANG); pid >= 0 && performance.now() < until; pid = waitpid(-1, null, NO_HANG)) {
    if (pid === 0) Atomics.wait(pause, 0, 0, 5)
  }
}

function once(node, root, world) {
  const before = childrenTime()
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(node, [vitest, 'run'], {
    cwd: root,
    env: environment(world),
    encoding: 'utf8',
    timeout: 600_000,
  })
  const wall = performance.now() - began
  reapOrphans()
  if (status !== 0) throw new Error(`${world} ended with ${status}\n${(stdout + stderr).slice(-4000)}`)
  return { wall, cpu: childrenTime() - before, parent: JSON.parse(readFileSync(facts, 'utf8')).parent }
}

/** Nobody edits a file in the moment in which its tests have passed. */
const EDIT_MS = 1000

/** From the change of a file to the next time that Vitest waits. */
async function rerun(node, root, world, text) {
  const child = spawn(node, [vitest, '--watch'], { cwd: root, env: environment(world), stdio: 'pipe' })
  let printed = ''
  let heard = () => {}
  const hear = (piece) => {
    printed += piece
    heard()
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  const waits = (times) =>
    new Promise((resolve, reject) => {
      heard = () => printed.split('Waiting for file changes').length > times && resolve()
      child.once('exit', () => reject(new Error(`${world} ended\n${printed}`)))
      heard()
    })
  const file = join(root, 'test/0.test.mjs')
  const walls = []
  await waits(1)
  for (let run = 1; run <= 3; run++) {
    await setTimeout(EDIT_MS)
    const began = performance.now()
    writeFileSync(file, `// ${run}\n${text}`)
    await waits(run + 1)
    walls.push(performance.now() - began)
  }
  child.removeAllListeners('exit')
  const over = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await over
  return { wall: walls.toSorted((a, b) => a - b)[1] }
}

/** `{ node: { suite: { measure: { world: numbers } } } }`: ms, and MiB of `parent`. */
const found = values.json !== undefined && existsSync(values.json) ? JSON.parse(readFileSync(values.json, 'utf8')) : {}

async function measure(node, suite) {
  const root = join(dir, 'suite')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  lay(root, suite)
  const measures = {}
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const world of worlds) {
      const seen = suite.isWatched === true ? await rerun(node, root, world, suite.text) : once(node, root, world)
      log(`${suite.name}, ${round < 0 ? 'not counted' : `round ${round + 1}`}, ${world}: ${shown(seen)}`)
      if (round < 0) continue
      for (const [what, value] of Object.entries(seen)) ((measures[what] ??= {})[world] ??= []).push(value)
    }
  }
  return measures
}

for (const node of values.node) {
  const version = spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.trim()
  for (const suite of USUAL.filter(({ name }) => name.includes(values.only))) {
    const measures = await measure(node, suite)
    ;(found[version] ??= {})[suite.name] = measures
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(found))
    for (const [what, byWorld] of Object.entries(measures)) {
      const rows = worlds.map((world) => {
        const { median } = summary(byWorld[world])
        const { median: times, low, high } = ratio(byWorld[world], byWorld[base])
        return `${world} ${figure(what, median)}${world === base ? '' : `, ${times.toFixed(2)} × (${low.toFixed(2)}-${high.toFixed(2)})`}`
      })
      process.stdout.write(`Node ${version}, ${suite.name}, ${what}: ${rows.join('; ')}\n`)
    }
  }
}
if (values.write) renewDocument({ usual: usualTable(found, USUAL, base) })

function figure(what, value) {
  return what === 'parent' ? `${value.toFixed(0)} MiB` : `${(value / 1000).toFixed(2)} s`
}

function shown(seen) {
  return Object.entries(seen)
    .map(([what, value]) => `${what} ${figure(what, value)}`)
    .join(', ')
}
