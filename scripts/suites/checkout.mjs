// Where a suite's checkout is, and running a program in it.
import { spawn } from 'node:child_process'
import path from 'node:path'

export const rootOf = (dir, suite) => path.join(dir, suite.name)
export const folderOf = (dir, suite) => path.join(rootOf(dir, suite), suite.folder)

// What a run takes that hangs is bounded; what it prints is kept for the case that it fails.
export function run(command, args, { cwd, timeout = 300_000, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, timeout, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] })
    const output = []
    child.stdout.on('data', (piece) => output.push(piece))
    child.stderr.on('data', (piece) => output.push(piece))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output: Buffer.concat(output).toString() }))
  })
}

export async function mustRun(command, args, options) {
  const { code, signal, output } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${output.slice(-4000)}`)
  return output
}
