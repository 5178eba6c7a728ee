/**
 * The files that any worker of this run may write. Such a file can change between a look at it and its use, and its content is
 * the worker's word: Vitest's own process neither opens it by name nor transforms it.
 */
import { dirname, join, relative, resolve } from 'node:path'
import { isWithin } from '../../policy/canonical.js'
import { compileGlob } from '../../policy/glob.js'
import type { PathGrant } from '../../policy/path-grants.js'
import { compilePolicy, decide, ownPolicy, type Policy, type PolicyData, type RuleList } from '../../policy/policy.js'
import { bytePath, type BytePath } from '../../policy/request.js'
import type { PathRule } from '../../policy/rules.js'
import type { Walked } from './walk.js'

/** The places that `<file>` and a name come to, in any directory below `top`: `covers` gets a path from there on. */
interface Beside {
  readonly top: string
  readonly covers: (below: string) => boolean
  readonly source: string
}

export class Writes {
  readonly #beside: Beside[] = []
  readonly #lists = new Map<string, RuleList>()
  #policy: Policy | undefined
  #settled = new WeakMap<object, Set<string>>()
  readonly #mayHold = new Map<string, boolean>()
  #workers = 0
  /** When the first of the workers that live now was started: what changed since may be their work. */
  #since = now()

  /** `tmpPrefix`: how the path of every worker's temporary directory begins. */
  constructor(readonly tmpPrefix: string) {}

  /** A worker comes to life; the result is for when it is gone. */
  enter(): () => void {
    if (this.#workers++ === 0) this.#since = now()
    let here = true
    return () => {
      if (here) this.#workers--
      here = false
    }
  }

  /**
   * Adds the places that this policy lets a worker write from now on, also those that it has to acquire first. Of the base grants only
   * directories: the others name no place for modules, and differ for each test file.
   */
  add({ lists, resources = [] }: Pick<PolicyData, 'lists' | 'resources'>): void {
    const prefix = bytePath(this.tmpPrefix)
    const acquired = resources.flatMap(({ use }) => ownPolicy(use).lists)
    for (const list of [...lists, ...acquired]) {
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
   * Entries that begin with `<file>`, for the test files of a project, whichever there are: one that runs now, or ran and is
   * gone. Each directory below its root may be that of one, but for those of packages.
   */
  addBeside(root: string, grants: readonly PathGrant[]): void {
    for (const grant of grants) {
      const name = grant.path.replace(/^(?:\.\.(?:\/|$))+/, '')
      const above = grant.path.slice(0, grant.path.length - name.length)
      this.#beside.push({ top: resolve(root, above), covers: coverOf(grant, name), source: grant.source })
    }
    if (grants.length > 0) this.#forget()
  }

  #forget(): void {
    this.#settled = new WeakMap()
    this.#mayHold.clear()
  }

  /** The entry that lets a test decide what is at this path; undefined where none does. */
  covering({ real, links }: Pick<Walked, 'real' | 'links'>): string | undefined {
    for (const path of [real, ...links]) {
      const entry = this.#at(path)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  /**
   * Modules of a project that every worker may import, whatever its policy: code where no test can write, so that only
   * the user can make it something else. Most imports of a run ask for what another test file has asked for.
   */
  settled(project: object): Set<string> {
    const known = this.#settled.get(project) ?? new Set()
    this.#settled.set(project, known)
    return known
  }

  /** True if a test may put something at this path: by its name alone, and remembered. */
  mayHold(path: string): boolean {
    const known = this.#mayHold.get(path)
    if (known !== undefined) return known
    if (this.#mayHold.size >= MOST_REMEMBERED) this.#mayHold.clear()
    const may = this.#at(path) !== undefined
    this.#mayHold.set(path, may)
    return may
  }

  isChanged({ changedAt }: Pick<Walked, 'changedAt'>): boolean {
    return changedAt >= this.#since
  }

  /** True if a test may write anything at or below this directory. */
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
    // Whoever can move a directory away can put another in its place.
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

const MOST_REMEMBERED = 50_000

/** The clock by which files change goes by ticks, of at most 10 ms: it may be that much behind. */
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
