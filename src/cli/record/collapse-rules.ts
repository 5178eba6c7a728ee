/** What may be granted beyond what was used, so that a manifest stays readable. */
import { isWithin } from '../../policy/canonical.js'
import { bytePath, rawPath, type BytePath } from '../../policy/request.js'
import { ANY, type Places } from '../../policy/spell.js'
import { MANY, namesOf, type CollapseRules, type Item } from './collapse.js'
import { isAbove, isSecret, secretsIn } from './dangers.js'
import type { World } from './world.js'

/** Never the project itself or anything above it, nothing with a secret in it, and for writing nothing that no test wrote. */
export function collapseRules(
  list: 'read' | 'write',
  counts: CollapseRules['counts'],
  items: readonly Item[],
  places: Places,
  { names }: Pick<World, 'names'>,
): CollapseRules {
  const known = new Set(items.flatMap(({ path }) => prefixesOf(path)))
  const isOwn = (dir: BytePath): boolean => [places.root, places.workspace].some((top) => isWithin(dir, bytePath(top)))
  const holdsSecret = (dir: BytePath): boolean => {
    const secrets = secretsIn(dir, names)
    return secrets === 'unknown' || secrets.length > 0
  }
  return {
    counts,
    mayTree(dir) {
      if (isAbove(dir, places) || (!isOwn(dir) && namesOf(dir).length < MANY && !dir.includes(ANY))) return false
      return !holdsSecret(dir) && (list === 'read' || onlyKnown(dir, known, names))
    },
    mayGlob(dir, extension) {
      const there = (names(dir) ?? [])
        .filter((name) => name.endsWith(extension))
        .map((name) => rawPath(`${dir}/${name}`))
      return isOwn(dir) && !there.some(isSecret) && (list === 'read' || there.every((path) => known.has(path)))
    },
  }
}

function prefixesOf(path: BytePath): string[] {
  const names = namesOf(path)
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`)
}

/** Whether nothing lies in a directory that no test wrote. */
function onlyKnown(dir: BytePath, known: ReadonlySet<string>, names: World['names']): boolean {
  return (names(dir) ?? []).every((name) => {
    const path = rawPath(`${dir}/${name}`)
    return known.has(path) && onlyKnown(path, known, names)
  })
}
