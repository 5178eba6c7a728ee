/** The content of a few directories: listed once, and looked at again to see if it has changed. */
import { isAscii, isUtf8 } from 'node:buffer'
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  readlinkSync,
  type BigIntStats,
  type Dirent,
} from 'node:fs'
import { basename } from 'node:path'
import { PathWalk } from '../abi/path-walk.js'
import { codeOf } from '../errors.js'
import { isHidden, isTableName, PathKind } from './format.js'
import type { Encoding, Listed, TableWriter } from './writer.js'

/** The directories of a table. Paths are absolute, without a trailing slash. */
export interface ModuleTrees {
  /** Canonical directories. */
  readonly roots: readonly string[]
  /** Links that lead to one of them. */
  readonly aliases: readonly string[]
  /** Canonical directories whose names are listed, without the content of the directories among them. */
  readonly tops?: readonly string[]
  /** Places that are left out with everything below them, because a worker may write or must not read them. */
  readonly without: readonly string[]
  /** Paths that some worker is to find missing or forbidden, whatever else it may read: they are left out as well. */
  readonly denied?: readonly DeniedPaths[]
  /** True if modules get their compiled code as well. Coverage by V8 cannot count in code that was kept. */
  readonly compiled?: boolean
}

export interface DeniedPaths {
  readonly root: string
  /** For a glob: it begins with the root. Without one, the root is denied with everything below it. */
  readonly pattern?: string | undefined
}

export interface Bounds {
  /** Names in all. Directories beyond are not listed. */
  readonly entries: number
  /** Bytes of one content. */
  readonly content: number
}

export const BOUNDS: Bounds = { entries: 40_000, content: 2 << 20 }

/** Links on the way from a link to its end. Longer chains are left to the kernel, which has a limit of its own. */
const MOST_LINKS = 8
/** The age from which a time stamp is reliable: a younger change could be followed by another with the same time. */
const SETTLED_NS = 100_000_000n
/** Hidden directories of node_modules that only a package manager writes. */
const LOOKED_INTO = new Set(['.pnpm', '.bin'])

type IsDenied = (path: string) => boolean

interface Seen {
  readonly kind: PathKind
  readonly stat?: BigIntStats
  readonly isListed?: boolean
  readonly target?: string | undefined
}

export class Listing {
  readonly #seen = new Map<string, Seen>()
  /** Entries that changed just before they were looked at; for directories, with the names that were in them. */
  readonly #young = new Map<string, string | undefined>()
  /** Hidden directories come and go in the roots, and change their times. */
  readonly #roots: ReadonlySet<string>

  private constructor(
    roots: readonly string[],
    readonly bounds: Bounds,
    readonly isDenied: IsDenied,
  ) {
    this.#roots = new Set(roots)
  }

  /** Lists the trees. `now`: nanoseconds since the epoch. `isDenied`: what `denied` of the trees means. */
  static of(trees: ModuleTrees, now: bigint, bounds = BOUNDS, isDenied: IsDenied = () => false): Listing {
    const { roots, tops = [] } = trees
    const made = new Listing([...roots, ...tops], bounds, isDenied)
    // Even if nothing is there now.
    for (const path of trees.without) if (isTableName(path)) made.#seen.set(path, { kind: PathKind.unknown })
    const isOut = (path: string): boolean => trees.without.some((out) => path === out || path.startsWith(`${out}/`))
    const isIn = (path: string): boolean => isTableName(path) && !isOut(path) && !isDenied(path)
    for (const top of tops.filter(isIn)) {
      made.#add(top, 'directory', now)
      made.#list(top, now)
    }
    made.#walk(roots.filter(isIn), now)
    for (const alias of trees.aliases) if (isIn(alias)) made.#add(alias, 'link', now)
    made.#resolveLinks()
    return made
  }

  /** The files that it has seen, by name. */
  files(): string[] {
    return [...this.#seen].flatMap(([path, { kind }]) => (kind === PathKind.file ? [path] : []))
  }

  get size(): number {
    return this.#seen.size
  }

  /**
   * Adds the stat and the content of a file in use to the table. Returns false if the table has them already, or cannot
   * hold them.
   */
  use(path: string, table: TableWriter, now: bigint): boolean {
    const seen = this.#seen.get(path)
    if (seen?.kind !== PathKind.file || seen.stat !== undefined) return false
    const stat = readInto(table, path, this.bounds.content)
    if (stat === undefined) return false
    this.#note(path, { kind: PathKind.file, stat }, now)
    table.putStat(path, fieldsOf(stat))
    return true
  }

  /** True if nothing in the listing has changed. */
  isFresh(now: bigint): boolean {
    for (const [path, { stat }] of this.#seen) {
      if (stat !== undefined && !isSame(stat, statOf(path))) return false
    }
    for (const [path, names] of this.#young) {
      const found = names === undefined ? undefined : namesIn(path)
      if (found === undefined || textOf(found) !== names) return false
      if (!isYoung(this.#seen.get(path)?.stat, now)) this.#young.delete(path)
    }
    return true
  }

  entries(): Listed[] {
    return Array.from(this.#seen, ([path, { kind, stat, isListed, target }]) => ({
      path,
      kind,
      ...(stat === undefined || this.#roots.has(path) ? {} : { stat: fieldsOf(stat) }),
      ...(isListed === true ? { isListed } : {}),
      ...(target === undefined ? {} : { target }),
    }))
  }

  #walk(roots: readonly string[], now: bigint): void {
    let level = [...roots]
    for (const root of roots) this.#add(root, 'directory', now)
    // One level after the other: if there is too much, the deepest directories are left out.
    while (level.length > 0) level = level.flatMap((directory) => this.#list(directory, now))
  }

  /** Lists one directory. Returns its directories, to be listed next. */
  #list(directory: string, now: bigint): string[] {
    const seen = this.#seen.get(directory)
    if (seen?.kind !== PathKind.directory || seen.isListed === true || this.#seen.size > this.bounds.entries) return []
    const found = namesIn(directory)
    if (found === undefined || (this.#roots.has(directory) && ignoresCase(directory, found))) return []
    if (this.#young.has(directory)) this.#young.set(directory, textOf(found))
    const next: string[] = []
    const hasHidden = basename(directory) === 'node_modules'
    for (const entry of found) {
      const { name } = entry
      const path = `${directory}/${name}`
      if (!isTableName(name) || this.#seen.has(path)) continue
      const isCache = hasHidden && isHidden(name) && !LOOKED_INTO.has(name)
      const kind = isCache || this.isDenied(path) ? 'unknown' : kindOf(entry)
      this.#add(path, kind, now)
      if (kind === 'directory') next.push(path)
    }
    this.#seen.set(directory, { ...seen, isListed: true })
    return next
  }

  #add(path: string, kind: keyof typeof PathKind, now: bigint): void {
    if (kind === 'file' || kind === 'unknown') return void this.#seen.set(path, { kind: PathKind[kind] })
    const stat = statOf(path)
    const isStill = stat !== undefined && (kind === 'link' ? stat.isSymbolicLink() : stat.isDirectory())
    this.#note(path, isStill ? { kind: PathKind[kind], stat } : { kind: PathKind.unknown }, now)
  }

  #note(path: string, seen: Seen, now: bigint): void {
    this.#seen.set(path, seen)
    if (isYoung(seen.stat, now)) this.#young.set(path, undefined)
  }

  #resolveLinks(): void {
    const known = new Map<string, What>()
    for (const [path, seen] of this.#seen) {
      if (seen.kind !== PathKind.link) continue
      const target = endOf(path, known)
      // The kernel is asked about a link whose end the table does not hold.
      this.#seen.set(path, { ...seen, target: target !== undefined && this.#seen.has(target) ? target : undefined })
    }
  }
}

function isYoung(stat: BigIntStats | undefined, now: bigint): boolean {
  return stat !== undefined && (now - stat.ctimeNs < SETTLED_NS || now - stat.mtimeNs < SETTLED_NS)
}

/** The names and kinds, as text to compare. No name holds a slash. */
function textOf(entries: readonly Dirent[]): string {
  return entries
    .map((entry) => `${kindOf(entry)} ${entry.name}`)
    .toSorted()
    .join('/')
}

function kindOf(entry: Dirent): keyof typeof PathKind {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'link' : 'unknown'
}

function namesIn(directory: string): readonly Dirent[] | undefined {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    return unlessGone(error)
  }
}

/** True if a directory ignores case: a name that is not in its list may then still be found. */
function ignoresCase(directory: string, entries: readonly Dirent[]): boolean {
  const name = entries.map((entry) => entry.name).find((one) => /[a-z]/.test(one) && one !== one.toUpperCase())
  if (name === undefined) return true
  const other = statOf(`${directory}/${name.toUpperCase()}`)
  return other !== undefined && other.ino === statOf(`${directory}/${name}`)?.ino
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    return unlessGone(error)
  }
}

function isSame(a: BigIntStats, b: BigIntStats | undefined): boolean {
  return (
    b !== undefined &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs &&
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mode === b.mode
  )
}

/**
 * Returns undefined for a file that is gone or cannot be read: it is not in the table, so the kernel is asked. Throws
 * any other error.
 */
function unlessGone(error: unknown): undefined {
  if (codeOf(error) === undefined) throw error
  return undefined
}

/**
 * Puts the content of a file into the table, if it is text. Returns undefined if the path is no file, or changes while
 * it is read.
 */
function readInto(table: TableWriter, path: string, most: number): BigIntStats | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    return unlessGone(error)
  }
  try {
    const stat = fstatSync(fd, { bigint: true })
    if (!stat.isFile()) return undefined
    let isStill = true
    if (stat.size <= BigInt(most)) {
      table.putContent(path, Number(stat.size), (into) => {
        isStill = readWhole(fd, into) && isSame(stat, fstatSync(fd, { bigint: true }))
        return isStill ? encodingOf(into) : undefined
      })
    }
    return isStill ? stat : undefined
  } finally {
    closeSync(fd)
  }
}

function readWhole(fd: number, into: Uint8Array): boolean {
  let done = 0
  for (let got = 1; got > 0 && done < into.length; done += got) got = readSync(fd, into, done, into.length - done, done)
  return done === into.length
}

function encodingOf(bytes: Uint8Array): Encoding | undefined {
  return isAscii(bytes) ? 'ascii' : isUtf8(bytes) ? 'utf8' : undefined
}

/** The fields in the order of FillStatsArray, src/node_file-inl.h. */
function fieldsOf(stat: BigIntStats): bigint[] {
  const { dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks } = stat
  const times = [stat.atimeNs, stat.mtimeNs, stat.ctimeNs, stat.birthtimeNs]
  return [dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks].concat(
    times.flatMap((time) => [time / 1_000_000_000n, time % 1_000_000_000n]),
  )
}

type What = 'file' | 'directory' | { readonly to: string } | undefined

/** The kind of a path. `known` keeps everything but files: directories stand on the way of many links. */
function whatIs(path: string, known: Map<string, What>): What {
  const before = known.get(path)
  if (before !== undefined) return before
  const stat = statOf(path)
  if (stat === undefined || !(stat.isDirectory() || stat.isSymbolicLink()))
    return stat?.isFile() === true ? 'file' : undefined
  const what: What = stat.isDirectory() ? 'directory' : linkText(path)
  known.set(path, what)
  return what
}

function linkText(path: string): What {
  try {
    return { to: readlinkSync(path) }
  } catch (error) {
    return unlessGone(error)
  }
}

/**
 * The canonical path at the end of a link, found as path_resolution(7) says: a `..` is resolved only if it is known to
 * follow a directory. Undefined for a loop, a missing path, and everything that is not a plain file or directory.
 */
function endOf(link: string, known: Map<string, What>): string | undefined {
  const walk = new PathWalk(link, MOST_LINKS)
  for (let next = walk.next(); next !== undefined; next = walk.next()) {
    const what = whatIs(next, known)
    if (what === undefined || (what === 'file' && walk.rest.length > 0)) return undefined
    if (what === 'directory' || what === 'file') walk.at = next
    // A slash at the end asks for a directory.
    else if (what.to.endsWith('/') || !walk.follow(what.to)) return undefined
  }
  return walk.at === '' ? undefined : walk.at
}
