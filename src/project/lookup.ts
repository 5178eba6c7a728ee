/** What stands on disk where a manifest entry points. Read once, when the run starts. */
import { lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { codeOf } from '../errors.js'
import type { Looked, LinkTrail } from '../policy/bind.js'
import { rawPath, type BytePath } from '../policy/request.js'

const bytesOf = (path: string): Buffer => Buffer.from(path, 'latin1')

/** Most entries of the base grants lead nowhere on a given machine, and an exception costs more than all calls here. */
const QUIETLY = { throwIfNoEntry: false } as const

export function lookup(path: BytePath): Looked {
  const looked = lookAt(path)
  if (!('real' in looked)) return looked
  const way = looked.kind === 'missing' || looked.real !== path ? wayTo(path) : { links: [], left: [] }
  return way.links.length === 0
    ? looked
    : { ...looked, way: { ...way, left: way.left.filter((place) => place !== looked.real) } }
}

function lookAt(path: BytePath): Looked {
  try {
    const itself = lstatSync(bytesOf(path), QUIETLY)
    if (itself === undefined) return { kind: 'missing', real: withRealParent(path) }
    return itself.isSymbolicLink() ? followed(path) : { kind: kindOf(itself), real: realPath(path) }
  } catch (error) {
    const errno = errnoOf(error)
    // Below a file, or gone meanwhile.
    return errno === 'ENOTDIR' || errno === 'ENOENT'
      ? { kind: 'missing', real: withRealParent(path) }
      : { kind: 'unreadable', errno }
  }
}

function followed(path: BytePath): Looked {
  const end = statSync(bytesOf(path), QUIETLY)
  if (end === undefined) return { kind: 'dangling', target: readlinkSync(bytesOf(path), 'utf8') }
  return { kind: kindOf(end), real: realPath(path) }
}

function kindOf(stats: Stats): 'dir' | 'file' | 'other' {
  return stats.isDirectory() ? 'dir' : stats.isFile() ? 'file' : 'other'
}

function realPath(path: BytePath): BytePath {
  return rawPath(realpathSync.native(bytesOf(path), 'buffer').toString('latin1'))
}

/** The real path of the deepest directory that exists, and the rest as it is. */
function withRealParent(path: BytePath): BytePath {
  const parent = dirname(path)
  if (parent === path) return path
  const above = lookAt(rawPath(parent))
  const real = 'real' in above ? above.real : parent
  return rawPath(join(real, path.slice(path.lastIndexOf('/') + 1)))
}

/** Whoever could put something else in one of these places would change what the path means: path_resolution(7). */
function wayTo(path: BytePath): LinkTrail {
  const links: BytePath[] = []
  const left: BytePath[] = []
  const rest = namesIn(path)
  let at = ''
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '..') {
      if (at !== '') left.push(rawPath(at))
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')))
      continue
    }
    const here = rawPath(`${at}/${name}`)
    const text = linkText(here)
    // As many as the kernel follows: a loop leads nowhere, and is told as such.
    if (text === undefined || links.length >= MAX_LINKS) {
      at = here
      continue
    }
    links.push(here)
    if (text.startsWith('/')) at = ''
    rest.unshift(...namesIn(text))
  }
  return { links, left: [...left, rawPath(at)] }
}

/** MAXSYMLINKS, include/linux/namei.h. */
const MAX_LINKS = 40

function namesIn(text: string): string[] {
  return text.split('/').filter((name) => name !== '' && name !== '.')
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

/** Throws what is no error of the file system's. */
function errnoOf(error: unknown): string {
  const code = codeOf(error)
  if (code === undefined) throw error
  return code
}
