import { rawPath, type BytePath } from './request.js'

/**
 * True if a path is absolute, with no `.`, `..`, `//`, NUL or trailing slash. A path with a character above U+00FF is
 * no byte path: cut down to bytes later, it could turn into another name (U+012F into a slash).
 */
export function isCanonical(path: string): boolean {
  if (path === '/') return true
  // oxlint-disable-next-line no-control-regex -- NUL ends a path for the kernel, so it must not hide in one
  if (!path.startsWith('/') || /[^\x01-\xff]/.test(path)) return false
  return path
    .slice(1)
    .split('/')
    .every((segment) => segment !== '' && segment !== '.' && segment !== '..')
}

/** The names along a canonical path; none for `/`. */
export function segmentsOf(path: BytePath): string[] {
  return path === '/' ? [] : path.slice(1).split('/')
}

/** True if `path` is `top` or lies below it. A sibling with the same prefix does not. */
export function isWithin(path: BytePath, top: BytePath): boolean {
  return top === '/' || path === top || path.startsWith(`${top}/`)
}

/** The directory that holds a canonical path. The parent of `/` is `/`. */
export function parentOf(path: BytePath): BytePath {
  const cut = path.lastIndexOf('/')
  return rawPath(cut <= 0 ? '/' : path.slice(0, cut))
}

/** UTF-8 text of a byte path, for globs and for Node: bytes that are not UTF-8 become U+FFFD. */
export function textOf(path: string): string {
  // Nearly every path is ASCII, which is its own text.
  return /[\x80-\xff]/.test(path) ? Buffer.from(path, 'latin1').toString('utf8') : path
}
