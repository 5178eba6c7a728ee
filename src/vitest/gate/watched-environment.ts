/** Puts the judge of reads around everything by which Vite makes a module, and the marks of what came into it on the result. */
import type { TestProject } from 'vitest/node'
import { splitId } from './module-id.js'
import type { PlantedSettings } from './planted.js'
import { withProvenance } from './provenance.js'
import { ANY_MODULE, ModuleReads, refusedRead, watchReads, type JudgeRead } from './reads.js'
import { isFields } from './values.js'
import type { ViteEnvironment } from './vite-modules.js'

type ViteServer = TestProject['vite']

/** The judges of what Vite reads. */
export interface ReadJudges {
  /** For what Vitest itself has made. */
  readonly own: JudgeRead
  /** The settings that are read outside of JavaScript. */
  readonly planted: PlantedSettings
}

export interface Watched {
  readonly environment: ViteEnvironment
  readonly reads: ModuleReads
  /** Notes on a result of Vite's what came into the module. Throws what open(2) throws for one that lacks what nobody may read. */
  mark(id: string, result: unknown): void
}

const watched = new WeakMap<object, Watched>()
const servers = new WeakSet<object>()

export function watchServer(server: ViteServer, by: ReadJudges): void {
  const environments = Object.fromEntries(
    Object.entries(server.environments).map(([name, environment]) => [name, watchEnvironment(environment, by)]),
  )
  if (servers.has(server)) return
  servers.add(server)
  // Before Vite 8 it does not go by the environment's own method, and vite-node goes by it.
  const { transformRequest } = server
  server.transformRequest = async (url, options) => {
    const of = environments[options?.ssr === true ? 'ssr' : 'client']
    const make = (): ReturnType<typeof transformRequest> => transformRequest.call(server, url, options)
    return of === undefined ? make() : making(of, url, by, make)
  }
}

/** Projects may share a server, and with it the modules. Whatever makes one, of Vite's or a plugin's, makes it in here. */
export function watchEnvironment(environment: ViteEnvironment, by: ReadJudges): Watched {
  const { pluginContainer } = environment
  const known = watched.get(pluginContainer)
  if (known !== undefined) return known
  watchReads()
  const reads = new ModuleReads()
  const marked = new WeakSet<object>()
  const made: Watched = {
    environment,
    reads,
    mark(id, result) {
      const spoilt = reads.takeSpoilt(id)
      if (spoilt !== undefined) {
        const module = environment.moduleGraph.getModuleById(id)
        if (module !== undefined) environment.moduleGraph.invalidateModule(module)
        throw refusedRead(spoilt)
      }
      if (!isFields(result) || marked.has(result) || typeof result.code !== 'string') return
      marked.add(result)
      Reflect.set(result, 'code', withProvenance(result.code, reads.of(id)))
    },
  }
  watched.set(pluginContainer, made)
  const { load, resolveId, transform } = pluginContainer
  const { transformRequest } = environment
  pluginContainer.resolveId = async (id, importer, ...rest) => {
    by.planted.checkResolving(id, importer)
    // Which module it will be is not known yet: whatever worker is there may have asked.
    return reads.during(ANY_MODULE, by.own, () => resolveId.call(pluginContainer, id, importer, ...rest))
  }
  pluginContainer.load = (id) => reads.during(id, by.own, () => load.call(pluginContainer, id))
  pluginContainer.transform = async (code, id, options) => {
    by.planted.checkCompiling(id)
    return reads.during(id, by.own, () => transform.call(pluginContainer, code, id, options))
  }
  environment.transformRequest = (url, ...rest: []) =>
    making(made, url, by, () => transformRequest.call(environment, url, ...rest))
  return made
}

async function making<T>(
  { environment, reads, mark }: Watched,
  url: string,
  by: ReadJudges,
  make: () => Promise<T>,
): Promise<T> {
  const [, id] = await environment.moduleGraph.resolveUrl(url)
  const own = splitId(id).path
  // A module that nobody asked for is the config's own, wherever it lies: a global setup, say.
  const result = await reads.during(id, (path) => (path === own ? 'allowed' : by.own(path)), make)
  mark(id, result)
  return result
}
