/** The manifest of the test files that share a worker, bound: for the pool's own policy and for what bounds that of a confined Vitest. */
import { dirname, join, relative } from 'node:path'
import type { BaseFacts } from '../policy/base.js'
import { bindOptions, type BindContext, type Binding } from '../policy/bind.js'
import type { ParsedOptions } from '../policy/manifest.js'
import type { RuleList } from '../policy/policy.js'
import { bytePath } from '../policy/request.js'
import { lookup } from './lookup.js'

/**
 * `files`: absolute; none where no file is known yet. `root`: the root that their names in `files` of the options are relative to.
 * Several files share what any of them may use. Throws a ManifestError.
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

/** Of files that share a worker, each may use what any of them may: refused quietly is what all of them refuse so. */
function deniedByAll([first = [], ...others]: readonly RuleList[]): RuleList {
  return first.filter((rule) =>
    others.every((list) => list.some((other) => JSON.stringify(other) === JSON.stringify(rule))),
  )
}

/**
 * Finds a test file and its snapshots where their names say. Through a link that another test may have put there, they would grant
 * what it leads to. Where the directory of the test file is a link itself, that is the project's own affair.
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
