/**
 * Runs programs of a suite, one after the other, and tells how each ended: the same code in a confined worker (`init`, as the worker's runner) and in a
 * plain Node process (as its main module).
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const MARK = 'conformance: '
const KEPT = 200_000

/** Who started the worker ends it: it may still be about to hear that it has started. */
export function init() {
  void run()
  setInterval(() => {}, 1 << 30)
}

async function run() {
  if (process.env.CONFORMANCE_FILTER !== undefined) await goBehind(process.env.CONFORMANCE_FILTER)
  for (const { argv, cwd, env, seconds } of JSON.parse(process.env.CONFORMANCE_PROGRAMS)) {
    empty(env.HOME)
    const result = await ended(argv, { cwd, env, seconds })
    await new Promise((resolve) => process.stdout.write(`\n${MARK}${JSON.stringify(result)}\n`, resolve))
  }
}

/** So that no program meets what another left. The directory stays, because what may run there is tied to it. */
function empty(scratch) {
  for (const name of readdirSync(scratch)) {
    try {
      rmSync(join(scratch, name), { recursive: true, force: true })
    } catch {
      // Something of the kind that a suite makes on purpose. Whoever runs the next batch removes it.
    }
  }
}

/** On this thread, which starts the program. */
async function goBehind(filter) {
  const { installOnThisThread } = await import(pathToFileURL(`${process.env.CONFORMANCE_DIST}/sys/confine.js`).href)
  installOnThisThread(readFileSync(filter))
}

function ended([file, ...args], { cwd, env, seconds }) {
  return new Promise((resolve) => {
    let output = ''
    let isLate = false
    // A group of its own, so that what it started ends with it.
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const keep = (chunk) => {
      output = (output + chunk.toString('latin1')).slice(-KEPT)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const timer = setTimeout(() => {
      isLate = true
      end(child.pid)
    }, seconds * 1000)
    child.once('error', (error) => resolve({ error: error.message, output }))
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      end(child.pid)
      // What it left behind may hold the pipes open for longer than anybody wants to wait.
      setTimeout(() => resolve({ code, signal: isLate ? 'time limit' : signal, output }), 50)
    })
  })
}

function end(leader) {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await run()
  process.exit(0)
}
