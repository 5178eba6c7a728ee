// node scripts/deaths/run.mjs [--rounds 200] [--seed <number>] [--parallel 3] [--only <round>]
//   [--without <activities>] [--dist <directory>]
//
// Starts confined workers that are busy with all kinds of things, ends each in one of many ways at a random moment, and
// compares what this process holds before and after: descriptors by kind, threads, child processes, processes that
// carry the run's mark, temporary directories.
//
// A broker thread is kept for the next worker, with what it holds: an event descriptor or two of its loop, its bell, and the
// pipe by which it looks whether a FIFO has a writer. So the comparison is with what there is after as many workers at
// once as there will ever be; from then on nothing may grow. Needs a built dist/.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { mustRun } from '../suites/checkout.mjs'
import { activityNames } from './busy.mjs'
import { carrying, children, descriptors, filtersOf, grown, stateOf, threads, total } from './holdings.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    parallel: { type: 'string', default: '3' },
    only: { type: 'string' },
    without: { type: 'string', default: '' },
    dist: { type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url)) },
  },
})
const seed = Number(values.seed)
const parallel = Number(values.parallel)
const here = path.dirname(fileURLToPath(import.meta.url))
const from = (file) => import(pathToFileURL(path.join(path.resolve(values.dist), file)).href)
const [{ theHost }, { programsOf }, { baseGrants }, { bindOptions }, { parseOptions }, { lookup }] = await Promise.all(
  [
    'broker/host.js',
    'broker/programs.js',
    'policy/base.js',
    'policy/bind.js',
    'policy/schema.js',
    'project/lookup.js',
  ].map(from),
)

const DEADLINE_MS = 15_000

// A number that sleep(1) takes as well, and that is nobody else's.
const mark = `${randomInt(10 ** 6, 10 ** 7)}.${randomInt(10 ** 8, 10 ** 9)}`
const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'deaths-')))
const fifo = path.join(scratch, 'fifo')
await mustRun('mkfifo', [fifo])
const server = net
  .createServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end(),
  )
  .listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address()
const searchPath = (process.env.PATH ?? '').split(':').filter((dir) => dir.startsWith('/'))
const host = theHost()

// --- what is tried

// Each takes a started worker, and returns once this process has done its part. `self`: the worker ends by itself.
const endings = {
  killed: { act: (worker) => process.kill(worker.pid, 'SIGKILL') },
  'killed, stopped at once': { act: (worker) => (process.kill(worker.pid, 'SIGKILL'), void worker.stop()) },
  stopped: { act: (worker) => void worker.stop() },
  'stopped three times': { act: (worker) => void Promise.all([worker.stop(), worker.stop(), worker.stop()]) },
  'stopped, then killed': { act: (worker) => (void worker.stop(), worker.control.kill()) },
  'kill()': { act: (worker) => worker.control.kill() },
  'stopped with a policy under way': { act: (worker, policy) => (void worker.setPolicy(policy), void worker.stop()) },
  'frozen, then stopped': { act: (worker) => (process.kill(worker.pid, 'SIGSTOP'), void worker.stop()) },
  'its transport cut, then stopped': { act: (worker) => (worker.transport.destroy(), void worker.stop()) },
  'stopped, deaf to SIGTERM': { end: 'deaf', act: (worker) => void worker.stop() },
  'stopped in an endless loop': { end: 'spin', act: (worker) => void worker.stop() },
  exit: { end: 'exit' },
  'uncaught exception': { end: 'throw' },
  abort: { end: 'abort' },
  'segmentation fault': { end: 'segfault' },
  'heap exhausted': { end: 'heap', execArgv: ['--max-old-space-size=24', '--max-semi-space-size=1'] },
  'closes its channel, then stopped': { end: 'channel', act: (worker) => void worker.stop() },
  'closes its transport, then stopped': { end: 'transport', act: (worker) => void worker.stop() },
  'killed while it starts': { inStart: true },
  'killed once its filter is on': { inStart: true, filtered: true },
}

// mulberry32: small, and the same everywhere.
function randomOf(number) {
  let state = number | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

// All of a round's choices, whatever else happens.
function choose(round) {
  const random = randomOf(seed + round * 7919)
  const pick = (list) => list[Math.floor(random() * list.length)]
  const names = activityNames.filter((name) => !values.without.split(',').includes(name))
  const busy = [...new Set(Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(names)))]
  // A third die while they start: there is most to get wrong.
  const early = Object.keys(endings).filter((key) => endings[key].inStart)
  const name = random() < 0.25 ? pick(early) : pick(Object.keys(endings))
  return { round, busy, name, delay: Math.floor(random() * (early.includes(name) ? 180 : 250)) }
}

// --- one worker

async function die({ round, busy, name, delay }) {
  const { end = 'waits', inStart = false, filtered = false, execArgv = [] } = endings[name]
  // Node's own exit waits for its thread pool, confined or not, and there for the FIFO: such a worker has to be stopped.
  const staysForFifo = busy.includes('fifo') && (end === 'exit' || end === 'throw')
  const act = staysForFifo ? (each) => void each.stop() : endings[name].act
  const dir = fs.mkdtempSync(path.join(scratch, `${round}-`))
  const policy = policyFor(dir)
  const { executable } = programsOf(policy.lists, searchPath)
  const cookie = `deaths-${mark}-${round}`
  const faults = []
  const hunting = inStart ? hunt(cookie, filtered ? filterIsOn : () => passed(delay)) : undefined
  let worker
  let outcome = 'started'
  try {
    worker = await host.start({
      execArgv,
      policy,
      denied: 'eacces',
      stageTimeout: 10_000,
      executable,
      env: {
        PATH: process.env.PATH,
        VITEST_SECCOMP_WORKER: cookie,
        DEATHS_AFTER: String(act === undefined ? delay : Math.floor(delay / 2)),
        DEATHS_BUSY: busy.join(' '),
        DEATHS_DIR: dir,
        DEATHS_END: end,
        DEATHS_FIFO: fifo,
        DEATHS_MARK: mark,
        DEATHS_PORT: String(port),
      },
      setup: {
        runtime: pathToFileURL(path.join(here, 'busy.mjs')).href,
        runner: 'node:path',
        preload: [],
        landlock: [{ path: here, right: 'read' }, ...executable.map((each) => ({ path: each, right: 'execute' }))],
      },
      onIncident: () => undefined,
      onFault: (detail) => faults.push(detail),
    })
  } catch (error) {
    if (!inStart) throw error
    outcome = `died at ${error.stage ?? error.message}`
  }
  if (worker !== undefined) {
    worker.stdout.resume()
    worker.stderr.resume()
    if (act !== undefined) setTimeout(() => act(worker, policy), delay)
    const exit = await worker.exited
    await worker.stop()
    outcome = inStart ? 'died after its start' : String(exit.signal ?? exit.code)
  }
  await hunting
  fs.rmSync(dir, { recursive: true, force: true })
  return { name, outcome, faults }
}

// Finds the process as soon as it is forked, lets it come as far as it should, and kills it.
async function hunt(cookie, moment) {
  const text = `VITEST_SECCOMP_WORKER=${cookie}\0`
  for (;;) {
    const found = carrying(text).find(({ pid }) => children().includes(pid))
    if (found !== undefined) {
      await moment(found.pid)
      if (children().includes(found.pid)) process.kill(found.pid, 'SIGKILL')
      return
    }
    await passed(2)
  }
}

const passed = (delay) => new Promise((resolve) => setTimeout(resolve, delay))

// It is born with one filter, the spawner's; between the second one and the listener's handover lies the hello.
async function filterIsOn(pid) {
  while ((filtersOf(pid) ?? 2) < 2) await new Promise((resolve) => setImmediate(resolve))
}

function policyFor(dir) {
  const manifest = {
    read: [fifo],
    write: ['./'],
    exec: ['node', 'sh', 'sleep', 'setsid', 'env', 'perl'],
    connect: [`tcp:127.0.0.1:${port}`],
    listen: ['tcp:127.0.0.1:0', `unix:${dir}/*.sock`],
  }
  const places = { root: dir, workspace: dir, home: '/nonexistent', tmp: dir, file: dir }
  const bound = bindOptions(parseOptions({ manifest }), { ...places, lookup, searchPath })
  const packageDir = path.resolve(values.dist)
  const base = baseGrants({ lookup, nodeExec: process.execPath, nodeModules: [], packageDir, runtimeDirs: [here] })
  return {
    mode: 'enforce',
    sockets: bound.sockets,
    lists: [...base, ...bound.lists, programsOf(bound.lists, searchPath).implied],
  }
}

// --- what is left

const holdings = () => ({
  descriptors: descriptors(),
  threads: threads(),
  children: children(),
  marked: carrying(mark),
  directories: fs.readdirSync(scratch),
})

function leaks(before, after) {
  return [
    ...grown(before.descriptors, after.descriptors).map((line) => `descriptors: ${line}`),
    ...(after.threads > before.threads ? [`threads: ${before.threads} -> ${after.threads}`] : []),
    ...(after.children.length > 0 ? [`children: ${after.children.map(stateOf).join(', ')}`] : []),
    ...after.marked.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...after.directories.filter((name) => name !== 'fifo').map((name) => `directory: ${name}`),
  ]
}

// Sockets of this process's own server close when the kernel says so, a moment later: that is no leak yet.
async function settled(before, patience = 3000) {
  const until = performance.now() + patience
  for (;;) {
    const after = holdings()
    const left = leaks(before, after)
    if (left.length === 0 || performance.now() > until) return { after, left }
    await passed(20)
  }
}

async function batch(rounds) {
  const results = []
  const queue = [...rounds]
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results.push(await within(DEADLINE_MS, next, die(next)))
  }
  await Promise.all(Array.from({ length: parallel }, lane))
  return results
}

// A worker that never ends is the worst that can be left behind.
async function within(limit, what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${limit} ms: ${JSON.stringify(what)}`)), limit)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
  return promise
}

const summary = (held) => `${total(held.descriptors)} descriptors, ${held.threads} threads`

// --- the run

process.stdout.write(`seed ${seed}, ${values.rounds} rounds, ${parallel} at once\n`)
const started = performance.now()
const empty = holdings()
const tally = new Map()
const note = (what) => tally.set(what, (tally.get(what) ?? 0) + 1)
const found = []
try {
  const first = { busy: ['fifo', 'children'], name: 'stopped', delay: 300 }
  await Promise.all(Array.from({ length: parallel }, (_, n) => die({ ...first, round: -1 - n })))
  const { after: before } = await settled({ ...empty, descriptors: Infinity, threads: Infinity }, 500)
  process.stdout.write(
    `before any worker: ${summary(empty)}\nwith ${parallel} broker threads kept: ${summary(before)}\n`,
  )
  const all =
    values.only === undefined
      ? Array.from({ length: Number(values.rounds) }, (_, n) => choose(n))
      : [choose(Number(values.only))]
  for (let at = 0; at < all.length; at += 2 * parallel) {
    const part = all.slice(at, at + 2 * parallel)
    const results = await batch(part)
    for (const { name, outcome, faults } of results) {
      note(`${name}: ${outcome}`)
      for (const fault of faults) note(`fault: ${fault.split('\n')[0]}`)
    }
    const { left, after } = await settled(before)
    if (left.length === 0) continue
    found.push(...left)
    process.stdout.write(`LEFT after rounds ${at}-${at + part.length - 1}:\n  ${left.join('\n  ')}\n`)
    for (const each of part) process.stdout.write(`    ${JSON.stringify(each)}\n`)
    for (const { pid } of after.marked) process.kill(pid, 'SIGKILL')
    Object.assign(before, { descriptors: after.descriptors, threads: after.threads })
  }
  process.stdout.write(
    `${[...tally]
      .sort()
      .map(([what, times]) => `${String(times).padStart(5)}  ${what}`)
      .join('\n')}\n`,
  )
  process.stdout.write(
    `after: ${summary(holdings())}, ${found.length} leaks, ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
  )
} finally {
  server.close()
  for (const { pid } of carrying(mark)) process.kill(pid, 'SIGKILL')
  fs.rmSync(scratch, { recursive: true, force: true })
}
process.exit(found.length === 0 ? 0 : 1)
