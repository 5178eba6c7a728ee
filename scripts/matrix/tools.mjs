/** What the cells share: the tarball, the Nodes, pnpm. All from npm, without install scripts. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LIMIT = 16 * 1024 * 1024

/** Runs to the end, or for `seconds`; then its process group is killed. */
export function run(command, args, { cwd, env = process.env, seconds = 300 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output = (output + text).slice(-LIMIT)
      })
    }
    const timer = setTimeout(() => {
      output += `\n[killed after ${seconds} s]`
      process.kill(-child.pid, 'SIGKILL')
    }, seconds * 1000)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      // Not 'close': what is left behind may hold the pipes open.
      setTimeout(() => resolve({ code, signal, output }), 100)
    })
  })
}

export async function must(command, args, options) {
  const ended = await run(command, args, options)
  if (ended.code !== 0)
    throw new Error(
      `${command} ${args.join(' ')} ended with ${ended.signal ?? ended.code}:\n${ended.output.slice(-3000)}`,
    )
  return ended.output
}

const underWay = new Map()

/** Once, for all cells that ask at the same time. */
function installed(dir, packages) {
  if (!underWay.has(dir)) underWay.set(dir, install(dir, packages))
  return underWay.get(dir)
}

async function install(dir, packages) {
  if (!existsSync(join(dir, 'node_modules'))) {
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'package.json'), '{ "private": true }')
    await must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: dir })
  }
  return dir
}

/** The directory of a Node: `node` lies in it. */
export async function nodeOf(base, major) {
  const name = `node-linux-${process.arch}`
  const dir = await installed(join(base, `node-${major}`), [`${name}@${major}`])
  return join(dir, 'node_modules', name, 'bin')
}

/** pnpm 10 runs on every Node of the matrix. */
export async function pnpmOf(base) {
  const dir = await installed(join(base, 'pnpm'), ['pnpm@10'])
  return join(dir, 'node_modules/pnpm/bin/pnpm.cjs')
}

/** A name of its own for each: package managers keep what they know of a name and version. */
export async function tarballOf(base, root) {
  mkdirSync(base, { recursive: true })
  const said = await must('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', base], { cwd: root })
  return join(base, said.trim().split('\n').at(-1))
}
