/**
 * Binds the manifest for the test files that share a worker: for the pool's own policy, and for the upper bound of a
 * confined Vitest's policy.
 */
import { dirname, join, relative } from 'node:path'
import type { BaseFacts } from '../policy/base.js'
import { bindOptions, type BindContext, type Binding } from '../policy/bind.js'
import type { ParsedOptions } from '../policy/manifest.js'
import type { RuleList } from '../policy/policy.js'
import { bytePath, type BytePath } from '../policy/request.js'
import { lookup } from './lookup.js'

/**
 * Binds the options for some test files. `files`: absolute paths; empty where no file is known yet. `root`: the
 * directory that the globs in `files` of the options are relative to. Test files that share a worker share the grants
 * of each. Throws a ManifestError.
 */
export function bindTestFiles(
  options: ParsedOptions,
  context: Omit<BindContext, 'file'>,
  files: readonly string[],
  root: string,
): Omit<Binding, 'warnings'> {
  const bound =
    files.length === 0
      ? [bindOptions({ ...options, files: [] }, { ...context, file: context.root })]
      : files.map((file) => bindOptions(options, { ...context, file: dirname(file) }, relative(root, file)))
  return {
    lists: bound.flatMap(({ lists }) => lists),
    sockets: bound.flatMap(({ sockets }) => sockets),
    denied: deniedByAll(bound.map(({ denied }) => denied)),
    resources: bound.flatMap(({ resources }) => resources),
  }
}

/** A place on the way of an entry: whoever could put a link there would change what the entry grants. */
interface Way {
  readonly source: string
  readonly at: string
  readonly place: BytePath
}

/** The places that grants lead through where these are not spelled by their canonical paths. */
export function waysOf({
  lists,
  sockets,
  resources,
}: Pick<Binding, 'lists' | 'sockets' | 'resources'>): readonly Way[] {
  const rules = [...lists.flat(), ...sockets, ...resources.flatMap(({ use }) => ('rule' in use ? [use.rule] : []))]
  return rules.flatMap((rule) => {
    const { aliases = [] } = 'target' in rule ? ('aliases' in rule.target ? rule.target : {}) : rule
    const isGrant = 'target' in rule || rule.effect === 'grant'
    return isGrant ? aliases.map((place): Way => ({ source: rule.source, at: rule.at, place })) : []
  })
}

/** Test files that share a worker may use what any of them may, so only what all of them deny is refused quietly. */
function deniedByAll([first = [], ...others]: readonly RuleList[]): RuleList {
  return first.filter((rule) =>
    others.every((list) => list.some((other) => JSON.stringify(other) === JSON.stringify(rule))),
  )
}

/**
 * A lookup for test files and snapshots that finds them only at their own paths. A link that another test put there
 * would otherwise grant its target. A link in the place of the test file's directory is the project's own choice.
 */
export function besides(files: readonly string[]): BaseFacts['lookup'] {
  const dirs = [...new Set(files.map((file) => dirname(file)))].map((dir) => ({ dir, found: lookup(bytePath(dir)) }))
  return (path) => {
    const looked = lookup(path)
    const isThere =
      'real' in looked &&
      dirs.some(({ dir, found }) => 'real' in found && looked.real === join(found.real, relative(bytePath(dir), path)))
    return isThere ? looked : { kind: 'unreadable', errno: 'ELOOP' }
  }
}
