/** The bounds of a process before its filter, and its attempts behind it: the same for each worker and for Vitest itself. */
import { existsSync } from 'node:fs'
import { compilePolicy, decide, type PolicyData } from '../policy/policy.js'
import { bytePath } from '../policy/request.js'
import { runtimeFiles, runtimeTrees, type ProjectRoot } from './root.js'

interface LandlockRule {
  readonly path: string
  readonly right: 'read' | 'execute'
}

/** The Landlock domain: packages for reading, while the runtime is loaded, and the programs that may be executed at all. */
export function landlockRules(
  place: Pick<ProjectRoot, 'nodeModules' | 'base'>,
  executable: readonly string[] | 'any',
): readonly LandlockRule[] {
  return [
    ...[...runtimeTrees(place), ...runtimeFiles(place)].map((path) => ({ path, right: 'read' as const })),
    ...(executable === 'any' ? ['/'] : executable).map((path) => ({ path, right: 'execute' as const })),
  ]
}

/** Files that exist on every machine, that everybody may read, and that a manifest rarely grants. */
export const CANARIES = ['/etc/passwd', '/etc/group']

/** Of the canaries and `more`, the files that a process under this policy must not be able to read. It tries before anything of the user's runs. */
export function canariesFor(policy: PolicyData, more: readonly string[] = []): readonly string[] {
  if (policy.mode === 'audit') return []
  const compiled = compilePolicy(policy)
  return [...CANARIES, ...more].filter(
    (path) => existsSync(path) && !decide(compiled, { kind: 'path', access: 'read', path: bytePath(path) }).allowed,
  )
}
