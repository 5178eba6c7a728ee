/** The installed packages that a run's workers are told of in a module table: those that each of them may read, and none may write. */
import type { ModuleTrees } from '../modules/walk.js'
import type { Looked } from '../policy/bind-paths.js'
import { isWithin } from '../policy/canonical.js'
import type { RuleList } from '../policy/policy.js'
import { bytePath, type BytePath } from '../policy/request.js'

/** In the environment of Vitest: workers get no module table. For comparing both ways. */
export const WITHOUT_MODULES = 'VITEST_SECCOMP_WITHOUT_MODULE_TABLE'

export interface ModuleFacts {
  /** Directories that every worker may read whole. */
  readonly dirs: readonly string[]
  readonly lookup: (path: BytePath) => Looked
  /** Of all projects that run together, for all of their test files. */
  readonly lists: readonly RuleList[]
  /** Of test files: snapshots are written beside them. */
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
 * The places that may be written, and those that are excluded. A glob counts from where it starts. One that excludes from above is left out: an
 * exclusion carves out of its own list only, and the base grants are a list of their own.
 */
function notForTable(list: RuleList): readonly BytePath[] {
  return list
    .filter(({ effect, access, shape, root, source }) => {
      // Each worker has a new directory of that name.
      if (/^!?<tmp>/.test(source)) return false
      if (effect === 'exclude') return shape !== 'glob' || /(?:^|\/)node_modules(?:\/|$)/.test(root)
      return access === 'write' || access === 'content'
    })
    .map(({ root }) => root)
}
