/**
 * node scripts/bench/usual.mjs [--node FILE] [--dir DIR] [--only TEXT] [--rounds N] [--worlds forks,threads,ours,…] [--json FILE]
 *
 * Suites as people have them, in this pool and in Vitest's own: wall and CPU time. Worlds take turns, and what is printed are medians of
 * the ratios of rounds, with the middle half of them; the first round is not counted. Another Node may be named. The package is measured as
 * it is built. In DIR, which may be used again, the packages are installed once.
 *
 * Worlds: `forks` and `threads` are Vitest's pools, `ours` is this one, `without table` is this one without the module table.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import koffi from 'koffi'
import { adoptOrphans } from '../../dist/sys/confine.js'
import { ratio, summary } from './statistics.mjs'
import { childrenTime } from './suites.mjs'
import { install, lay, USUAL } from './usual-projects.mjs'

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    dir: { type: 'string' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    worlds: { type: 'string', default: 'forks,ours' },
    json: { type: 'string' },
  },
})
const worlds = values.worlds.split(',')
const [base] = worlds
const dir = realpathSync(values.dir ?? mkdtempSync(join(tmpdir(), 'bench-usual-')))
if (values.dir === undefined) process.on('exit', () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }))
const log = (line) => process.stderr.write(`${line}\n`)
if (!existsSync(join(dir, 'node_modules'))) {
  log(`installing packages in ${dir}`)
  install(dir)
}
const vitest = join(dir, 'node_modules/vitest/vitest.mjs')

function environment(world) {
  return {
    ...process.env,
    NO_COLOR: '1',
    WORLD: world,
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

function once(root, world) {
  const before = childrenTime()
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(values.node, [vitest, 'run'], {
    cwd: root,
    env: environment(world),
    encoding: 'utf8',
    timeout: 600_000,
  })
  const wall = performance.now() - began
  reapOrphans()
  if (status !== 0) throw new Error(`${world} ended with ${status}\n${(stdout + stderr).slice(-4000)}`)
  return { wall, cpu: childrenTime() - before }
}

/** From the change of a file to the next time that Vitest waits. */
async function rerun(root, world) {
  const child = spawn(values.node, [vitest, '--watch'], { cwd: root, env: environment(world), stdio: 'pipe' })
  let printed = ''
  let heard = () => {}
  const hear = (chunk) => {
    printed += chunk
    heard()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
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
    const began = performance.now()
    writeFileSync(file, `// ${run}\n${USUAL.find(({ isWatched }) => isWatched).text}`)
    await waits(run + 1)
    walls.push(performance.now() - began)
  }
  child.removeAllListeners('exit')
  const over = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await over
  return { wall: walls.toSorted((a, b) => a - b)[1] }
}

const found = {}
for (const suite of USUAL.filter(({ name }) => name.includes(values.only))) {
  const root = join(dir, 'suite')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  lay(root, suite)
  const measures = (found[suite.name] = {})
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const world of worlds) {
      const seen = suite.isWatched === true ? await rerun(root, world) : once(root, world)
      log(`${suite.name}, ${round < 0 ? 'not counted' : `round ${round + 1}`}, ${world}: ${shown(seen)}`)
      if (round < 0) continue
      for (const [measure, value] of Object.entries(seen)) ((measures[measure] ??= {})[world] ??= []).push(value)
    }
  }
  for (const [measure, byWorld] of Object.entries(measures)) {
    const rows = worlds.map((world) => {
      const { median } = summary(byWorld[world])
      const { median: times, low, high } = ratio(byWorld[world], byWorld[base])
      return `${world} ${(median / 1000).toFixed(2)} s${world === base ? '' : `, ${times.toFixed(2)} × (${low.toFixed(2)}-${high.toFixed(2)})`}`
    })
    process.stdout.write(`${suite.name}, ${measure}: ${rows.join('; ')}\n`)
  }
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(found))

function shown(seen) {
  return Object.entries(seen)
    .map(([measure, value]) => `${measure} ${(value / 1000).toFixed(2)} s`)
    .join(', ')
}
