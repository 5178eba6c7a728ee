/**
 * The same commands in a confined process and, where the manifest allows them, in an unconfined twin: what is inside the
 * grants behaves the same, and what is outside is neither read nor changed.
 *
 *   MODEL_RUNS=5000 npx vitest run test/model     MODEL_SECONDS=600 for as long as that
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, constants, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PolicyData } from '../../src/policy/policy.js'
import { confine, DIST, Lines, missing, within, type Confined } from '../broker/confined.js'
import { policyData } from '../contracts/rules.js'
import { PINNED } from './pinned.js'

export type Command = readonly [name: string, ...args: readonly (string | number)[]]

const RUNS = Number(process.env['MODEL_RUNS'] ?? 40)
const SECONDS = Number(process.env['MODEL_SECONDS'] ?? 0)
const CANARY = 'the canary is alive'

let scratch: string
let confined: Confined
let twin: Lines
let twinProcess: ChildProcess
let count = 0
/** How the commands were judged, and how many of them did something. */
const counts = { yes: 0, no: 0, unclear: 0, done: 0 }

/** `g` may be written but for `g/keep`, `r` may be read, `o` is outside. */
function furnish(root: string): void {
  for (const directory of ['g/d/e', 'g/keep/d', 'r/d', 'o/d']) mkdirSync(join(root, directory), { recursive: true })
  for (const file of ['g/f', 'g/d/g', 'r/f', 'r/d/g']) writeFileSync(join(root, file), `content of ${file}`)
  for (const file of ['g/keep/k', 'o/canary', 'o/d/canary']) writeFileSync(join(root, file), CANARY)
  for (const [text, name] of [['f', 'g/l'], ['d', 'g/ld'], ['../o/canary', 'g/out'], ['../o', 'g/outd'], ['../r', 'g/r'], ['keep/k', 'g/toKeep'],
    ['new', 'g/dangling'], ['../o/new', 'g/danglingOut'], ['loop', 'g/loop'], ['../g', 'r/g'], ['../o/canary', 'r/out'], ['d/g', 'r/l']] as const) {
    symlinkSync(text, join(root, name))
  }
  chmodSync(root, 0o755)
}

function policyFor(root: string): PolicyData {
  return policyData([[`write +${root}/g/`, `write !${root}/g/keep/`], [`read +${root}/r/`], ['read +/proc/self/']])
}

/** Everything below, one line an entry, but for what differs between any two directories. */
function listing(root: string, below: string): string[] {
  const path = join(root, below)
  const stat = lstatSync(path)
  const mode = (stat.mode & 0o7777).toString(8)
  if (stat.isSymbolicLink()) return [`${below} -> ${readlinkSync(path).replace(root, '@')}`]
  if (!stat.isDirectory()) return [`${below} ${mode} ${stat.nlink} ${readFileSync(path, 'latin1')}`]
  return [`${below} ${mode}`, ...readdirSync(path).toSorted().flatMap((name) => listing(root, join(below, name)))]
}

const outsideOf = (root: string): string[] => ['o', 'r', 'g/keep'].flatMap((below) => listing(root, below))

const isErrno = (result: string): boolean => /^E[A-Z0-9]+$/.test(result)

/** Of two paths both may be wrong, and of a name that ends in dots two things: which is told first is no promise. */
const isAmbiguous = ([name, ...paths]: Command): boolean =>
  name === 'rename' || name === 'link' || (name === 'symlink' && paths.some((path) => /(?:^|\/)\.{0,2}\/*$/.test(String(path))))

/** Runs the commands on both sides and compares. */
async function agree(commands: readonly Command[]): Promise<void> {
  const roots = { confined: join(scratch, `c${++count}`), twin: join(scratch, `t${count}`) }
  furnish(roots.confined)
  furnish(roots.twin)
  const policy = policyFor(roots.confined)
  const before = outsideOf(roots.confined)
  await confined.worker.setPolicy(policy)
  await twin.value('reset', roots, policy)
  await confined.value('reset', `${roots.confined}/g`)
  await twin.value('perform', ['chdir', '@/g'])
  for (const command of commands) {
    // The answer that fixtures/targets/model/twin.mjs gives.
    const { allowed, result } = await twin.value('perform', command) as { allowed: 'yes' | 'no' | 'unclear'; result: string }
    expect(['yes', 'no', 'unclear'], 'the twin itself failed').toContain(allowed)
    const got = String(await confined.value('perform', roots.confined, command)).replaceAll(roots.confined, '@')
    counts[allowed]++
    if (!isErrno(got)) counts.done++
    expect(got, `${JSON.stringify(command)} shows what is outside`).not.toContain(CANARY)
    if (allowed === 'yes' && isAmbiguous(command) && isErrno(result)) expect(got).toMatch(/^E[A-Z]+$/)
    else if (allowed === 'yes') expect([command, got]).toEqual([command, result.replaceAll(roots.twin, '@')])
    else expect(got, `${JSON.stringify(command)} is not allowed (${allowed})`).toMatch(/^E[A-Z]+$/)
  }
  expect(outsideOf(roots.confined), 'the outside changed').toEqual(before)
  expect(listing(roots.confined, 'g'), 'the trees differ').toEqual(listing(roots.twin, 'g'))
  rmSync(roots.confined, { recursive: true })
  rmSync(roots.twin, { recursive: true })
}

const name = fc.constantFrom('f', 'd', 'g', 'e', 'l', 'ld', 'out', 'outd', 'r', 'keep', 'k', 'toKeep', 'new', 'dangling', 'danglingOut', 'loop', 'canary', 'n1', 'n2', '..', '.', '', '\u00e9')
const start = fc.constantFrom('', '', '@/g/', '@/g/', '@/g/', '@/r/', '@/o/', './', '../', '#0/', '#1/', '@/g/ld/', '@/g/../g/')
const likely = fc.constantFrom('f', 'd', 'd/g', 'd/e', 'l', 'ld', 'ld/g', 'new', 'n1', 'n2', 'd/n1', 'd/e/n2', 'n1/f', '@/g/f', '@/g/d', '@/g/n1', '@/r/f', '@/r/d/g', '@/r/l', '.', 'dangling')
const random = fc.tuple(start, fc.array(name, { minLength: 1, maxLength: 3 })).map(([from, names]) => from + names.join('/'))
const path = fc.oneof({ weight: 3, arbitrary: likely }, { weight: 2, arbitrary: random })
/** Not through a descriptor: the two sides number theirs differently. */
const linkText = path.filter((one) => !one.startsWith('#'))
const slot = fc.nat(1)
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = constants
const flags = fc.tuple(fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR), fc.subarray([O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW], { maxLength: 3 }))
  .map(([mode, more]) => more.reduce((all, flag) => all | flag, mode))
// With x: the worker, unlike the twin run by root, has no capability to search a directory without, and chdir is its own.
const mode = fc.constantFrom(0o755, 0o700, 0o777, 0o711, 0o500)
const text = fc.constantFrom('x', 'some text', '')
const make = <T extends (string | number)[]>(of: string, ...args: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Command> =>
  fc.tuple(...args).map((values): Command => [of, ...values])
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: make('open', path, flags, mode, slot) }, make('open', path, fc.constant(O_DIRECTORY), mode, slot), make('close', slot), make('read', slot),
  make('write', slot, text), make('readFile', path), make('writeFile', path, text), make('appendFile', path, text), make('copyFile', path, path), make('readdir', path),
  make('stat', path), make('lstat', path), make('access', path, fc.constantFrom(0, 2, 4, 6)), make('readlink', path), make('mkdir', path, mode), make('rmdir', path), make('unlink', path),
  { weight: 3, arbitrary: make('rename', path, path) }, { weight: 2, arbitrary: make('link', path, path) }, { weight: 3, arbitrary: make('symlink', linkText, path) },
  make('truncate', path, fc.nat(20)), make('ftruncate', slot, fc.nat(20)), make('chmod', path, mode), make('fchmod', slot, mode), make('utimes', path, fc.nat(1000)),
  make('lutimes', path, fc.nat(1000)), { weight: 2, arbitrary: make('chdir', path) }, make('umask', fc.constantFrom(0, 0o022, 0o077)),
)

describe.skipIf(missing !== undefined)(`confined and unconfined (${missing ?? 'live'})`, () => {
  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'model-')))
    confined = await confine({ runtime: 'model/runtime.mjs', policy: policyFor(scratch) })
    const file = fileURLToPath(new URL('../../fixtures/targets/model/twin.mjs', import.meta.url))
    twinProcess = spawn(process.execPath, [file, pathToFileURL(`${DIST}/policy/policy.js`).href], { stdio: ['ignore', 'inherit', 'inherit', 'ignore', 'pipe'] })
    const [, , , , socket] = twinProcess.stdio
    if (!(socket instanceof Socket)) throw new Error('no socket to the twin')
    twin = new Lines(socket)
  })
  afterAll(async () => {
    twinProcess.kill('SIGKILL')
    await within(5000, 'stop', confined.worker.stop())
    expect(confined.faults).toEqual([])
    rmSync(scratch, { recursive: true, force: true })
  })

  test.each(PINNED)('pinned: %s', async (_, commands) => agree(commands))

  test('agree on random commands, and the outside stays as it is', async () => {
    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 40, size: 'max' }), agree), {
      numRuns: SECONDS > 0 ? 1_000_000 : RUNS, ...(SECONDS > 0 ? { interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false } : {}),
    })
    // A model that is never put to the test agrees with everything.
    const all = counts.yes + counts.no + counts.unclear
    expect(counts.done / all, JSON.stringify(counts)).toBeGreaterThan(0.15)
    expect(counts.no / all, JSON.stringify(counts)).toBeGreaterThan(0.05)
  }, 30_000 + SECONDS * 1000 + RUNS * 100)
})
