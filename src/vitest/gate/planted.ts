/**
 * Checks settings that a test has put where Vite's own bundler looks for them. In Vite 8, Rolldown opens package.json
 * and tsconfig.json by itself, outside of JavaScript, so they are checked before it is called. A link could lead it to
 * any file, and so could what they name: they are followed as Rolldown follows them.
 */
import { existsSync, lstatSync, readFileSync, statSync, type Stats } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { codeOf } from '../../errors.js'
import { COMPONENT, endingOf, isScript, NATIVE } from './classify.js'
import { isPattern, leadsOfPackage, leadsOfTsconfig, matching, NO_LEADS, type Leads } from './leads.js'
import { splitId } from './module-id.js'
import { isInTrees, type GateProject } from './project.js'
import { unjudged } from './reads.js'
import { readSafely } from './safe-open.js'
import { walk, type Walked } from './walk.js'
import type { Writes } from './writes.js'

/** The options of Vite 8 for TypeScript's settings: a file for all modules, and their use when names are resolved. */
export interface TsconfigUse {
  readonly file: string | undefined
  readonly resolves: boolean
}

interface SettingsFile extends Leads {
  readonly stamp: string | undefined
  readonly isHeld: boolean
  /** Its directory without links. */
  readonly realDir: string
}

/** `any`: a test of this run may have written it. */
type WantedAge = 'any' | 'unchanged'

export class PlantedSettings {
  readonly #known = new Map<string, SettingsFile>()

  constructor(
    readonly project: Pick<GateProject, 'root' | 'trees' | 'extensions'>,
    readonly writes: Writes,
    readonly tsconfig: TsconfigUse = { file: undefined, resolves: false },
  ) {}

  /**
   * Throws if resolving a name would read a package.json that leads elsewhere: that of the package, of any directory
   * above, or of what another one names.
   */
  checkResolving(id: string, importer: string | undefined): void {
    const from = importer !== undefined && isAbsolute(importer) ? dirname(splitId(importer).path) : this.project.root
    this.#packages(id.startsWith('#') ? id.replace(/\?.*/s, '') : splitId(id).path, from)
    if (this.tsconfig.resolves) this.#tsconfigs(from, 'any')
  }

  /**
   * Throws if compiling a module would read a tsconfig.json that leads elsewhere, or that a test of this run has
   * written.
   */
  checkCompiling(id: string): void {
    const { path } = splitId(id)
    // A compiler may know the language by the end of the query: `?vue&lang.ts`.
    const endings = [path, id].map(endingOf).filter((ending) => this.#isCompiled(ending))
    if (!isAbsolute(path) || endings.length === 0) return
    // Only some plugins have plain JavaScript compiled, and a test may write such modules beside a tsconfig.json of its own.
    this.#tsconfigs(dirname(path), endings.every((ending) => NATIVE.has(ending)) ? 'any' : 'unchanged')
  }

  #isCompiled(ending: string): boolean {
    return isScript(ending) || COMPONENT.has(ending) || this.project.extensions.includes(ending)
  }

  /** The paths that a name may lead to. */
  #packages(name: string, from: string): readonly string[] {
    const found = new Set<string>()
    const looked = new Map<string, SettingsFile>()
    const dirs = new Map<string, string>()
    const questions = new Map([[`${from}\0${name}`, { name, from }]])
    for (const { name, from } of questions.values()) {
      const paths = [from, ...ownTargets(name, from, this.project.root), ...packageTargets(name, from, existsSync)]
      for (const path of paths) found.add(path)
      for (const dir of new Set(paths.flatMap((path) => above(dirOf(path, dirs))))) {
        const file = join(dir, 'package.json')
        const known = looked.get(file)
        const setting = known ?? this.#setting(file, 'package', 'any')
        looked.set(file, setting)
        const fixed = known === undefined ? setting.values.filter((value) => !isPattern(value)) : []
        const values = [...fixed, ...(isBare(name) ? matching(setting, name) : [])]
        for (const next of this.#named(file, { ...setting, values })) questions.set(`${next.from}\0${next.name}`, next)
        if (questions.size > MOST_FOLLOWED) throw planted(file)
      }
    }
    return [...found]
  }

  #tsconfigs(from: string, wanted: WantedAge): void {
    const { file } = this.tsconfig
    const nearest = above(from).map((dir) => join(dir, 'tsconfig.json'))
    const files = new Set(file === undefined ? nearest : [file, ...nearest])
    for (const file of files) {
      for (const { name, from } of this.#named(file, this.#setting(file, 'tsconfig', wanted))) {
        const paths = isBare(name) ? this.#packages(name, from) : [resolve(from, name)]
        for (const path of paths) for (const end of TSCONFIG_ENDS) files.add(path + end)
        if (files.size > MOST_FOLLOWED) throw planted(file)
      }
    }
  }

  /** The names in a file, each with the directory that it is to be looked for from: behind a link there are two. */
  #named(file: string, { values, isHeld, realDir }: SettingsFile): readonly { readonly name: string; from: string }[] {
    const dirs = new Set([dirname(file), realDir])
    const named = [...dirs].flatMap((from) => values.map((name) => ({ name, from })))
    // Below its own directory, only a link leads elsewhere, and each file is checked for those when it is looked at.
    const isStray = ({ name, from }: (typeof named)[number]): boolean =>
      !resolve(from, name).startsWith(`${from}/`) &&
      TSCONFIG_ENDS.some((end) => !this.#isOwn(walk(resolve(from, name) + end)))
    if (isHeld && named.some(isStray)) throw planted(file)
    return realDir === dirname(file) ? named : [...named, { name: realDir, from: realDir }]
  }

  #isOwn({ real }: Walked): boolean {
    return isInTrees(real, this.project) || this.writes.covering({ real, links: [] }) !== undefined
  }

  /** A file of settings, once it is checked. One that no test may write is only read again when it has changed. */
  #setting(file: string, kind: keyof typeof LEADS, wanted: WantedAge): SettingsFile {
    const key = `${kind} ${file}`
    const settled = this.writes.settled(this)
    const stamp = stampOf(file)
    const known = this.#known.get(key)
    const isSame = known !== undefined && known.stamp === stamp
    if (isSame && settled.has(key)) return known
    const walked = walk(file)
    const isHeld = [file, walked.real, ...walked.links].some((path) => this.writes.mayHold(path))
    if (isHeld) this.#check(file, walked, wanted)
    const realDir = dirname(walked.real)
    const { keys, values } =
      isSame && known.isHeld && isHeld
        ? known
        : walked.kind === 'file'
          ? LEADS[kind](textOf(walked.real, isHeld))
          : NO_LEADS
    const made = { keys, values, stamp, isHeld, realDir }
    if (isHeld) {
      // A clock's tick later, a further change has another time.
      if (stamp !== undefined && Date.now() - walked.changedAt > TICK) this.#known.set(key, made)
      return made
    }
    // Few of the names in an installed package lead to where a test may write: only those are followed.
    const isKept = (value: string): boolean => kind === 'tsconfig' || this.#mayReach(value, dirname(file))
    const kept = { ...made, values: values.filter(isKept) }
    settled.add(key)
    this.#known.set(key, kept)
    return kept
  }

  /** True if a name in a package.json leads to where a test may write, or to another package.json that may. */
  #mayReach(value: string, dir: string): boolean {
    const start = value.replace(/\*.*/s, '')
    const own = new Set(above(dir))
    const isReached = (path: string): boolean =>
      this.writes.mayHold(path) ||
      above(path).some((each) => this.#mayLead(join(each, 'package.json'), !own.has(each))) ||
      (isPattern(value) && this.writes.reaches(start.endsWith('/') ? path : dirname(path)) !== undefined)
    return (
      ownTargets(start, dir, this.project.root).some((path) => [path, walk(path).real].some(isReached)) ||
      packageTargets(start, dir).some((path) => existsSync(path) || isReached(path))
    )
  }

  #mayLead(file: string, isOther: boolean): boolean {
    return this.writes.mayHold(file) || (isOther && !file.includes('/node_modules/') && existsSync(file))
  }

  #check(file: string, walked: Walked, wanted: WantedAge): void {
    const isOwn = this.#isOwn(walked)
    const isNew = walked.kind === 'file' && wanted === 'unchanged' && this.writes.isChanged(walked)
    if (isOwn && walked.kind !== 'other' && !isNew) return
    // A module may be a link to elsewhere, which its import is judged for. The nearest file of settings there is read, too.
    if (
      walked.kind !== 'missing' ||
      above(dirname(walked.real)).some((dir) => this.#isForeign(join(dir, basename(file))))
    )
      throw planted(file)
  }

  /** True for a file that is there, and neither the project's, a test's, nor read for the project as it is. */
  #isForeign(file: string): boolean {
    return existsSync(file) && !this.#isOwn(walk(file)) && !above(this.project.root).includes(dirname(file))
  }
}

const LEADS = { package: leadsOfPackage, tsconfig: leadsOfTsconfig }
const TSCONFIG_ENDS = ['', '.json', '/tsconfig.json']
const MOST_FOLLOWED = 2000
const MOST_BYTES = 1 << 20
/** Milliseconds; the clock that stamps files advances by at most 10. */
const TICK = 20

function planted(file: string): Error {
  return new Error(`tests may write ${file}, by which Vite would read further files in its own process`)
}

function isBare(name: string): boolean {
  return !isAbsolute(name) && !/^\.{1,2}(?:\/|$)/.test(name)
}

function ownTargets(name: string, from: string, root: string): readonly string[] {
  if (name.startsWith('#')) return []
  return isAbsolute(name) ? [name, join(root, name), name.replace(/^\/@fs\//, '/')] : [resolve(from, name)]
}

function packageTargets(name: string, from: string, isThere: (dir: string) => boolean = () => true): readonly string[] {
  if (!isBare(name) || name.startsWith('#')) return []
  return above(from)
    .map((dir) => join(dir, 'node_modules'))
    .filter(isThere)
    .map((dir) => join(dir, name))
}

/**
 * The nearest directory, or link, that there is: where none is, there is no file of settings either. `known`: by paths that
 * were looked at for the same question. The targets of a package lie in few directories.
 */
function dirOf(path: string, known: Map<string, string>): string {
  const found = known.get(path) ?? nearest(path, known)
  known.set(path, found)
  return found
}

function nearest(path: string, known: Map<string, string>): string {
  const stats = seen(() => lstatSync(path, { throwIfNoEntry: false }))
  const isEnd = stats?.isDirectory() === true || stats?.isSymbolicLink() === true || path === '/'
  return isEnd ? path : dirOf(dirname(path), known)
}

/** The text of a file. One that a test may write is opened only as the file that was looked at. */
function textOf(real: string, isHeld: boolean): string {
  return unjudged(() => (isHeld ? readSafely(real, MOST_BYTES).toString() : readFileSync(real, 'utf8')))
}

/** A text that changes with the file that a name leads to; undefined for none. */
function stampOf(file: string): string | undefined {
  const stats = seen(() => statSync(file, { throwIfNoEntry: false }))
  return stats && [stats.dev, stats.ino, stats.mtimeMs, stats.ctimeMs, stats.size].join(' ')
}

/** The result of a look at a file; undefined if this process cannot see it, because then it cannot open it either. */
function seen(look: () => Stats | undefined): Stats | undefined {
  try {
    return look()
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

function above(dir: string): string[] {
  const parent = dirname(dir)
  return parent === dir ? [dir] : [dir, ...above(parent)]
}
