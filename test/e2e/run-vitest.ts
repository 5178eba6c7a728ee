/**
 * Runs a real Vitest on a copy of a fixture project. Which Vitest and which Node can be chosen from outside:
 *
 *   NODE_BIN      the node executable (default: the one that runs this)
 *   VITEST_BIN    …/node_modules/vitest/vitest.mjs; the packages beside it, vitest-pool-seccomp among them, are what
 *                 the projects import (default: this repository's)
 *   FIXTURES_DIR  where the projects lie (default: fixtures/projects)
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { JsonReport } from './json-report.js'

const repository = resolve(import.meta.dirname, '../..')
export const vitestBin = process.env.VITEST_BIN ?? join(repository, 'node_modules/vitest/vitest.mjs')
const terminalScript = join(repository, 'fixtures/targets/terminal.py')
const fixturesDir = process.env.FIXTURES_DIR ?? join(repository, 'fixtures/projects')
export const nodeBin = process.env.NODE_BIN ?? process.execPath

const { version }: { version: string } = JSON.parse(readFileSync(join(dirname(vitestBin), 'package.json'), 'utf8'))
/** Of the Vitest under test. Facts that differ between versions are marked by it. */
export const vitestMajor = Number.parseInt(version, 10)

export interface Project extends Disposable {
  readonly root: string
  /** What vitest and its workers get as TMPDIR. */
  readonly tmp: string
  write(path: string, text: string): void
  read(path: string): string
}

/** A copy that a test may change. `node_modules` lies beside it, where Node finds it on its way up. */
export function project(name: string): Project {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'e2e-')))
  const root = join(scratch, name)
  const tmp = join(scratch, 'tmp')
  mkdirSync(tmp)
  cpSync(join(fixturesDir, name), root, { recursive: true, filter: (path) => !path.endsWith('/node_modules') })
  symlinkSync(dirname(dirname(vitestBin)), join(scratch, 'node_modules'))
  return {
    root,
    tmp,
    write(path, text) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    },
    read: (path) => readFileSync(join(root, path), 'utf8'),
    [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }),
  }
}

export interface RunOptions {
  /** On top of a cleaned environment. Undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds, after which the whole process group is killed and the run rejects. For what hangs. */
  readonly limit?: number
  /** Instead of the Node under test. */
  readonly node?: string
  /** A script and its arguments, which starts what comes after them. */
  readonly under?: readonly string[]
  /** True: on a terminal, by fixtures/targets/terminal.py, which takes orders on stdin. */
  readonly onTerminal?: boolean
}

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** stdout and stderr as they came, without colours. */
  readonly out: string
  /** Processes that carry the run's mark and are still there, temporary files that are still there. */
  readonly leftovers: { readonly processes: readonly string[]; readonly tmp: readonly string[] }
}

export interface Report extends Finished {
  readonly json: JsonReport
}

/** `vitest run`, with a json report. */
export async function run(at: Project, args: readonly string[] = [], options: RunOptions = {}): Promise<Report> {
  const file = join(at.root, '..', `report-${randomUUID()}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const finished = await vitest(at, ['run', ...reporters, ...args], options)
  if (!existsSync(file)) return { ...finished, json: { success: false, testResults: [] } }
  const json: JsonReport = JSON.parse(readFileSync(file, 'utf8'))
  return { ...finished, json }
}

/** Any vitest command, to its end. */
export function vitest(at: Project, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(at, args, options).finished
}

/** Disposed of before its end, it is killed with all it started. */
export interface Started extends Disposable {
  readonly child: ChildProcess
  /** The entry in the environment of vitest and all it starts. */
  readonly mark: string
  readonly finished: Promise<Finished>
  /** Resolves once the output holds `text`, `times` times. Rejects if it ends without. */
  printed(text: string | RegExp, times?: number): Promise<void>
  output(): string
}

export function start(at: Project, args: readonly string[], options: RunOptions = {}): Started {
  return startNode(at, [vitestBin, ...args], options)
}

/** `vitest-seccomp run`. */
export function startConfined(at: Project, args: readonly string[], options: RunOptions = {}): Started {
  return startNode(at, [cliBin(), 'run', ...args], options)
}

/** `vitest-seccomp`, as the package beside that Vitest has it. */
export function cli(at: Project, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return startNode(at, [cliBin(), ...args], options).finished
}

function cliBin(): string {
  return join(dirname(dirname(vitestBin)), 'vitest-pool-seccomp/dist/cli/bin.js')
}

function startNode(
  at: Project,
  args: readonly string[],
  { env = {}, limit = 200_000, node = nodeBin, under, onTerminal = false }: RunOptions,
): Started {
  const mark = `E2E_RUN=${randomUUID()}`
  // `node` is the Node under test for whoever looks for it.
  const path =
    nodeBin === process.execPath ? process.env.PATH : `${dirname(nodeBin)}${delimiter}${process.env.PATH ?? ''}`
  const begun = performance.now()
  const command = [node, ...(under === undefined ? [] : [...under, node]), ...args]
  const [program = node, ...given] = onTerminal ? ['python3', terminalScript, ...command] : command
  const child = spawn(program, given, {
    cwd: at.root,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...cleaned(), PATH: path, TMPDIR: at.tmp, PWD: at.root, E2E_RUN: mark.slice('E2E_RUN='.length), ...env },
  })
  let out = ''
  let ended = false
  const looks = new Set<() => void>()
  const look = (): void => {
    for (const each of looks) each()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      out += stripVTControlCharacters(text)
      look()
    })
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      ended = true
      reject(new Error(`${args.join(' ')} did not end within ${limit} ms\n${out}`))
    }, limit)
    child.once('error', reject)
    // Not 'close': a process that was left behind may hold the pipes open.
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      ended = true
      void noBroker(child.pid, performance.now() - begun).then(() => {
        const tmp = existsSync(at.tmp) ? readdirSync(at.tmp) : []
        const processes = [...carrying(mark), ...brokersOf(child.pid)]
        resolve({ code, signal, out, leftovers: { processes, tmp } })
      })
    })
  })
  // Whoever waits for output is told so, too.
  finished.then(look, look)
  const printed = (text: string | RegExp, times = 1): Promise<void> =>
    new Promise((resolve, reject) => {
      const pattern = typeof text === 'string' ? text : new RegExp(text, 'g')
      const one = (): void => {
        const found = typeof pattern === 'string' ? out.split(pattern).length - 1 : [...out.matchAll(pattern)].length
        if (found < times && !ended) return
        looks.delete(one)
        if (found >= times) resolve()
        else reject(new Error(`the output ended without ${String(text)}:\n${out}`))
      }
      looks.add(one)
      one()
    })
  return {
    child,
    mark,
    finished,
    printed,
    output: () => out,
    [Symbol.dispose]() {
      if (!ended && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    },
  }
}

/** The broker processes of this process: they carry nothing of its environment. */
export function brokersOf(pid: number | undefined): string[] {
  return processes((of) => readFileSync(`/proc/${of}/cmdline`, 'latin1'))
    .filter(([, line]) => new RegExp(`threads/(?:run-)?process\\.js\0${pid}\0`).test(line))
    .map(([of, line]) => `${of} ${line.replaceAll('\0', ' ')}`)
}

/**
 * A broker outlives the run for as long as it takes to clear up behind it: two seconds at most, and more where the run itself
 * took long.
 */
async function noBroker(pid: number | undefined, took: number): Promise<void> {
  const until = performance.now() + 2000 + took
  while (brokersOf(pid).length > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** The environment without what the Vitest around this test set in it. */
function cleaned(): NodeJS.ProcessEnv {
  const prefixes = /^(?:VITEST|VITE_|FORCE_|GITHUB_)/
  const names = /^(?:TEST|NODE_(?:ENV|OPTIONS|V8_COVERAGE|BIN)|MODE|PROD|DEV|SSR|BASE_URL|CI|COLORTERM|FIXTURES_DIR)$/
  const kept = Object.entries(process.env).filter(([name]) => !prefixes.test(name) && !names.test(name))
  return { ...Object.fromEntries(kept), NO_COLOR: '1' }
}

/** Live processes with this entry in their environment: proc(5). */
export function carrying(entry: string): string[] {
  return processes((pid) => [
    readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0'),
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' '),
  ])
    .filter(([, [environ]]) => environ?.includes(entry))
    .map(([pid, [, line]]) => `${pid} ${String(line)}`)
}

/** What `/proc` says of each process that is still there. */
function processes<T>(read: (pid: string) => T): [pid: string, of: T][] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): [string, T][] => {
      try {
        return [[pid, read(pid)]]
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined
        if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return []
        throw error
      }
    })
}
