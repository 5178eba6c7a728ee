/**
 * node scripts/bench/files.mjs [--files 30] [--rounds 5]
 *
 * What a test file costs under the pool, against Vitest's own forks pool: the same trivial files, rounds of both worlds taken in
 * turn, medians. Ratios of one run on one machine; run it where nothing else runs.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const { values } = parseArgs({ options: { files: { type: 'string', default: '30' }, rounds: { type: 'string', default: '5' } } })

const project = mkdtempSync(join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(project, { recursive: true, force: true }))
mkdirSync(join(project, 'test'))
symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
for (let file = 0; file < Number(values.files); file++) {
  writeFileSync(join(project, `test/${file}.test.mjs`), `import { expect, test } from 'vitest'\ntest('t', () => expect(1).toBe(1))\n`)
}
// Both worlds through the same wrapper, so that the clock is read in the same places.
writeFileSync(join(project, 'vitest.config.mjs'), `
import { writeFileSync } from 'node:fs'
import { ForksPoolWorker } from 'vitest/node'
import { seccompPool } from 'vitest-pool-seccomp'

const { WORLD, PHASES } = process.env
const inner = WORLD === 'stock' ? { name: 'stock', createPoolWorker: (options) => new ForksPoolWorker(options) } : seccompPool()
const phases = { start: [], run: [], stop: [] }

function timed(worker) {
  const { start, stop, send } = worker
  let began = 0
  let ran = 0
  return Object.assign(worker, {
    async start() {
      began = performance.now()
      await start.call(worker)
      worker.on('message', (message) => {
        if (message?.type === 'started') phases.start.push(performance.now() - began)
        if (message?.type === 'testfileFinished') phases.run.push(performance.now() - ran)
      })
    },
    send(message) {
      if (message.type === 'run') ran = performance.now()
      send.call(worker, message)
    },
    async stop() {
      const asked = performance.now()
      await stop.call(worker)
      phases.stop.push(performance.now() - asked)
    },
  })
}

process.on('exit', () => writeFileSync(PHASES, JSON.stringify(phases)))
export default { test: { maxWorkers: 1, pool: { name: inner.name, createPoolWorker: (options) => timed(inner.createPoolWorker(options)) } } }
`)

function once(world) {
  const file = join(project, 'phases.json')
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run'], {
    cwd: project, env: { ...process.env, WORLD: world, PHASES: file, NO_COLOR: '1' }, encoding: 'utf8', timeout: 120_000,
  })
  if (status !== 0) throw new Error(`${world} ended with ${status}\n${stdout}${stderr}`)
  return { whole: [performance.now() - began], ...JSON.parse(readFileSync(file, 'utf8')) }
}

const worlds = { stock: {}, confined: {} }
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [world, sums] of Object.entries(worlds)) {
    for (const [phase, times] of Object.entries(once(world))) (sums[phase] ??= []).push(...times)
  }
}

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1]
console.log(`${values.files} trivial files, one worker, ${values.rounds} rounds of each world in turn, Node ${process.versions.node}; medians in ms`)
for (const phase of ['whole', 'start', 'run', 'stop']) {
  const [stock, confined] = [median(worlds.stock[phase]), median(worlds.confined[phase])]
  console.log(`${phase.padEnd(6)} stock ${stock.toFixed(1).padStart(8)}  confined ${confined.toFixed(1).padStart(8)}  ratio ${(confined / stock).toFixed(2)}`)
}
