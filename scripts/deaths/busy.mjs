// What a worker is busy with when it dies, and how it ends itself. DEATHS_BUSY names activities, DEATHS_END the end.
import { execFile, fork, spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

const { DEATHS_BUSY, DEATHS_END, DEATHS_AFTER, DEATHS_DIR, DEATHS_FIFO, DEATHS_PORT, DEATHS_MARK } = process.env

// Errors are of no interest here: what is asked for while the broker goes away is refused.
const quiet = (emitter) => emitter.on('error', () => undefined)
const start = (program, args, options = {}) => quiet(spawn(program, args, { stdio: 'ignore', ...options }))
// Blocking calls, which Node itself never makes; without a module, so that nothing is loaded.
const perl = (text) => start('perl', ['-e', text, DEATHS_MARK])
const INET = 'socket(L,2,1,0);bind(L,pack("SnC4x8",2,0,127,0,0,1));listen(L,1);'

const activities = {
  files() {
    for (let n = 0; n < 4; n++) void churn(path.join(DEATHS_DIR, `files-${n}`))
  },
  descriptors() {
    const held = []
    for (let n = 0; n < 200; n++) held.push(fs.openSync(path.join(DEATHS_DIR, `held-${n}`), 'w'))
    globalThis.held = held
  },
  fifo() {
    for (let n = 0; n < 3; n++) fs.open(DEATHS_FIFO, 'r', () => undefined)
  },
  server() {
    const server = http
      .createServer((_, response) => response.end('x'))
      .listen(0, '127.0.0.1', () => {
        const { port } = server.address()
        const again = () =>
          quiet(http.get({ port, host: '127.0.0.1' }, (response) => response.resume().on('close', again)))
        for (let n = 0; n < 4; n++) again()
      })
  },
  client() {
    const again = () =>
      quiet(
        net.connect(DEATHS_PORT, '127.0.0.1', function written() {
          this.end('x')
        }),
      )
        .once('close', () => setImmediate(again))
        .resume()
    for (let n = 0; n < 4; n++) again()
  },
  accept: () => perl(`${INET}accept(C,L)`),
  connect() {
    const address = `$a=pack("Sa*",1,"${DEATHS_DIR}/full.sock");socket(L,1,1,0);bind(L,$a);listen(L,0);`
    perl(`${address}for(1..9){socket($s[$_],1,1,0);connect($s[$_],$a)}`)
  },
  watch() {
    for (let n = 0; n < 8; n++) quiet(fs.watch(DEATHS_DIR))
  },
  children: () => start('sh', ['-c', 'while :; do sh -c : ; done', DEATHS_MARK]),
  tree: () => start('sh', ['-c', `sleep ${DEATHS_MARK} & sh -c 'sleep ${DEATHS_MARK} & wait' & wait`]),
  detached: () => start('sleep', [DEATHS_MARK], { detached: true }).unref(),
  daemon: () => start('sh', ['-c', `(setsid sleep ${DEATHS_MARK} &)`]),
  nameless: () => start('sh', ['-c', `(setsid env -i sleep ${DEATHS_MARK} &)`]),
  talk() {
    const child = quiet(fork(fileURLToPath(new URL('echo.mjs', import.meta.url)), [DEATHS_MARK], { stdio: 'ignore' }))
    child.on('message', (message) => child.connected && child.send(message))
    child.send('x')
  },
  output: () =>
    execFile('sh', ['-c', 'while :; do echo x; done', DEATHS_MARK], { maxBuffer: 1 << 26 }, () => undefined),
  threads() {
    const code = `const fs = require('node:fs')
      for (;;) try { fs.closeSync(fs.openSync(${JSON.stringify(DEATHS_DIR)})) } catch (error) { if (error.code === 'EMFILE') throw error }`
    for (let n = 0; n < 3; n++) quiet(new Worker(code, { eval: true }))
  },
}

async function churn(name) {
  for (let n = 0; ; n++) {
    await fs.promises.mkdir(name, { recursive: true })
    await fs.promises.writeFile(path.join(name, 'a'), String(n))
    await fs.promises.rename(path.join(name, 'a'), path.join(name, 'b'))
    await fs.promises.rm(name, { recursive: true })
  }
}

const ends = {
  waits: () => undefined,
  exit: () => process.exit(3),
  throw: () =>
    setImmediate(() => {
      throw new Error('as it was told')
    }),
  abort: () => process.abort(),
  segfault: () => process.kill(process.pid, 'SIGSEGV'),
  heap() {
    const kept = []
    for (;;) kept.push(Array.from({ length: 100_000 }, (_, n) => ({ n })))
  },
  channel: () => fs.closeSync(3),
  transport: () => fs.closeSync(4),
  spin() {
    for (;;);
  },
  deaf: () => process.on('SIGTERM', () => undefined),
}

export async function main({ mark }) {
  mark({ file: 'deaths.test.ts', id: 'id', test: 'deaths', concurrent: false })
  // What is refused while the broker goes away is not what the worker is to die of; an end of its own is.
  process.on('unhandledRejection', () => undefined)
  setInterval(() => undefined, 1 << 30)
  for (const name of DEATHS_BUSY.split(' ')) activities[name]?.()
  setTimeout(() => ends[DEATHS_END](), Number(DEATHS_AFTER))
}

export const activityNames = Object.keys(activities)
