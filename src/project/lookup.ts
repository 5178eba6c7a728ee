/** Looks up on disk the places that manifest entries lead to. Each is read once, when the run starts. */
import { lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { PathWalk } from '../abi/path-walk.js'
import { codeOf } from '../errors.js'
import type { Looked, LinkTrail } from '../policy/bind.js'
import type { PathRule } from '../policy/policy.js'
import { bytePath, rawPath, type BytePath } from '../policy/request.js'

const bytesOf = (path: string): Buffer => Buffer.from(path, 'latin1')

/** Most base entries do not exist on a given machine, and an exception costs more than all system calls here. */
const QUIETLY = { throwIfNoEntry: false } as const

export function lookup(path: BytePath): Looked {
  return lookupBy(path, realPath)
}

/** Makes a `lookup` for many paths at once: it looks each of them up once, and each directory once for all paths in it. */
export function lookupTogether(): (path: BytePath) => Looked {
  const realDirectory = remembering(realPath)
  return remembering((path) => lookupBy(path, realDirectory))
}

function remembering<T extends {}>(find: (path: BytePath) => T): (path: BytePath) => T {
  const known = new Map<BytePath, T>()
  return (path) => {
    const found = known.get(path) ?? find(path)
    known.set(path, found)
    return found
  }
}

/** The real path of a directory. Throws what realpath(3) throws. */
type RealDirectory = (path: BytePath) => BytePath

function lookupBy(path: BytePath, realDirectory: RealDirectory): Looked {
  const { looked, isStraight } = lookAt(path, realDirectory)
  if (isStraight || !('real' in looked)) return looked
  const way = wayTo(path)
  return way.links.length === 0
    ? looked
    : { ...looked, way: { ...way, left: way.left.filter((place) => place !== looked.real) } }
}

/** A rule for a path of this machine that stands in no manifest. */
export function ruleFor(
  path: string,
  { access, shape, at, reason }: Pick<PathRule, 'access' | 'shape' | 'at'> & { readonly reason: string },
): PathRule {
  const looked = lookup(bytePath(path))
  const root = 'real' in looked ? looked.real : bytePath(path)
  const source = shape === 'tree' ? `${path}/` : path
  return { effect: 'grant', access, shape, root, aliases: root === path ? [] : [bytePath(path)], source, at, reason }
}

interface EntryFound {
  readonly looked: Looked
  /** True if no part of the path is a link, as far as the path exists. */
  readonly isStraight: boolean
}

function lookAt(path: BytePath, realDirectory: RealDirectory): EntryFound {
  try {
    const itself = lstatSync(bytesOf(path), QUIETLY)
    if (itself === undefined) return missing(path, realDirectory)
    if (itself.isSymbolicLink()) return { looked: followed(path), isStraight: false }
    const real = hasPlainName(path) ? below(realDirectory(rawPath(dirname(path))), path) : realPath(path)
    return { looked: { kind: kindOf(itself), real }, isStraight: real === path }
  } catch (error) {
    const errno = errnoOf(error)
    // A part of the path is a file, or was removed in the meantime.
    if (errno === 'ENOTDIR' || errno === 'ENOENT') return missing(path, realDirectory)
    return { looked: { kind: 'unreadable', errno }, isStraight: false }
  }
}

function followed(path: BytePath): Looked {
  const end = statSync(bytesOf(path), QUIETLY)
  if (end === undefined) return { kind: 'dangling', target: readlinkSync(bytesOf(path), 'utf8') }
  return { kind: kindOf(end), real: realPath(path) }
}

/** The real path of the deepest directory that exists, and the rest unchanged. */
function missing(path: BytePath, realDirectory: RealDirectory): EntryFound {
  const parent = rawPath(dirname(path))
  if (parent === path) return { looked: { kind: 'missing', real: path }, isStraight: true }
  const { looked: above, isStraight } = lookAt(parent, realDirectory)
  const real = 'real' in above ? above.real : parent
  return {
    looked: { kind: 'missing', real: below(real, path) },
    isStraight,
  }
}

function below(directory: BytePath, path: BytePath): BytePath {
  return rawPath(join(directory, path.slice(path.lastIndexOf('/') + 1)))
}

/** True if the path ends with a name, and not with a slash, `.` or `..`. */
function hasPlainName(path: BytePath): boolean {
  return /\/(?!\.{0,2}$)[^/]+$/.test(path)
}

function kindOf(stats: Stats): 'dir' | 'file' | 'other' {
  return stats.isDirectory() ? 'dir' : stats.isFile() ? 'file' : 'other'
}

function realPath(path: BytePath): BytePath {
  return rawPath(realpathSync.native(bytesOf(path), 'buffer').toString('latin1'))
}

/**
 * The links and directories on the way. Whoever could replace one of them would change what the path means:
 * path_resolution(7).
 */
function wayTo(path: BytePath): LinkTrail {
  const links: BytePath[] = []
  const left: BytePath[] = []
  const walk = new PathWalk(path)
  const up = (from: string): void => void (from !== '' && left.push(rawPath(from)))
  for (let next = walk.next(up); next !== undefined; next = walk.next(up)) {
    const here = rawPath(next)
    const text = linkText(here)
    // A loop of links leads nowhere, and the lookup itself reports it.
    if (text === undefined || !walk.follow(text)) walk.at = here
    else links.push(here)
  }
  return { links, left: [...left, rawPath(walk.at)] }
}

function linkText(path: BytePath): string | undefined {
  try {
    if (lstatSync(bytesOf(path), QUIETLY)?.isSymbolicLink() !== true) return undefined
    return readlinkSync(bytesOf(path), 'buffer').toString('latin1')
  } catch (error) {
    errnoOf(error)
    return undefined
  }
}

/** The error number of a file system error. Rethrows any other error. */
function errnoOf(error: unknown): string {
  const code = codeOf(error)
  if (code === undefined) throw error
  return code
}
