/** Whole suites under Vitest's own forks pool and under ours: rounds of both in turn. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { adoptOrphans, reap } from '../../dist/sys/confine.js'
import { makeProject, SUITES } from './projects.mjs'

adoptOrphans()

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const TICK_MS = 10

/** User and system time of all children that have ended, in ms: proc_pid_stat(5), cutime and cstime. */
export function childrenTime() {
  const [, rest] = readFileSync('/proc/self/stat', 'latin1').split(') ')
  const fields = rest.split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS
}

/**
 * Vitest does not wait for its broker process, which ends after it, with all the time of its workers. This process is the
 * reaper of both worlds' leftovers, and waits.
 */
function reapAll() {
  const children = () => readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ').filter(Boolean)
  for (let left = children(); left.length > 0; left = children()) {
    for (const pid of left) reap(Number(pid))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}

function once(root, world) {
  const facts = join(root, 'facts.json')
  const before = childrenTime()
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run'], {
    cwd: root,
    env: { ...process.env, WORLD: world, FACTS: facts, NO_COLOR: '1' },
    encoding: 'utf8',
    timeout: 300_000,
  })
  const wall = performance.now() - began
  reapAll()
  if (status !== 0) throw new Error(`${world} ended with ${status}\n${stdout}${stderr}`)
  return { wall, cpu: childrenTime() - before, parent: JSON.parse(readFileSync(facts, 'utf8')).parent }
}

/** `{ suite: { measure: { world: numbers } } }`: wall and CPU in ms, the parent's largest size in MiB. */
export function benchSuites({ scratch, rounds, only, log }) {
  const found = {}
  for (const suite of SUITES.filter(({ name }) => only === undefined || only.some((part) => name.includes(part)))) {
    const folder = realpathSync(mkdtempSync(join(scratch, 'suite-')))
    const root = join(folder, 'project')
    makeProject(root, suite)
    const measures = (found[suite.name] = {})
    // Of many files the median is in the suite itself.
    const [first, last] = suite.isLong ? [0, Math.max(1, Math.round(rounds / 3))] : [-1, rounds]
    for (let round = first; round < last; round++) {
      for (const world of ['stock', 'ours']) {
        const seen = once(root, world)
        // The first of each world finds cold disks.
        if (round < 0) continue
        for (const [measure, value] of Object.entries(seen)) ((measures[measure] ??= {})[world] ??= []).push(value)
      }
    }
    log?.(suite.name, measures)
    rmSync(folder, { recursive: true })
  }
  return found
}
