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
import type { Encoding, TableWriter } from './writer.js'

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
  /** True for a directory that may be listed, and is not yet. */
  readonly isOpen?: boolean
}

/**
 * The directories of some trees in a table. Each is listed when a file in it or below it is used, so what a run does
 * not use costs nothing, however much is installed.
 */
export class Listing {
  readonly #seen = new Map<string, Seen>()
  /** Entries that changed just before they were looked at; for directories, with the names that were in them. */
  readonly #young = new Map<string, string | undefined>()
  /** Hidden directories come and go in these, and change their times. */
  readonly #tops: ReadonlySet<string>
  /** Links to a path that is not in the table yet, by that path. */
  readonly #waiting = new Map<string, string[]>()

  /** Lists the roots. `now`: nanoseconds since the epoch. `isDenied`: what `denied` of the trees means. */
  constructor(
    { roots, aliases, tops = [], without }: ModuleTrees,
    readonly table: TableWriter,
    now: bigint,
    readonly bounds = BOUNDS,
    readonly isDenied: IsDenied = () => false,
  ) {
    this.#tops = new Set([...roots, ...tops])
    // Even if nothing is there now.
    for (const path of without) if (isTableName(path)) this.#add(path, { kind: PathKind.unknown })
    const isOut = (path: string): boolean => without.some((out) => path === out || path.startsWith(`${out}/`))
    const isIn = (path: string): boolean => isTableName(path) && !isOut(path) && !isDenied(path)
    // Roots first: a top may have one among its names.
    for (const root of roots.filter(isIn)) this.#addTop(root, true)
    for (const top of tops.filter(isIn)) {
      this.#addTop(top, false)
      const { kind, isOpen } = this.#seen.get(top) ?? {}
      if (kind === PathKind.directory && isOpen !== true) this.#list(top, false, now)
    }
    for (const root of roots) this.#open(root, now)
    const links = aliases.filter((alias) => isIn(alias) && !this.#seen.has(alias))
    for (const link of links) this.#addLink(link, now)
    this.#resolve(links)
  }

  /** Lists everything. If there is too much, the deepest directories are left out. */
  listAll(now: bigint): void {
    // A map yields what is added meanwhile: one level comes after the other.
    for (const path of this.#seen.keys()) this.#open(path, now)
  }

  /** The files that it has seen, by name. */
  files(): string[] {
    return [...this.#seen].flatMap(([path, { kind }]) => (kind === PathKind.file ? [path] : []))
  }

  get size(): number {
    return this.#seen.size
  }

  /**
   * Lists the directories on the way to a file in use, and adds its stat and its content to the table. Returns false if
   * the table has them already, or cannot hold them.
   */
  use(path: string, now: bigint): boolean {
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) this.#open(path.slice(0, end), now)
    const seen = this.#seen.get(path)
    if (seen?.kind !== PathKind.file || seen.stat !== undefined) return false
    const stat = readInto(this.table, path, this.bounds.content)
    if (stat === undefined) return false
    this.#note(path, { kind: PathKind.file, stat }, now)
    this.table.putStat(path, fieldsOf(stat))
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

  #open(path: string, now: bigint): void {
    if (this.#seen.get(path)?.isOpen === true) this.#list(path, true, now)
  }

  /** Lists one directory. `areOpen`: its directories may be listed as well. */
  #list(directory: string, areOpen: boolean, now: bigint): void {
    const stat = statOf(directory)
    const isHere = stat?.isDirectory() === true
    this.#note(directory, { kind: PathKind.directory, ...(isHere ? { stat } : {}) }, now)
    if (!isHere) return
    if (!this.#tops.has(directory)) this.table.putStat(directory, fieldsOf(stat))
    if (this.#seen.size > this.bounds.entries) return
    const found = namesIn(directory)
    if (found === undefined || ignoresCase(directory, found)) return
    if (this.#young.has(directory)) this.#young.set(directory, textOf(found))
    const hasHidden = basename(directory) === 'node_modules'
    const links: string[] = []
    let isWhole = true
    for (const entry of found) {
      const { name } = entry
      const path = `${directory}/${name}`
      if (!isTableName(name) || this.#seen.has(path)) continue
      const isCache = hasHidden && isHidden(name) && !LOOKED_INTO.has(name)
      const kind = isCache || this.isDenied(path) ? 'unknown' : kindOf(entry)
      if (kind === 'link') links.push(path)
      const isAdded =
        kind === 'link'
          ? this.#addLink(path, now)
          : this.#add(path, { kind: PathKind[kind], isOpen: areOpen && kind === 'directory' })
      isWhole &&= isAdded
    }
    this.#resolve(links)
    if (isWhole) this.table.markListed(directory)
  }

  #addTop(path: string, isOpen: boolean): void {
    if (this.#seen.has(path)) return
    const isHere = statOf(path)?.isDirectory() === true
    this.#add(path, isHere ? { kind: PathKind.directory, isOpen } : { kind: PathKind.unknown })
  }

  /** Returns false if the table has no room for the path. */
  #add(path: string, seen: Seen): boolean {
    this.#seen.set(path, seen)
    const isAdded = this.table.add(path, seen.kind)
    for (const link of this.#waiting.get(path) ?? []) this.table.putTarget(link, path)
    this.#waiting.delete(path)
    return isAdded
  }

  #addLink(path: string, now: bigint): boolean {
    const stat = statOf(path)
    if (stat?.isSymbolicLink() !== true) return this.#add(path, { kind: PathKind.unknown })
    const isAdded = this.#add(path, { kind: PathKind.link })
    this.#note(path, { kind: PathKind.link, stat }, now)
    this.table.putStat(path, fieldsOf(stat))
    return isAdded
  }

  #note(path: string, seen: Seen, now: bigint): void {
    this.#seen.set(path, seen)
    if (isYoung(seen.stat, now)) this.#young.set(path, undefined)
  }

  /** Links whose end is not in the table wait until it is; until then, the kernel is asked about them. */
  #resolve(links: readonly string[]): void {
    const known = new Map<string, What>()
    for (const link of links) {
      const target = endOf(link, known, (path) => this.#seen.has(path))
      if (target === undefined) continue
      if (this.#seen.has(target)) this.table.putTarget(link, target)
      else this.#waiting.set(target, [...(this.#waiting.get(target) ?? []), link])
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
  const name = entries.map((entry) => entry.name).find((one) => /[a-z]/i.test(one) && isTableName(one))
  if (name === undefined) return false
  const upper = name.toUpperCase()
  const other = statOf(`${directory}/${name === upper ? name.toLowerCase() : upper}`)
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

/** A `..` behind a name: where it leads depends on what has that name, and a change of it might go unnoticed. */
const LEAVES_A_NAME = /(?:^|\/)(?!\.{1,2}\/)[^/]+\/(?:\.\/|\/)*\.\.(?:\/|$)/

/**
 * The canonical path at the end of a link, found as path_resolution(7) says. Undefined for a loop, a missing path,
 * everything that is not a plain file or directory, and a way through links that are not `watched` for changes.
 */
function endOf(link: string, known: Map<string, What>, isWatched: (link: string) => boolean): string | undefined {
  const walk = new PathWalk(link, MOST_LINKS)
  for (let next = walk.next(); next !== undefined; next = walk.next()) {
    const what = whatIs(next, known)
    if (what === undefined || (what === 'file' && walk.rest.length > 0)) return undefined
    if (what === 'directory' || what === 'file') walk.at = next
    // A slash at the end asks for a directory.
    else if (!isWatched(next) || what.to.endsWith('/') || LEAVES_A_NAME.test(what.to) || !walk.follow(what.to))
      return undefined
  }
  return walk.at === '' ? undefined : walk.at
}
