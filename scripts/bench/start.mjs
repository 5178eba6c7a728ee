/** What a worker costs from its start to its end, and what it weighs: trivial files, one worker at a time, both pools in turn. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { project as repository } from './confined.mjs'

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')

/** Both worlds through the same wrapper, so that the clock is read in the same places. */
const CONFIG = `
import { writeFileSync } from 'node:fs'
import { ForksPoolWorker } from 'vitest/node'
import { seccompPool } from 'vitest-pool-seccomp'

const { WORLD, PHASES } = process.env
const inner = WORLD === 'stock' ? { name: 'stock', createPoolWorker: (options) => new ForksPoolWorker(options) } : seccompPool()
const phases = { start: [], 'first test': [], run: [], stop: [] }

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
        if (message?.m === 'onCollected') phases['first test'].push(performance.now() - began)
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

process.on('exit', () => writeFileSync(PHASES, JSON.stringify({ ...phases, 'parent MiB': [process.resourceUsage().maxRSS / 1024] })))
export default { test: { maxWorkers: 1, pool: { name: inner.name, createPoolWorker: (options) => timed(inner.createPoolWorker(options)) } } }
`

const TEST = `import { expect, test } from 'vitest'
test('t', () => {
  expect(1).toBe(1)
  console.log('RSS', process.memoryUsage.rss())
})
`

function make(scratch, files) {
  const root = realpathSync(mkdtempSync(join(scratch, 'start-')))
  mkdirSync(join(root, 'test'))
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(root, 'vitest.config.mjs'), CONFIG)
  for (let file = 0; file < files; file++) writeFileSync(join(root, `test/${file}.test.mjs`), TEST)
  return root
}

function once(root, world) {
  const file = join(root, 'phases.json')
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run'], {
    cwd: root,
    env: { ...process.env, WORLD: world, PHASES: file, NO_COLOR: '1' },
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (status !== 0) throw new Error(`${world} ended with ${status}\n${stdout}${stderr}`)
  const weights = [...stdout.matchAll(/^RSS (\d+)$/gm)].map(([, bytes]) => Number(bytes) / 1024 / 1024)
  return { ...JSON.parse(readFileSync(file, 'utf8')), 'worker MiB': weights }
}

/** `{ phase: { world: numbers } }`: ms from the start of a worker, of a run and of a stop, and MiB. */
export function benchStart({ scratch, rounds, files, log }) {
  const root = make(scratch, files)
  const found = {}
  for (let round = 0; round < rounds; round++) {
    for (const world of ['stock', 'ours']) {
      for (const [phase, numbers] of Object.entries(once(root, world)))
        ((found[phase] ??= {})[world] ??= []).push(...numbers)
    }
    log?.(`start: round ${round + 1} of ${rounds}`)
  }
  return found
}
