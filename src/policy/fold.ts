/**
 * Names that some file system takes for one another. What a manifest excludes must stay out whatever it is called, and no
 * list of file systems says how each compares names: see docs/decisions/0012-exclusions-by-any-spelling.md.
 */
import { segmentsOf, textOf } from './canonical.js'
import type { BytePath } from './request.js'

/** Case, accents, width, what is not seen, a trailing dot or blank, and what follows a colon make no difference. */
export function foldName(name: string): string {
  // Nearly every name is plain ASCII, of which only a colon and what ends it may mean something.
  // oxlint-disable-next-line no-control-regex -- ASCII has them
  if (/^(?:[\x00-\x39\x3b-\x7f]*[\x00-\x1f!-\-/-9;-\x7f])?$/.test(name)) return name.toUpperCase()
  return foldText(textOf(name))
}

/** Of one name, as text. */
export function foldText(text: string): string {
  // NTFS: `name:stream`, `name::$INDEX_ALLOCATION`.
  const itself = text.replace(/(?<=.):.*$/s, '')
  const folded = plain(plain(itself).toLowerCase().toUpperCase()).toUpperCase()
  // FAT and Windows leave them off.
  return folded.replace(/(?<=[^. ])[. ]+$/, '')
}

function plain(text: string): string {
  return (
    text
      .normalize('NFKD')
      // A mark that is a letter in another case: CaseFolding.txt.
      .replaceAll('\u0345', 'ι')
      .replace(/[\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
      .replaceAll('/', '_')
  )
}

/**
 * True if a name may be another one of anything: `SECRET~1` as FAT, NTFS and Samba make them, or with characters by their
 * numbers, as vfat takes them with `uni_xlate`.
 */
export function mayBeAlias(name: string): boolean {
  if (!name.includes('~') && !name.includes(':')) return false
  if (/:[0-9a-f]{4}/i.test(name)) return true
  return /^(?=[^.]{1,8}(?:\.|$))[^.~]*~[0-9A-Z]+(?:\.[^.]{0,3})?$/.test(foldText(textOf(name)))
}

/** Of a whole path, or of the part below a directory. */
export function foldPath(path: string): string {
  return path.split('/').map(foldName).join('/')
}

export function hasAlias(path: string): boolean {
  return (path.includes('~') || path.includes(':')) && path.split('/').some(mayBeAlias)
}

/** True if `path` may be the place that `top` is, or one below it. */
export function mayBeWithin(path: BytePath, top: BytePath): boolean {
  const names = segmentsOf(path)
  return segmentsOf(top).every((name, at) => {
    const own = names[at]
    return (
      own !== undefined && (own === name || foldName(own) === foldName(name) || mayBeAlias(own) || mayBeAlias(name))
    )
  })
}

/** True if both may be one place. */
export function mayBeSame(path: BytePath, other: BytePath): boolean {
  return segmentsOf(path).length === segmentsOf(other).length && mayBeWithin(path, other)
}
