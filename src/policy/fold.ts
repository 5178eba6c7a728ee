/**
 * Comparison of names that some file system takes for the same. An exclusion must hold under every such name, and no
 * list tells how each file system compares names: see docs/decisions/0012-exclusions-by-any-spelling.md.
 */
import { segmentsOf, textOf } from './canonical.js'
import type { BytePath } from './request.js'

/**
 * Folds a name: case, accents, width, invisible characters, a trailing dot or blank, and everything after a colon make
 * no difference.
 */
export function foldName(name: string): string {
  // The fast path for plain ASCII, which nearly every name is. There, only a colon and the last character may need
  // folding.
  if (/^(?:[\x00-\x39\x3b-\x7f]*[\x00-\x1f!-\-/-9;-\x7f])?$/.test(name)) return name.toUpperCase()
  return foldText(textOf(name))
}

/** Folds one name that is already text. */
export function foldText(text: string): string {
  // Alternate data streams of NTFS: `name:stream`, `name::$INDEX_ALLOCATION`.
  const itself = text.replace(/(?<=.):.*$/s, '')
  const folded = plain(plain(itself).toLowerCase().toUpperCase()).toUpperCase()
  // FAT and Windows drop trailing dots and blanks.
  return folded.replace(/(?<=[^. ])[. ]+$/, '')
}

function plain(text: string): string {
  return (
    text
      .normalize('NFKD')
      // U+0345 is a mark whose upper case is a letter: CaseFolding.txt.
      .replaceAll('\u0345', 'ι')
      .replace(/[\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
      .replaceAll('/', '_')
  )
}

/**
 * True if a name may be an alias of any other: `SECRET~1` as FAT, NTFS and Samba make them, or characters written by
 * their numbers, as vfat accepts them with `uni_xlate`.
 */
export function mayBeAlias(name: string): boolean {
  if (!name.includes('~') && !name.includes(':')) return false
  if (/:[0-9a-f]{4}/i.test(name)) return true
  return /^(?=[^.]{1,8}(?:\.|$))[^.~]*~[0-9A-Z]+(?:\.[^.]{0,3})?$/.test(foldText(textOf(name)))
}

/** Folds a whole path, or the part of one below a directory. */
export function foldPath(path: string): string {
  return path.split('/').map(foldName).join('/')
}

export function hasAlias(path: string): boolean {
  return (path.includes('~') || path.includes(':')) && path.split('/').some(mayBeAlias)
}

/** True if `path` may be the same place as `top`, or one below it. */
export function mayBeWithin(path: BytePath, top: BytePath): boolean {
  const names = segmentsOf(path)
  return segmentsOf(top).every((name, at) => {
    const own = names[at]
    return (
      own !== undefined && (own === name || foldName(own) === foldName(name) || mayBeAlias(own) || mayBeAlias(name))
    )
  })
}

/** True if both paths may be the same place. */
export function mayBeSame(path: BytePath, other: BytePath): boolean {
  return segmentsOf(path).length === segmentsOf(other).length && mayBeWithin(path, other)
}
