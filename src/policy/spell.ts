/** Spells a path as a person would write it in a manifest. */
import { isWithin, textOf } from './canonical.js'
import { parsePathGrant } from './path-grants.js'
import { bytePath, type BytePath } from './request.js'

/** The directories that entries start from. Absolute and canonical. */
export interface Places {
  readonly root: string
  readonly workspace: string
  readonly home: string
  readonly tmp?: string
}

/** The shortest stable spelling. Never `<file>/`, which would mean another directory for the next test file. */
export function spell(context: Places, path: BytePath, slash: '' | '/', what: 'path' | 'socket' = 'path'): string {
  const bases = [
    { prefix: '<tmp>/', dir: context.tmp },
    { prefix: '', dir: context.root },
    { prefix: '<workspace>/', dir: context.workspace },
    { prefix: '<home>/', dir: context.home },
  ]
  for (const { prefix, dir } of bases) {
    // Where home or workspace is `/`, its prefix would only hide that the path is absolute.
    if (dir === undefined || (dir === '/' && prefix !== '') || !isWithin(path, bytePath(dir))) continue
    const below = path.slice(dir === '/' ? 1 : bytePath(dir).length + 1)
    // Names in a temporary directory are random, so only the directory can be granted.
    if (below === '' || (prefix === '<tmp>/' && what === 'path')) return prefix === '' ? './' : prefix
    return prefix === '' ? relative(asEntry(below) + slash) : prefix + asEntry(below) + slash
  }
  const root = bytePath(context.root)
  // The directories above the project have other names on the next machine.
  if (slash === '/' && path !== '/' && isWithin(root, path))
    return '../'.repeat(root.slice(path.length + 1).split('/').length)
  return asEntry(path) + (path === '/' ? '' : slash)
}

/** A relative entry. `./` in front keeps it from being read as something else (`!a`, `~/a`, `<tmp>/a`, `tcp:a`). */
function relative(entry: string): string {
  const parsed = parsePathGrant(entry)
  const isItself = parsed.ok && parsed.value.anchor === 'root' && parsed.value.effect === 'grant'
  return isItself ? entry : `./${entry}`
}

/** A wildcard in a path, for any text within a name. No real path contains it. */
export const ANY = '\0'

/**
 * The path as an entry. Characters that an entry cannot contain literally become globs: `[[]` for a bracket, `?` for
 * other glob characters, `*` for ANY.
 */
export function asEntry(path: string): string {
  return (
    textOf(path)
      .replace(/[*?{}\]\\]|^\s|\s$/g, '?')
      .replaceAll('[', '[[]')
      // Bytes that are not UTF-8 have no text; a bracket here would open a group; a name may look like a placeholder.
      .replace(/\uFFFD+/g, '*')
      .replace(/(?<=[?*+@!])\(+/g, (brackets) => '?'.repeat(brackets.length))
      .replace(/<(?=(?:root|workspace|tmp|home|file|secrets)>)/g, '?')
      .replaceAll(ANY, '*')
  )
}
