/**
 * Keeps reports of coverage to files that they may be made of. The provider looks for further ones when the tests are over, transforms them, and
 * reads the text of each file that it reports on, whatever the maps of modules say it is called.
 */
import type { TestProject } from 'vitest/node'
import { mayBeCovered } from './check-coverage.js'
import { judgeOwnRead } from './judge-read.js'
import type { GateProject } from './project.js'
import { judged, watchReads, type ReadVerdict } from './reads.js'
import type { Writes } from './writes.js'

interface Guarded {
  readonly provider: object
  readonly projects: GateProject[]
}

const guarded = new WeakMap<TestProject['vitest'], Guarded>()

/** Once for each provider: another project's files count as well. */
export function guardCoverage(vitest: TestProject['vitest'], project: GateProject, writes: Writes): void {
  // Not in Vitest's types of every version.
  const provider: unknown = Reflect.get(vitest, 'coverageProvider')
  if (typeof provider !== 'object' || provider === null) return
  const known = guarded.get(vitest)
  if (known?.provider === provider) {
    if (!known.projects.includes(project)) known.projects.push(project)
    return
  }
  watchReads()
  const projects = [project]
  guarded.set(vitest, { provider, projects })
  const permits = (path: unknown): boolean =>
    typeof path === 'string' && projects.some((one) => mayBeCovered(path, one, writes))
  // A search follows links, and lists what they lead to by its real path: nothing outside is reported on.
  const search = (path: string): ReadVerdict =>
    projects.some((one) => judgeOwnRead(path, one, writes) === 'allowed') ? 'allowed' : 'refused'
  // What Vitest 4 and 5 ask of each file; 3 asks only the two below.
  wrap(provider, 'isIncluded', (original, args) => permits(args[0]) && original(...args))
  wrap(provider, 'getUntestedFiles', async (original, args) => {
    const files: unknown = await judged(search, () => original(...args))
    return Array.isArray(files) ? files.filter(permits) : []
  })
  wrap(provider, 'generateReports', (original, [map, ...rest]) => {
    if (isMap(map)) map.filter(permits)
    return original(map, ...rest)
  })
}

interface CoverageMap {
  filter(permits: (path: string) => boolean): void
}

/** istanbul-lib-coverage: CoverageMap. */
function isMap(map: unknown): map is CoverageMap {
  return typeof map === 'object' && map !== null && 'filter' in map && typeof map.filter === 'function'
}

type ProviderMethod = (...args: unknown[]) => unknown

function wrap(
  provider: object,
  name: string,
  by: (original: ProviderMethod, args: readonly unknown[]) => unknown,
): void {
  const original: unknown = Reflect.get(provider, name)
  if (typeof original !== 'function') return
  // Every method takes and gives what the provider's own does.
  const method = original.bind(provider) as ProviderMethod
  Reflect.set(provider, name, (...args: unknown[]) => by(method, args))
}
