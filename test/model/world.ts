/** A confined process and its unconfined twin, each in a tree of its own, that perform the same commands. */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { PolicyData } from '../../src/policy/policy.js'
import type { Command } from '../arbitraries/commands.js'
import { confine, DIST, Lines, within, type Confined } from '../broker/confined.js'
import { policyData } from '../contracts/rules.js'

const CANARY = 'the canary is alive'

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
    const twinProcess = spawn(process.execPath, [file, pathToFileURL(`${DIST}/policy/policy.js`).href], { stdio: ['ignore', 'inherit', 'inherit', 'ignore', 'pipe'] })
    const [, , , , socket] = twinProcess.stdio
    if (!(socket instanceof Socket)) throw new Error('no socket to the twin')
    return new World(scratch, confined, twinProcess, new Lines(socket))
  }

  async close(): Promise<void> {
    this.#twinProcess.kill('SIGKILL')
    await within(5000, 'stop', this.#confined.worker.stop())
    expect(this.#confined.faults).toEqual([])
    rmSync(this.#scratch, { recursive: true, force: true })
  }

  /** Runs the commands on both sides and compares. */
  async agree(commands: readonly Command[]): Promise<void> {
    const roots = { confined: join(this.#scratch, `c${++this.#count}`), twin: join(this.#scratch, `t${this.#count}`) }
    furnish(roots.confined)
    furnish(roots.twin)
    const policy = policyFor(roots.confined)
    const before = outsideOf(roots.confined)
    await this.#confined.worker.setPolicy(policy)
    await this.#twin.value('reset', roots, policy)
    await this.#confined.value('reset', `${roots.confined}/g`)
    await this.#twin.value('perform', ['chdir', '@/g'])
    for (const command of commands) {
      // The answer that fixtures/targets/model/twin.mjs gives.
      const { allowed, result } = await this.#twin.value('perform', command) as { allowed: 'yes' | 'no' | 'unclear'; result: string }
      expect(['yes', 'no', 'unclear'], 'the twin itself failed').toContain(allowed)
      const got = String(await this.#confined.value('perform', roots.confined, command)).replaceAll(roots.confined, '@')
      this.counts[allowed]++
      if (!isErrno(got)) this.counts.done++
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
}
