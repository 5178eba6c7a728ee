/** What stands on disk where a manifest entry points. Read once, when the run starts. */
import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { codeOf } from '../errors.js'
import type { Looked } from '../policy/bind.js'
import { rawPath, type BytePath } from '../policy/request.js'

const bytesOf = (path: string): Buffer => Buffer.from(path, 'latin1')

export function lookup(path: BytePath): Looked {
  try {
    const real = rawPath(realpathSync.native(bytesOf(path), 'buffer').toString('latin1'))
    const stats = statSync(bytesOf(real))
    return { kind: stats.isDirectory() ? 'dir' : stats.isFile() ? 'file' : 'other', real }
  } catch (error) {
    const code = errnoOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return { kind: 'unreadable', errno: code }
    return dangling(path) ?? { kind: 'missing', real: withRealParent(path) }
  }
}

function dangling(path: BytePath): Looked | undefined {
  try {
    if (!lstatSync(bytesOf(path)).isSymbolicLink()) return undefined
    return { kind: 'dangling', target: readlinkSync(bytesOf(path), 'utf8') }
  } catch (error) {
    return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR' ? undefined : { kind: 'unreadable', errno: errnoOf(error) }
  }
}

/** The real path of the deepest directory that exists, and the rest as it is. */
function withRealParent(path: BytePath): BytePath {
  const parent = dirname(path)
  if (parent === path) return path
  const above = lookup(rawPath(parent))
  const real = 'real' in above ? above.real : parent
  return rawPath(join(real, path.slice(path.lastIndexOf('/') + 1)))
}

/** Throws what is no error of the file system's. */
function errnoOf(error: unknown): string {
  const code = codeOf(error)
  if (code === undefined) throw error
  return code
}
