/**
 * Finds the files that a module's id may make Vite read. Pure. Vite 7 and 8: src/node/server/transformRequest.ts,
 * plugins/asset.ts.
 */
import { isAbsolute, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Vite: src/shared/utils.ts, cleanUrl. */
export function splitId(id: string): { readonly path: string; readonly query: string } {
  const at = id.search(/[?#]/)
  return at < 0 ? { path: id, query: '' } : { path: id.slice(0, at), query: id.slice(at) }
}

/** A plugin's own module, which no file stands behind (Rollup's convention), or one of Node's. */
export function isVirtual(id: string): boolean {
  return id.startsWith('\0') || id.startsWith('node:') || id.startsWith('data:')
}

/** Every path to which Vite's ways to load the id lead; most of them are not there. */
export function filesOf(id: string, cwd: string): readonly string[] {
  if (isVirtual(id)) return []
  const { path } = splitId(id)
  if (path === '' || path.includes('\0')) return []
  const found = new Set([isAbsolute(path) ? normalize(path) : resolve(cwd, path)])
  if (path.startsWith('/@fs/')) found.add(normalize(path.slice('/@fs'.length)))
  if (/^file:\/\//i.test(path)) {
    const local = pathOfUrl(path)
    if (local !== undefined) found.add(local)
  }
  return [...found]
}

/** Where Vite looks first for what an import only reads: in the public directory, as if it lay at the root. */
export function publicFileOf(id: string, publicDir: string): string | undefined {
  const { path } = splitId(id)
  const isNamed = publicDir !== '' && !isVirtual(id) && path.startsWith('/') && !path.includes('\0')
  return isNamed ? join(publicDir, normalize(path)) : undefined
}

export function pathOfUrl(url: string): string | undefined {
  try {
    return fileURLToPath(url)
  } catch (error) {
    // A URL with a host or an encoded slash names no file.
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** Vite: src/shared/utils.ts, isExternalUrl. The worker imports these by itself. */
export function isRemote(url: string): boolean {
  return /^(?:[a-z]+:)?\/\//.test(url) && !url.startsWith('file://')
}
