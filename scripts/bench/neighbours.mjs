/**
 * One worker at its worst: how much longer do the calls of another take? Plain, where only the kernel and the processors are shared, and
 * confined.
 *
 *   node scripts/bench/neighbours.mjs [--seconds 3] [--json FILE]
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startConfined } from './confined.mjs'
import { quantile } from './statistics.mjs'
import { startPlain } from './worlds.mjs'

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '3' }, json: { type: 'string' } },
})
const seconds = Number(options.seconds)
const root = realpathSync(mkdtempSync(join(tmpdir(), 'neighbours-')))
const manifest = { read: ['./'], write: [`${root}/`], listen: [`unix:${root}/**`], connect: [`unix:${root}/**`] }
const THREADS = { UV_THREADPOOL_SIZE: '40' }

const CALLS = ['stat', 'open', 'rename', 'mkdir', 'accept']
const WORST = [
  'renames onto a file that all its threads write',
  'makes calls in all its threads',
  'makes and removes files of 1 GB',
  'makes and empties files of 1 GB',
  'changes a file that all its threads write',
]

const WORLDS = {
  plain: (more) => startPlain([], more),
  confined: (more) => startConfined(manifest, root, more),
}

/** The second worst of a hundred, and the worst: in milliseconds. */
const told = (taken) => ({
  median: quantile(taken, 0.5),
  p99: quantile(taken, 0.99),
  worst: taken.reduce((most, one) => Math.max(most, one), 0),
})
const results = {}
for (const [world, start] of Object.entries(WORLDS)) {
  const [one, other] = await Promise.all([start(THREADS), start({})])
  const measure = async (ask) => {
    const seen = {}
    for (const call of CALLS) seen[call] = told(await ask(seconds / CALLS.length, call, join(root, 'own')))
    return seen
  }
  const worst = join(root, 'worst')
  results[world] = { alone: await measure((...args) => other.ask('latencies', ...args)), another: {}, own: {} }
  for (const how of WORST) {
    const over = one.ask('harass', seconds + 0.5, how, worst)
    results[world].another[how] = await measure((...args) => other.ask('latencies', ...args))
    await over
    results[world].own[how] = await measure((...args) => one.ask('latenciesBeside', how, worst, ...args))
  }
  await Promise.all([one.stop(), other.stop()])
}
rmSync(root, { recursive: true, force: true })

const ms = (number) => number.toFixed(number < 10 ? 2 : 0)
const times = (number) => `${number.toFixed(number < 10 ? 1 : 0)} ×`
for (const [whose, how] of WORST.flatMap((how) => [
  ['another', how],
  ['own', how],
])) {
  console.log(
    `\n${whose === 'own' ? 'in' : 'beside'} one that ${how}: median, 99th percentile, worst in ms (times alone)`,
  )
  for (const call of CALLS) {
    const cells = Object.keys(WORLDS).map((world) => {
      const [alone, beside] = [results[world].alone[call], results[world][whose][how][call]]
      return `${world} ${['median', 'p99', 'worst'].map((kind) => `${ms(beside[kind])} (${times(beside[kind] / alone[kind])})`).join(' ')}`
    })
    console.log(`  ${call.padEnd(7)} ${cells.join(' | ')}`)
  }
}
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 1))
