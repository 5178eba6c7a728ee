/** Limits on entries that cover more than was used, so that a manifest stays readable but narrow. */
import { isWithin } from '../../policy/canonical.js'
import { isAbove, isSecret, secretsIn } from '../../policy/dangers.js'
import { bytePath, rawPath, type BytePath } from '../../policy/request.js'
import { ANY, type Places } from '../../policy/spell.js'
import { MANY, namesOf, type CollapseRules, type Item } from './collapse.js'
import type { World } from './world.js'

/** The smallest part of an entry's files that must have been used. */
const TIGHT = 0.9
/** The most files of a directory that are counted. A larger one is not granted as a whole. */
const MOST_COUNTED = 5000

/**
 * The rules for one list. A tree never covers the project itself, anything above it, or a secret; for writing, it
 * covers nothing that no test wrote.
 */
export function collapseRules(
  list: 'read' | 'write',
  counts: CollapseRules['counts'],
  items: readonly Item[],
  places: Places,
  { names }: Pick<World, 'names'>,
): CollapseRules {
  const known = new Set(items.flatMap(({ path }) => prefixesOf(path)))
  const used = new Set(items.filter(({ shape }) => shape === 'file').map(({ path }) => path))
  const trees = items.filter(({ shape }) => shape === 'tree').map(({ path }) => path)
  const isUsed = (path: BytePath): boolean => used.has(path) || trees.some((tree) => isWithin(path, tree))
  const isTight = (paths: readonly BytePath[]): boolean =>
    paths.length <= MOST_COUNTED && paths.filter(isUsed).length >= paths.length * TIGHT
  const isOwn = (dir: BytePath): boolean => [places.root, places.workspace].some((top) => isWithin(dir, bytePath(top)))
  const holdsSecret = (dir: BytePath): boolean => {
    const secrets = secretsIn(dir, names)
    return secrets === 'unknown' || secrets.length > 0
  }
  return {
    counts,
    mayTree(dir) {
      if (isAbove(dir, places) || (!isOwn(dir) && namesOf(dir).length < MANY && !dir.includes(ANY))) return false
      return !holdsSecret(dir) && (list === 'read' ? isTight(filesBelow(dir, names)) : onlyKnown(dir, known, names))
    },
    mayGlob(dir, extension) {
      const there = (names(dir) ?? [])
        .filter((name) => name.endsWith(extension))
        .map((name) => rawPath(`${dir}/${name}`))
      return (
        isOwn(dir) &&
        !there.some(isSecret) &&
        (list === 'read' ? isTight(there) : there.every((path) => known.has(path)))
      )
    },
  }
}

/** The files below a directory. Stops soon after `MOST_COUNTED`. */
export function filesBelow(dir: BytePath, names: World['names']): readonly BytePath[] {
  const files: BytePath[] = []
  const waiting = [dir]
  for (let next = waiting.pop(); next !== undefined && files.length <= MOST_COUNTED; next = waiting.pop()) {
    const found = names(next)
    if (found === undefined) files.push(next)
    else waiting.push(...found.map((name) => rawPath(next === '/' ? `/${name}` : `${next}/${name}`)))
  }
  return files.filter((path) => path !== dir)
}

function prefixesOf(path: BytePath): string[] {
  const names = namesOf(path)
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`)
}

/** True if a directory holds only what tests wrote. */
function onlyKnown(dir: BytePath, known: ReadonlySet<string>, names: World['names']): boolean {
  return (names(dir) ?? []).every((name) => {
    const path = rawPath(`${dir}/${name}`)
    return known.has(path) && onlyKnown(path, known, names)
  })
}
