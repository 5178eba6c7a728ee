/**
 * The files that any worker of this run may write. Such a file can change between a check and its use, and its content
 * comes from a worker. So Vitest's own process neither opens it by name nor transforms it.
 */
import { dirname, join, relative, resolve } from 'node:path'
import { isWithin } from '../../policy/canonical.js'
import { compileGlob } from '../../policy/glob.js'
import type { PathGrant } from '../../policy/path-grants.js'
import {
  compilePolicy,
  decide,
  Exclusions,
  listsOf,
  type Policy,
  type PolicyData,
  type RuleList,
} from '../../policy/policy.js'
import { bytePath, type BytePath } from '../../policy/request.js'
import type { PathRule } from '../../policy/rules.js'
import type { Walked } from './walk.js'

/**
 * An entry that begins with `<file>`: it applies in any directory below `top`. `covers` gets the path from such a
 * directory on.
 */
interface Beside {
  readonly top: string
  readonly covers: (below: string) => boolean
  readonly source: string
}

export class Writes {
  readonly #beside: Beside[] = []
  readonly #content = new Set<string>()
  readonly #lists = new Map<string, RuleList>()
  #policy: Policy | undefined
  #settled = new WeakMap<object, Set<string>>()
  readonly #mayHold = new Map<string, boolean>()
  /** The start of the run. Files that have changed since may be the work of a worker. */
  #since = now()

  /** The files that some policy of this run excludes from reading, so that each worker is judged for them. */
  readonly exclusions = new Exclusions()

  /** `tmpPrefix`: the beginning of the path of every worker's temporary directory. */
  constructor(readonly tmpPrefix: string) {}

  /**
   * Notes that a run begins. In watch mode the user may have changed files since the one before; within a run, nobody but
   * tests does, also while none is alive, as between groups of projects.
   */
  beginRun(): void {
    this.#since = now()
  }

  /**
   * Adds the places that this policy lets a worker write from now on, including those that it has to acquire first. Of
   * the base grants only trees count: the others cover no place for modules, and differ for each test file.
   */
  add({ lists, resources = [], denied }: Pick<PolicyData, 'lists' | 'resources' | 'denied'>): void {
    if (this.exclusions.add({ lists, ...(denied === undefined ? {} : { denied }) })) this.#forget()
    const prefix = bytePath(this.tmpPrefix)
    for (const list of [...lists, ...listsOf(resources)]) {
      const kept = list.filter(
        ({ root, reason, shape }) => !root.startsWith(prefix) && (reason === undefined || shape === 'tree'),
      )
      if (!kept.some(isOwnWrite)) continue
      const key = JSON.stringify(kept)
      if (this.#lists.has(key)) continue
      this.#lists.set(key, kept)
      this.#policy = undefined
      this.#forget()
    }
  }

  /**
   * Adds entries that begin with `<file>`, for all test files of a project: those that run now, and those that ran and
   * no longer exist. Every directory below the root may contain a test file, except those of packages.
   */
  addBeside(root: string, grants: readonly PathGrant[]): void {
    for (const grant of grants) {
      const name = grant.path.replace(/^(?:\.\.(?:\/|$))+/, '')
      const above = grant.path.slice(0, grant.path.length - name.length)
      this.#beside.push({ top: resolve(root, above), covers: coverOf(grant, name), source: grant.source })
    }
    if (grants.length > 0) this.#forget()
  }

  /** Adds a directory into which Vitest copies what tests hand it: their content, under names of Vitest's choice. */
  addContent(dir: string): void {
    if (this.#content.has(dir)) return
    this.#content.add(dir)
    this.#forget()
  }

  #forget(): void {
    this.#settled = new WeakMap()
    this.#mayHold.clear()
  }

  /** The entry that lets a test decide what is at this path; undefined if there is none. */
  covering({ real, links }: Pick<Walked, 'real' | 'links'>): string | undefined {
    for (const path of [real, ...links]) {
      const entry = this.#at(path)
      if (entry !== undefined) return entry
    }
    return this.#isContent(real) ? CONTENT : undefined
  }

  /**
   * The modules of a project that every worker may import, whatever its policy: code that no test can write, so only
   * the user can change it, and that no policy excludes. Most imports of a run ask for modules that another test file has already asked for.
   */
  settled(project: object): Set<string> {
    const known = this.#settled.get(project) ?? new Set()
    this.#settled.set(project, known)
    return known
  }

  /** True if a test may put something at this path. Decided by the name alone, and remembered. */
  mayHold(path: string): boolean {
    const known = this.#mayHold.get(path)
    if (known !== undefined) return known
    if (this.#mayHold.size >= MOST_REMEMBERED) this.#mayHold.clear()
    const may = this.#at(path) !== undefined || this.#isContent(path)
    this.#mayHold.set(path, may)
    return may
  }

  /** True if a file may be the work of a test of this run. Copies for Vitest are, of this run or another. */
  isChanged({ real, changedAt }: Pick<Walked, 'real' | 'changedAt'>): boolean {
    return changedAt >= this.#since || this.#isContent(real)
  }

  #isContent(path: string): boolean {
    for (const dir of this.#content) if (isWithin(bytePath(path), bytePath(dir))) return true
    return false
  }

  /** The entry that lets a test write at or below this directory; undefined if there is none. */
  reaches(dir: string): string | undefined {
    const below = [...this.#lists.values()]
      .flat()
      .find((rule) => isOwnWrite(rule) && isWithin(rule.root, bytePath(dir)))
    return below?.source ?? this.#at(join(dir, 'any')) ?? this.#at(dir)
  }

  #at(path: string): string | undefined {
    if (path.startsWith(this.tmpPrefix)) return '<tmp>/'
    const own = this.#entry('write', bytePath(path))
    if (own !== undefined) return own
    // Whoever can move a directory away can put another one in its place.
    for (let dir = dirname(path); dir !== '/'; dir = dirname(dir)) {
      const entry = this.#entry('move', bytePath(dir))
      if (entry !== undefined) return entry
    }
    return this.#beside.find((entry) => isBeside(entry, path))?.source
  }

  #entry(access: 'write' | 'move', path: BytePath): string | undefined {
    this.#policy ??= compilePolicy({ mode: 'enforce', lists: [...this.#lists.values()], sockets: [] })
    const verdict = decide(this.#policy, { kind: 'path', access, path })
    return verdict.allowed ? (verdict.granted.rule?.source ?? '') : undefined
  }
}

const CONTENT = '<attachments>/'
const MOST_REMEMBERED = 50_000

/** The current time. The clock that stamps files advances in ticks of at most 10 ms, so it may be that much behind. */
function now(): number {
  return Date.now() - 10
}

function isOwnWrite({ effect, access }: PathRule): boolean {
  return effect === 'grant' && access === 'write'
}

function isBeside({ top, covers }: Beside, path: string): boolean {
  if (!isWithin(bytePath(path), bytePath(top)) || path.includes('/node_modules/')) return false
  const names = relative(top, path).split('/')
  return names.some((_, at) => covers(names.slice(at).join('/')))
}

function coverOf({ shape, rest = '' }: PathGrant, name: string): Beside['covers'] {
  const start = name === '' ? '' : `${name}/`
  if (shape === 'file') return (below) => below === name
  if (shape === 'tree') return (below) => below === name || below.startsWith(start)
  const matches = compileGlob(rest)
  return (below) => below.startsWith(start) && matches(below.slice(start.length))
}
