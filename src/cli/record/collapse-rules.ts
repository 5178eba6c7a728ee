/** Limits on entries that cover more than was used, so that a manifest stays readable but narrow. */
import { isWithin } from '../../policy/canonical.js'
import { isAbove, isSecret, secretsIn } from '../../policy/dangers.js'
import { bytePath, rawPath, type BytePath } from '../../policy/request.js'
import { ANY, type Places } from '../../policy/spell.js'
import { isMatch, type Alike } from './alike.js'
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
  const isOwn = (dir: BytePath): boolean => isOfProject(dir, places)
  return {
    counts,
    mayTree(dir) {
      if (isAbove(dir, places) || (!isOwn(dir) && namesOf(dir).length < MANY && !dir.includes(ANY))) return false
      // To look for secrets takes longest, in everything below.
      return (
        (list === 'read' ? isTight(filesBelow(dir, names)) : onlyKnown(dir, known, names)) &&
        isWithoutSecret(dir, names)
      )
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

function isOfProject(dir: BytePath, { root, workspace }: Places): boolean {
  return [root, workspace].some((top) => isWithin(dir, bytePath(top)))
}

/**
 * The rule for `*` in place of directories side by side, which lie in the project. For reading and listing, nine in ten of
 * those that have such a file were used. For writing, all that have one were, and nine in ten of all directories there.
 */
export function alikeRule(
  list: 'list' | 'read' | 'write',
  places: Places,
  { names }: Pick<World, 'names'>,
): (alike: Alike) => boolean {
  return ({ dir, rest, shape, count }) => {
    if (!isOfProject(dir, places) || isAbove(dir, places) || (rest.length === 0 && list !== 'list')) return false
    const beside = (names(dir) ?? [])
      .map((name) => rawPath(`${dir}/${name}`))
      .filter((path) => names(path) !== undefined)
    if (beside.some((path) => NOT_ALIKE.has(path.slice(dir.length + 1)))) return false
    const isDir = list === 'list' || shape === 'tree'
    const found = beside.map((path) =>
      matching([path], rest, names).filter((one) => (names(one) !== undefined) === isDir),
    )
    const there = found.filter((paths) => paths.length > 0).length
    if (list === 'write') return count >= there && count >= beside.length * TIGHT
    const isSafe = (path: BytePath): boolean => !isSecret(path) && (shape === 'file' || isWithoutSecret(path, names))
    return count >= there * TIGHT && (list === 'list' || found.flat().every(isSafe))
  }
}

/** Directories that are no sample of anything. */
const NOT_ALIKE: ReadonlySet<string> = new Set(['node_modules', '.git'])

function isWithoutSecret(dir: BytePath, names: World['names']): boolean {
  const secrets = secretsIn(dir, names)
  return secrets !== 'unknown' && secrets.length === 0
}

/** Finds names below some directories. A name with ANY stands for all that it fits. */
function matching(dirs: readonly BytePath[], below: readonly string[], names: World['names']): readonly BytePath[] {
  const [name, ...rest] = below
  if (name === undefined) return dirs
  const found = dirs.flatMap((dir) =>
    (names(dir) ?? []).filter((one) => isMatch(name, one)).map((one) => rawPath(`${dir === '/' ? '' : dir}/${one}`)),
  )
  return matching(found, rest, names)
}

/** Finds the paths that one with ANY stands for. */
export function thereBy(path: BytePath, names: World['names']): readonly BytePath[] {
  return matching([rawPath('/')], namesOf(path), names)
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
