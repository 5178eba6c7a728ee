/**
 * The installed packages that the module table describes to the workers of a run: those that every worker may read, and
 * none may write.
 */
import { basename, dirname } from 'node:path'
import type { DeniedPaths, ModuleTrees } from '../modules/walk.js'
import type { Looked } from '../policy/bind-paths.js'
import { isWithin } from '../policy/canonical.js'
import { mayBeWithin } from '../policy/fold.js'
import { compileAboveGlob, compileTreeGlob } from '../policy/glob.js'
import { buildPathIndex, find } from '../policy/path-index.js'
import type { PathRule, RuleList } from '../policy/policy.js'
import { bytePath, rawPath, type BytePath } from '../policy/request.js'
import { lookupTogether } from './lookup.js'
import { dependenciesOf, packageDirs } from './package-dirs.js'
import { nodeModulesAbove, packageDir } from './root.js'

/**
 * If this variable is set in Vitest's environment, workers get no module table. For comparing runs with and without it.
 */
export const WITHOUT_MODULES = 'VITEST_SECCOMP_WITHOUT_MODULE_TABLE'

export interface ModuleFacts {
  /** Directories that every worker may read as a whole. */
  readonly dirs: readonly string[]
  readonly lookup: (path: BytePath) => Looked
  /** The lists of all projects that run together, for all of their test files. */
  readonly lists: readonly RuleList[]
  /** Their entries of `deny`, which go before any list. */
  readonly denied?: RuleList
  /** Directories of test files. Snapshots are written beside the test files. */
  readonly testDirs: readonly string[]
}

export function moduleTreesOf({ dirs, lookup, lists, denied = [], testDirs }: ModuleFacts): ModuleTrees {
  const looked = dirs.flatMap((dir) => {
    const there = lookup(bytePath(dir))
    return there.kind === 'dir' ? [there] : []
  })
  const roots = [...new Set(looked.map(({ real }) => real))]
  const aliases = [...new Set(looked.flatMap(({ way }) => way?.links ?? []))]
  const places = [...roots, ...aliases]
  const changing = lists.flatMap((list) => placesNotForTable(list, places))
  const without = [...changing, ...testDirs.map(bytePath)].filter((out) =>
    places.some((place) => isWithin(place, out) || isWithin(out, place)),
  )
  const hidden = denied.filter((rule) =>
    rule.shape === 'glob' ? reachesAny(rule, places) : places.some((place) => mayMeet(rule.root, place)),
  )
  return {
    roots,
    aliases,
    without: [...new Set(without)],
    ...(hidden.length === 0 ? {} : { denied: distinct(hidden) }),
  }
}

function mayMeet(one: BytePath, other: BytePath): boolean {
  return mayBeWithin(one, other) || mayBeWithin(other, one)
}

function distinct(rules: RuleList): readonly DeniedPaths[] {
  const paths = rules.map(({ root, pattern }): DeniedPaths => (pattern === undefined ? { root } : { root, pattern }))
  return [...new Map(paths.map((one) => [JSON.stringify(one), one])).values()]
}

/** True for a path that an entry of `deny` covers, by the same comparison as in a decision. */
export function isDeniedIn({ denied = [] }: Pick<ModuleTrees, 'denied'>): (path: string) => boolean {
  if (denied.length === 0) return () => false
  const index = buildPathIndex([
    denied.map(({ root, pattern }): PathRule => ({
      effect: 'exclude',
      access: 'read',
      root: rawPath(root),
      aliases: [],
      source: root,
      at: 'deny',
      ...(pattern === undefined ? { shape: 'file' } : { shape: 'glob', pattern }),
    })),
  ])
  return (path) => find(index, bytePath(path)).covering.length > 0
}

/** The answers for each list of rules, which every start of a worker asks for again. */
const known = new WeakMap<RuleList, { readonly key: string; readonly found: readonly BytePath[] }>()

function placesNotForTable(list: RuleList, places: readonly BytePath[]): readonly BytePath[] {
  const key = places.join('\0')
  const last = known.get(list)
  if (last?.key === key) return last.found
  const found = notForTable(list, places).map(({ root }) => root)
  known.set(list, { key, found })
  return found
}

/** The canonical directories of the packages that Vitest and this package depend on, at any depth. */
export function packagesOfRun(vitestDirs: readonly string[]): readonly string[] {
  const own = [...vitestDirs.map((dir) => dirname(dir)), ...dependenciesOf(dirname(packageDir))]
  return packageDirs(own, [], ['dependencies', 'optionalDependencies'])
}

interface StartFacts {
  /** As packagesOfRun finds them. */
  readonly packages: readonly string[]
  /** The root of the run. */
  readonly root: string
  /** The grants of Vitest itself: no other process of the run lives while it starts. */
  readonly lists: readonly RuleList[]
}

/**
 * The trees that Vitest's own process loads before it reads a config: Vitest, the packages that it depends on, and this
 * package's own files.
 */
export function startTreesOf({ packages, root, lists }: StartFacts): ModuleTrees {
  const facts = { lookup: lookupTogether(), lists }
  const trees = moduleTreesOf({ ...facts, dirs: [...packages, packageDir], testDirs: [] })
  // For a scoped package: the scope's directory, and the one that contains it.
  const above = packages.flatMap((dir) =>
    isScope(dirname(dir)) ? [dirname(dir), dirname(dirname(dir))] : [dirname(dir)],
  )
  const {
    roots: tops,
    aliases,
    without,
  } = moduleTreesOf({
    ...facts,
    dirs: [...nodeModulesAbove(root), ...above.filter((dir) => isScope(dir) || basename(dir) === 'node_modules')],
    testDirs: [],
  })
  return {
    roots: trees.roots,
    tops,
    aliases: [...new Set([...trees.aliases, ...aliases])],
    without: [...new Set([...trees.without, ...without])],
  }
}

function isScope(dir: string): boolean {
  return basename(dir).startsWith('@') && basename(dirname(dir)) === 'node_modules'
}

/**
 * The rules for places that may be written or are excluded, which the table must leave out. A glob counts as the
 * directory that it starts from, unless it cannot match at any of these places. An exclusion glob that starts above
 * `node_modules` does not count: an exclusion carves out of its own list only, and the base grants are a list of their
 * own. Protected places are excluded from writing only, so they may be in the table.
 */
function notForTable(list: RuleList, places: readonly BytePath[]): readonly PathRule[] {
  return list.filter((rule) => {
    const { effect, access, shape, root, source, isProtected } = rule
    // Each worker has a new temporary directory.
    if (/^!?<tmp>/.test(source) || isProtected === true) return false
    if (effect === 'exclude') return shape !== 'glob' || /(?:^|\/)node_modules(?:\/|$)/.test(root)
    return (access === 'write' || access === 'content') && (shape !== 'glob' || reachesAny(rule, places))
  })
}

/** True if a glob may match at or below a place: `*.tmp` in a project, for example, matches in none of its packages. */
function reachesAny({ root, pattern = '' }: PathRule, places: readonly BytePath[]): boolean {
  const rest = pattern.slice(root === '/' ? 1 : root.length + 1)
  const [isAbove, isMatch] = [compileAboveGlob(rest), compileTreeGlob(rest)]
  return places.some((place) => {
    if (!isWithin(place, root)) return isWithin(root, place)
    const below = place.slice(root === '/' ? 1 : root.length + 1)
    return below === '' || isAbove(below) || isMatch(below)
  })
}
