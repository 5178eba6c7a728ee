/**
 * Finds the files that Vite may read for the id of a module. Pure. Vite 7 and 8: src/node/server/transformRequest.ts,
 * plugins/asset.ts.
 */
import { isBuiltin } from 'node:module'
import { isAbsolute, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Splits an id into path and query: Vite, src/shared/utils.ts, cleanUrl. */
export function splitId(id: string): { readonly path: string; readonly query: string } {
  const at = id.search(/[?#]/)
  return at < 0 ? { path: id, query: '' } : { path: id.slice(0, at), query: id.slice(at) }
}

/** True for modules without a file: a plugin's own (Rollup's convention), Node's, and `data:` URLs. */
export function isVirtual(id: string): boolean {
  return id.startsWith('\0') || (id.startsWith('node:') && isBuiltin(id)) || id.startsWith('data:')
}

/** Every path that Vite may try when it loads the id. Most of them do not exist. */
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

/**
 * The file in the public directory that Vite tries first for an import that is only read, as if that directory were the
 * root.
 */
export function publicFileOf(id: string, publicDir: string): string | undefined {
  const { path } = splitId(id)
  const isNamed = publicDir !== '' && !isVirtual(id) && path.startsWith('/') && !path.includes('\0')
  return isNamed ? join(publicDir, normalize(path)) : undefined
}

export function pathOfUrl(url: string): string | undefined {
  try {
    return fileURLToPath(url)
  } catch (error) {
    // A URL with a host or an encoded slash is no path of a file.
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** True for URLs that the worker imports by itself: Vite, src/shared/utils.ts, isExternalUrl. */
export function isRemote(url: string): boolean {
  return /^(?:[a-z]+:)?\/\//.test(url) && !url.startsWith('file://')
}
