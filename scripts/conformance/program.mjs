/**
 * Runs one program of a suite and tells how it ended: the same code in a confined worker (`init`, as the worker's runner) and in a
 * plain Node process (as its main module).
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const MARK = 'conformance: '
const KEPT = 200_000

export function init() {
  void run()
}

async function run() {
  const { argv, cwd, env, seconds } = JSON.parse(process.env.CONFORMANCE_PROGRAM)
  const result = await ended(argv, { cwd, env, seconds })
  process.stdout.write(`\n${MARK}${JSON.stringify(result)}\n`, () => process.exit(0))
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

if (process.argv[1] === fileURLToPath(import.meta.url)) await run()
