/**
 * The installed packages that the module table describes to the workers of a run: those that every worker may read, and
 * none may write.
 */
import type { ModuleTrees } from '../modules/walk.js'
import type { Looked } from '../policy/bind-paths.js'
import { isWithin } from '../policy/canonical.js'
import type { RuleList } from '../policy/policy.js'
import { bytePath, type BytePath } from '../policy/request.js'

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
  /** Directories of test files. Snapshots are written beside the test files. */
  readonly testDirs: readonly string[]
}

export function moduleTreesOf({ dirs, lookup, lists, testDirs }: ModuleFacts): ModuleTrees {
  const looked = dirs.flatMap((dir) => {
    const there = lookup(bytePath(dir))
    return there.kind === 'dir' ? [there] : []
  })
  const roots = [...new Set(looked.map(({ real }) => real))]
  const aliases = [...new Set(looked.flatMap(({ way }) => way?.links ?? []))]
  const places = [...roots, ...aliases]
  const without = [...lists.flatMap(notForTable), ...testDirs.map(bytePath)].filter((out) =>
    places.some((place) => isWithin(place, out) || isWithin(out, place)),
  )
  return { roots, aliases, without: [...new Set(without)] }
}

/**
 * The places that may be written or are excluded, which the table must leave out. A glob counts as the directory that
 * it starts from. An exclusion glob that starts above `node_modules` does not count: an exclusion carves out of its own
 * list only, and the base grants are a list of their own.
 */
function notForTable(list: RuleList): readonly BytePath[] {
  return list
    .filter(({ effect, access, shape, root, source }) => {
      // Each worker has a new temporary directory.
      if (/^!?<tmp>/.test(source)) return false
      if (effect === 'exclude') return shape !== 'glob' || /(?:^|\/)node_modules(?:\/|$)/.test(root)
      return access === 'write' || access === 'content'
    })
    .map(({ root }) => root)
}
