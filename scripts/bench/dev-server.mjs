/**
 * node scripts/bench/dev-server.mjs [--modules N] [--rounds N] [--write]
 *
 * What a dev server and a build cost in Vitest's own process, behind `vitest-seccomp run`, behind the broker in C that decides nothing
 * (native/broker.c), and with nothing around it: a globalSetup starts Vite's dev server. This process requests each module of a generated project, connects anew, and has it build. Worlds take turns, and ratios are those
 * of rounds; the first round is not counted. The first round of the confined world records what Vitest itself needs, so the
 * measured ones run with the grants that `--record` writes, and nothing may be refused. --write puts the table into docs/performance.md.
 *
 * On a machine that is busy, `nice -n -19` and `/proc/sys/kernel/sched_autogroup_enabled` 0 give figures of a machine that is nearly quiet.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { project as repository } from './confined.mjs'
import { compileNative } from './native.mjs'
import { devServerTable, renewDocument } from './report.mjs'

const { values } = parseArgs({
  options: {
    modules: { type: 'string', default: '600' },
    rounds: { type: 'string', default: '7' },
    write: { type: 'boolean', default: false },
  },
})
const modules = Number(values.modules)
const rounds = Number(values.rounds)

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'bench-dev-server-')))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 3 }))
const root = join(scratch, 'project')
const PORT = 24681
const AT_ONCE = 16
const CONNECTIONS = 200

/** In \`coverage/\` Vitest writes anyway. The client is outside, as a browser is, and says when to build, to connect and to end. */
const SETUP = `
import { once } from 'node:events'
import { connect } from 'node:net'
import { build, createServer } from 'vite'

const quiet = { configFile: false, root: 'app', logLevel: 'error', cacheDir: '../coverage/vite', optimizeDeps: { noDiscovery: true } }

const orders = {
  '/order/cpu': () => process.cpuUsage(),
  '/order/build': () => build({ ...quiet, build: { outDir: '../coverage/out', emptyOutDir: true } }).then(() => {}),
  async '/order/connect'() {
    const began = performance.now()
    const socket = connect(PORT, '127.0.0.1')
    await once(socket, 'connect')
    const took = performance.now() - began
    socket.destroy()
    return took
  },
}

export async function setup() {
  let end
  const ended = new Promise((resolve) => (end = resolve))
  const server = await createServer({
    ...quiet,
    server: { port: PORT, strictPort: true, host: '127.0.0.1', ws: false, hmr: false, watch: null },
    plugins: [{
      name: 'orders',
      configureServer({ middlewares }) {
        middlewares.use(async ({ url }, response, next) => {
          if (url === '/order/end') return response.end('{}', end)
          if (orders[url] === undefined) return next()
          response.end(JSON.stringify((await orders[url]()) ?? {}))
        })
      },
    }],
  })
  await server.listen()
  await ended
  await server.close()
}
`.replaceAll('PORT', String(PORT))

function lay() {
  const write = (path, text) => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  symlinkSync(join(repository, 'node_modules'), join(scratch, 'node_modules'))
  write('package.json', '{ "private": true, "type": "module" }')
  write('vitest.config.mjs', `export default { test: { include: ['test/*.test.mjs'], globalSetup: ['./setup.mjs'] } }`)
  write('setup.mjs', SETUP)
  write('test/one.test.mjs', `import { test } from 'vitest'\ntest('t', () => {})\n`)
  write('seccomp.manifest.json', '{ "manifest": {} }')
  write('app/index.html', '<!doctype html><script type="module" src="/m0.ts"></script>')
  for (let at = 0; at < modules; at++) {
    const children = [1, 2, 3, 4, 5, 6, 7].map((branch) => at * 7 + branch).filter((child) => child < modules)
    const imports = children.map((child) => `import { n as n${child} } from './m${child}'`)
    const sum = ['1', ...children.map((child) => `n${child}`)].join(' + ')
    const more = Array.from(
      { length: 10 },
      (_, line) => `export function f${line}(x: number): number { return x * ${line + at} }`,
    )
    write(`app/m${at}.ts`, [...imports, ...more, `export const n: number = ${sum}`, ''].join('\n'))
  }
}

const native = compileNative(scratch)
if (typeof native === 'string') process.stderr.write(`${native}\n`)
const stock = [process.execPath, join(repository, 'node_modules/vitest/vitest.mjs'), 'run']
const WORLDS = {
  stock,
  ...(typeof native === 'string' ? {} : { c: [native.broker, ...stock] }),
  run: [process.execPath, join(repository, 'dist/cli/bin.js'), 'run', 'run'],
}

const UP_MS = 60_000

async function ask(agent, path) {
  const [response] = await once(get({ host: '127.0.0.1', port: PORT, path, agent }), 'response')
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (chunk) => (text += chunk))
  await once(response, 'end')
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
  return text
}

/** As a page does that imports all of them. */
async function all(agent) {
  let next = 0
  const one = async () => {
    while (next < modules) await ask(agent, `/m${next++}.ts`)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

async function connection() {
  const began = performance.now()
  const socket = connect(PORT, '127.0.0.1')
  await once(socket, 'connect')
  // Connected it is before the server has accepted it.
  socket.write('GET /order/cpu HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
  await once(socket, 'data')
  socket.destroy()
  return performance.now() - began
}

const middle = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function series(act) {
  const took = []
  for (let at = 0; at < CONNECTIONS; at++) took.push(await act())
  return { wall: middle(took) }
}

async function asClient() {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  // A server closes connections that are idle, so each of these has its own.
  const order = async (name) => JSON.parse(await ask(new Agent(), `/order/${name}`))
  const timed = async (act) => {
    const before = await order('cpu')
    const began = performance.now()
    await act()
    const wall = performance.now() - began
    const after = await order('cpu')
    return { wall, cpu: (after.user + after.system - before.user - before.system) / 1000 }
  }
  const until = performance.now() + UP_MS
  for (;;)
    try {
      await order('cpu')
      break
    } catch (error) {
      if (error.code !== 'ECONNREFUSED' || performance.now() > until) throw error
      await setTimeout(20)
    }
  const found = {
    cold: await timed(() => all(agent)),
    warm: await timed(() => all(agent)),
    connection: await series(connection),
    own: await series(() => order('connect')),
    build: await timed(() => order('build')),
  }
  await order('end')
  agent.destroy()
  return found
}

async function round(world, more = []) {
  for (const name of ['vite', 'out']) rmSync(join(root, 'coverage', name), { recursive: true, force: true })
  const [program, ...words] = WORLDS[world]
  const child = spawn(program, [...words, ...more], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', CI: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (printed += text))
  const ended = once(child, 'exit')
  const seen = await Promise.race([asClient(), ended.then(() => undefined)]).catch((error) => {
    child.kill()
    printed += error.stack
  })
  const [code] = await ended
  if (seen === undefined || code !== 0) throw new Error(`${world} ended with ${code}\n${printed.slice(-4000)}`)
  return seen
}

lay()
await round('run', ['--record'])
process.stderr.write(
  `recorded: ${JSON.stringify(JSON.parse(readFileSync(join(root, 'seccomp.manifest.json'), 'utf8')).runner)}\n`,
)
const found = {}
for (let at = -1; at < rounds; at++)
  for (const world of Object.keys(WORLDS)) {
    const seen = await round(world)
    process.stderr.write(`${at < 0 ? 'not counted' : `round ${at + 1}`}, ${world}: ${JSON.stringify(seen)}\n`)
    if (at < 0) continue
    for (const [what, measures] of Object.entries(seen))
      for (const [measure, value] of Object.entries(measures))
        (((found[what] ??= {})[measure] ??= {})[world] ??= []).push(value)
  }
const table = devServerTable(found, modules)
process.stdout.write(`${table}\n`)
if (values.write) renewDocument({ 'dev-server': table })
