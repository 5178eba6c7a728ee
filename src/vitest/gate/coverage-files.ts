/**
 * Restricts coverage reports to files that they may contain. At the end of the run the provider searches for further
 * files, transforms them, and reads the text of each file that it reports on, under the names in the modules' source
 * maps.
 */
import { resolve } from 'node:path'
import type { TestProject } from 'vitest/node'
import { mayBeCovered } from './check-coverage.js'
import { judgeOwnRead } from './judge-read.js'
import { splitId } from './module-id.js'
import type { GateProject } from './project.js'
import { judged, watchReads, type ReadVerdict } from './reads.js'
import type { Writes } from './writes.js'

interface Guarded {
  readonly provider: object
  readonly projects: GateProject[]
}

const guarded = new WeakMap<TestProject['vitest'], Guarded>()

/** Guards a provider, once. The files of further projects are then allowed as well. */
export function guardCoverage(vitest: TestProject['vitest'], project: GateProject, writes: Writes): void {
  // The property is not in the types of every Vitest version.
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
  // A search follows links, and lists the targets by their real paths. Nothing outside is reported on.
  const search = (path: string): ReadVerdict =>
    projects.some((one) => judgeOwnRead(path, one, writes) === 'allowed') ? 'allowed' : 'refused'
  // Vitest 4 and 5 call this for each file; Vitest 3 calls only those below.
  wrap(provider, 'isIncluded', (original, args) => permits(args[0]) && original(...args))
  for (const name of ['getUntestedFiles', 'getCoverageMapForUncoveredFiles'])
    wrap(provider, name, async (original, args) => {
      const found: unknown = await judged(search, () => original(...args))
      if (Array.isArray(found)) return found.filter(permits)
      // Istanbul's provider returns a coverage map; since Vitest 5 with the source maps beside it.
      const map = isWithMap(found) ? found.coverageMap : found
      if (!isMap(map)) return []
      // Vitest 4 has had them transformed by names with a query, which their source maps do not have.
      map.filter((path) => permits(splitId(path).path))
      return found
    })
  // Vitest 3 transforms whatever this search finds before it says so: test-exclude.
  const finder: unknown = Reflect.get(provider, 'testExclude')
  if (typeof finder === 'object' && finder !== null)
    wrap(finder, 'glob', async (original, [root, ...rest]) => {
      const files: unknown = await original(root, ...rest)
      return Array.isArray(files) ? files.filter((file) => permits(resolve(String(root), String(file)))) : []
    })
  // Blob reporters keep its result, and the run that merges blobs has no worker, so that nothing is guarded there.
  wrap(provider, 'generateCoverage', async (original, args) => {
    const made: unknown = await original(...args)
    const map = isWithMap(made) ? made.coverageMap : made
    if (isMap(map)) map.filter(permits)
    return made
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

function isWithMap(found: unknown): found is { readonly coverageMap: unknown } {
  return typeof found === 'object' && found !== null && 'coverageMap' in found
}

type ProviderMethod = (...args: unknown[]) => unknown

function wrap(
  provider: object,
  name: string,
  by: (original: ProviderMethod, args: readonly unknown[]) => unknown,
): void {
  const original: unknown = Reflect.get(provider, name)
  if (typeof original !== 'function') return
  // Each wrapper takes the same arguments and gives the same results as the provider's own method.
  const method = original.bind(provider) as ProviderMethod
  Reflect.set(provider, name, (...args: unknown[]) => by(method, args))
}
