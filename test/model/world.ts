/** A confined process and its unconfined twin, each in a tree of its own, that perform the same commands. */
import { spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { PolicyData, Resource } from '../../src/policy/policy.js'
import type { Command } from '../arbitraries/commands.js'
import { confine, DIST, Lines, SOON, within, type Confined } from '../broker/confined.js'
import { policyData, rule } from '../contracts/rules.js'

const CANARY = 'the canary is alive'

/** `g` may be written but for `g/keep`, `r` may be read, `o` is outside. */
function furnish(root: string): void {
  for (const directory of ['g/d/e', 'g/keep/d', 'r/d', 'o/d']) mkdirSync(join(root, directory), { recursive: true })
  for (const file of ['g/f', 'g/d/g', 'r/f', 'r/d/g']) writeFileSync(join(root, file), `content of ${file}`)
  for (const file of ['g/keep/k', 'o/canary', 'o/d/canary']) writeFileSync(join(root, file), CANARY)
  for (const [text, name] of [
    ['f', 'g/l'],
    ['d', 'g/ld'],
    ['../o/canary', 'g/out'],
    ['../o', 'g/outd'],
    ['../r', 'g/r'],
    ['keep/k', 'g/toKeep'],
    ['new', 'g/dangling'],
    ['../o/new', 'g/danglingOut'],
    ['loop', 'g/loop'],
    ['../g', 'r/g'],
    ['../o/canary', 'r/out'],
    ['d/g', 'r/l'],
  ] as const) {
    symlinkSync(text, join(root, name))
  }
  writeFileSync(join(root, 'o/seed'), 'seed')
  chmodSync(root, 0o755)
}

/** A thread of its own reads the code that it runs once more. */
const CODE = ['fixtures', 'node_modules'].map(
  (name) => `read +${fileURLToPath(new URL(`../../${name}/`, import.meta.url))}`,
)

function policyFor(...roots: readonly string[]): PolicyData {
  const seeds = roots.slice(0, 1).map((root): Resource => ({
    name: 'seed',
    at: 'test',
    use: {
      how: 'open',
      access: 'read',
      rule: rule(`read +${root}/o/seed`),
      create: false,
      truncate: false,
      append: false,
    },
  }))
  const policy = policyData([
    ...roots.flatMap((root) => [[`write +${root}/g/`, `write !${root}/g/keep/`], [`read +${root}/r/`]]),
    ['read +/proc/self/'],
    CODE,
  ])
  return { ...policy, resources: seeds }
}

/** Everything below, one line an entry, but for what differs between any two directories. */
function listing(root: string, below: string): string[] {
  const path = join(root, below)
  const stat = lstatSync(path)
  const mode = (stat.mode & 0o7777).toString(8)
  if (stat.isSymbolicLink()) return [`${below} -> ${readlinkSync(path).replace(root, '@')}`]
  if (!stat.isDirectory()) return [`${below} ${mode} ${stat.nlink} ${readFileSync(path, 'latin1')}`]
  return [
    `${below} ${mode}`,
    ...readdirSync(path)
      .toSorted()
      .flatMap((name) => listing(root, join(below, name))),
  ]
}

const outsideOf = (root: string): string[] => ['o', 'r', 'g/keep'].flatMap((below) => listing(root, below))

const isErrno = (result: string): boolean => /^E[A-Z0-9]+$/.test(result)

/** Of two paths both may be wrong, and of a name that ends in dots two things: which is told first is no promise. */
const isAmbiguous = ([name, ...paths]: Command): boolean =>
  (name === 'fork' && isAmbiguous([String(paths[0]), ...paths.slice(1)])) ||
  name === 'rename' ||
  name === 'link' ||
  (name === 'symlink' && paths.some((path) => /(?:^|\/)\.{0,2}\/*$/.test(String(path))))

export class World {
  /** How the commands were judged, and how many of them did something. */
  readonly counts = { yes: 0, no: 0, unclear: 0, done: 0 }
  readonly #scratch: string
  readonly #confined: Confined
  readonly #twin: Lines
  readonly #twinProcess: ChildProcess
  #count = 0

  private constructor(scratch: string, confined: Confined, twinProcess: ChildProcess, twin: Lines) {
    this.#scratch = scratch
    this.#confined = confined
    this.#twinProcess = twinProcess
    this.#twin = twin
  }

  static async open(): Promise<World> {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'model-')))
    const confined = await confine({ runtime: 'model/runtime.mjs', policy: policyFor(scratch) })
    const file = fileURLToPath(new URL('../../fixtures/targets/model/twin.mjs', import.meta.url))
    const twinProcess = spawn(process.execPath, [file, pathToFileURL(`${DIST}/policy/policy.js`).href], {
      stdio: ['ignore', 'inherit', 'inherit', 'ignore', 'pipe'],
    })
    const [, , , , socket] = twinProcess.stdio
    if (!(socket instanceof Socket)) throw new Error('no socket to the twin')
    return new World(scratch, confined, twinProcess, new Lines(socket))
  }

  async close(): Promise<void> {
    this.#twinProcess.kill('SIGKILL')
    await within(SOON, 'stop', this.#confined.worker.stop())
    expect(this.#confined.faults).toEqual([])
    rmSync(this.#scratch, { recursive: true, force: true })
  }

  #newRoots(): { readonly confined: string; readonly twin: string } {
    const roots = { confined: join(this.#scratch, `c${++this.#count}`), twin: join(this.#scratch, `t${this.#count}`) }
    furnish(roots.confined)
    furnish(roots.twin)
    return roots
  }

  /** Runs the commands on both sides and compares. */
  async agree(commands: readonly Command[]): Promise<void> {
    const roots = this.#newRoots()
    const policy = policyFor(roots.confined)
    const before = outsideOf(roots.confined)
    await this.#confined.worker.setPolicy(policy)
    await this.#twin.value('reset', roots, policy)
    expect(await this.#confined.value('reset', `${roots.confined}/g`)).toBeNull()
    await this.#twin.value('perform', ['chdir', '@/g'])
    for (const command of commands) {
      const expected = await this.#expected(command)
      const got = await this.#confined.value('perform', roots.confined, command)
      this.#compare(command, expected, String(got), roots)
    }
    this.#close(roots, before)
  }

  /** As many threads of one process, each in a tree of its own, get what each would get alone. */
  async agreeApart(programs: readonly (readonly Command[])[]): Promise<void> {
    const all = programs.map((commands) => ({ commands, roots: this.#newRoots() }))
    const policy = policyFor(...all.map(({ roots }) => roots.confined))
    const before = all.map(({ roots }) => outsideOf(roots.confined))
    await this.#confined.worker.setPolicy(policy)
    const results = await this.#parallel(all.map(({ commands, roots }) => ({ commands, root: roots.confined })))
    for (const [index, { commands, roots }] of all.entries()) {
      await this.#twin.value('reset', roots, policy)
      for (const [at, command] of commands.entries())
        this.#compare(command, await this.#expected(command), results[index]?.[at] ?? 'no result', roots)
      await this.#twin.value('reset', roots, policy)
      this.#close(roots, before[index] ?? [])
    }
  }

  /** Threads that work on one tree against each other: what comes of it is open, but for what is outside. */
  async stayInside(programs: readonly (readonly Command[])[]): Promise<void> {
    const roots = this.#newRoots()
    const before = outsideOf(roots.confined)
    await this.#confined.worker.setPolicy(policyFor(roots.confined))
    const results = await this.#parallel(programs.map((commands) => ({ commands, root: roots.confined })))
    expect(results.flat().join(), 'shows what is outside').not.toContain(CANARY)
    expect(outsideOf(roots.confined), 'the outside changed').toEqual(before)
    rmSync(roots.confined, { recursive: true })
    rmSync(roots.twin, { recursive: true })
  }

  async #parallel(
    programs: readonly { readonly root: string; readonly commands: readonly Command[] }[],
  ): Promise<readonly (readonly string[])[]> {
    const results = await within(SOON, 'the threads', this.#confined.value('parallel', programs))
    if (!Array.isArray(results)) throw new Error(String(results))
    // The answer of fixtures/targets/model/threads.mjs.
    return results as string[][]
  }

  async #expected(command: Command): Promise<Expected> {
    // The answer that fixtures/targets/model/twin.mjs gives.
    const expected = (await this.#twin.value('perform', command)) as Expected
    expect(['yes', 'no', 'unclear'], 'the twin itself failed').toContain(expected.allowed)
    return expected
  }

  #compare(
    command: Command,
    { allowed, result }: Expected,
    text: string,
    roots: { readonly confined: string; readonly twin: string },
  ): void {
    const got = text.replaceAll(roots.confined, '@')
    this.counts[allowed]++
    if (!isErrno(got)) this.counts.done++
    expect(got, `${JSON.stringify(command)} shows what is outside`).not.toContain(CANARY)
    if (allowed === 'yes' && isAmbiguous(command) && isErrno(result)) expect(got).toMatch(/^E[A-Z]+$/)
    else if (allowed === 'yes') expect([command, got]).toEqual([command, result.replaceAll(roots.twin, '@')])
    else expect(got, `${JSON.stringify(command)} is not allowed (${allowed})`).toMatch(/^E[A-Z]+$/)
  }

  #close(roots: { readonly confined: string; readonly twin: string }, before: readonly string[]): void {
    this.#holdsOnlyGranted()
    expect(outsideOf(roots.confined), 'the outside changed').toEqual(before)
    expect(listing(roots.confined, 'g'), 'the trees differ').toEqual(listing(roots.twin, 'g'))
    rmSync(roots.confined, { recursive: true })
    rmSync(roots.twin, { recursive: true })
  }

  /** Nothing that the worker holds by now leads outside. */
  #holdsOnlyGranted(): void {
    const { pid } = this.#confined.worker
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`, 'latin1')
      if (path.startsWith(this.#scratch))
        expect(path, `descriptor ${fd}`).toMatch(/^[^ ]*\/[ct]\d+\/(?:g(?!\/keep)|r|o\/seed)(?:\/|$| )/)
    }
  }
}

interface Expected {
  readonly allowed: 'yes' | 'no' | 'unclear'
  readonly result: string
}
