/**
 * Runs everything that makes a module of Vite under the judge of reads, and notes in the result the files that needed a
 * grant.
 */
import type { TestProject } from 'vitest/node'
import { classify } from './classify.js'
import { splitId } from './module-id.js'
import type { PlantedSettings } from './planted.js'
import { withProvenance } from './provenance.js'
import { ANY_MODULE, judgeLate, ModuleReads, refusedRead, watchReads, type JudgeRead } from './reads.js'
import { isFields } from './values.js'
import type { ViteEnvironment } from './vite-modules.js'

type ViteServer = TestProject['vite']

/** The judges of what Vite reads. */
export interface ReadJudges {
  /** Judges reads for modules that Vitest itself requests. */
  readonly own: JudgeRead
  /** Judges the file of such a module itself. */
  readonly module: JudgeRead
  /** Checks settings that are read outside of JavaScript. */
  readonly planted: PlantedSettings
  /** Removes values from the text of a module. Errors of what comes after it quote the text. */
  readonly hide: (code: string) => string
}

export interface Watched {
  readonly environment: ViteEnvironment
  readonly reads: ModuleReads
  /**
   * Notes the files of a module in a result of Vite. Throws the error of open(2) for a module that lacks a refused
   * file.
   */
  mark(id: string, result: unknown): void
}

const watched = new WeakMap<object, Watched>()
const servers = new WeakSet<object>()

/** True if what is read for a module of this environment is judged. */
export function isWatched({ pluginContainer }: Pick<ViteEnvironment, 'pluginContainer'>): boolean {
  return watched.has(pluginContainer)
}

export function watchServer(server: ViteServer, by: ReadJudges): void {
  const environments = Object.fromEntries(
    Object.entries(server.environments).map(([name, environment]) => [name, watchEnvironment(environment, by)]),
  )
  if (servers.has(server)) return
  servers.add(server)
  // Before Vite 8 the server's method does not call the environment's, and vite-node uses the server's.
  const { transformRequest } = server
  server.transformRequest = async (url, options) => {
    const of = environments[options?.ssr === true ? 'ssr' : 'client']
    const make = (): ReturnType<typeof transformRequest> => transformRequest.call(server, url, options)
    return of === undefined ? make() : making(of, url, by, make)
  }
}

/**
 * Watches an environment. Projects may share a server, and with it the modules. Everything that makes a module, in Vite
 * or a plugin, goes through the methods that are wrapped here.
 */
export function watchEnvironment(environment: ViteEnvironment, by: ReadJudges): Watched {
  const { pluginContainer } = environment
  const known = watched.get(pluginContainer)
  if (known !== undefined) return known
  watchReads()
  const reads = new ModuleReads(forgetting(environment))
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
  const { load, resolveId, transform } = pluginContainer
  watched.set(pluginContainer, made)
  judges.set(configOf(environment), by)
  checkOtherResolvers(pluginContainer)
  // It calls back from a thread of its own, where Node 24 does not know for which module that is.
  const readsElsewhere = environment.config.css.transformer === 'lightningcss'
  const { transformRequest } = environment
  pluginContainer.resolveId = async (id, importer, ...rest) => {
    by.planted.checkResolving(id, importer)
    // The module is not known yet, so any worker that is there may have asked.
    return reads.during(ANY_MODULE, by.own, () => resolveId.call(pluginContainer, id, importer, ...rest))
  }
  // Every argument is passed on, those as well that are not in the types: Vite 8.4 asks `load` for its metadata by one.
  const watchedLoad = (...args: Parameters<typeof load>): ReturnType<typeof load> =>
    reads.during(args[0], by.own, () => load.apply(pluginContainer, args))
  // It returns what `load` returns for the same arguments; of Vite 8.4's overloaded method a wrapper's type cannot say so.
  Reflect.set(pluginContainer, 'load', watchedLoad)
  pluginContainer.transform = async (code, id, ...rest) => {
    by.planted.checkCompiling(id)
    return reads.during(id, by.own, async () => {
      const result = await transform.call(pluginContainer, code, id, ...rest)
      if (readsElsewhere) for (const file of importedBy(environment, id)) judgeLate(file)
      return { ...result, code: by.hide(result.code) }
    })
  }
  environment.transformRequest = (url, ...rest: []) =>
    making(made, url, by, () => transformRequest.call(environment, url, ...rest))
  return made
}

/** The judges of the servers that are watched, by their config. */
const judges = new WeakMap<object, ReadJudges>()
const checking = new WeakSet<object>()

/**
 * Has settings checked also where Vite's own plugins resolve the names in a style sheet, in `new URL()` or in an import with
 * a variable: by further containers of the same class, which they make for themselves.
 */
function checkOtherResolvers(pluginContainer: ViteEnvironment['pluginContainer']): void {
  const shared: unknown = Object.getPrototypeOf(pluginContainer)
  if (!isFields(shared) || checking.has(shared) || !Object.hasOwn(shared, 'resolveId')) return
  checking.add(shared)
  const { resolveId } = pluginContainer
  const checked = async function (
    this: typeof pluginContainer,
    ...args: Parameters<typeof resolveId>
  ): ReturnType<typeof resolveId> {
    if (!watched.has(this))
      judges.get(configOf(Reflect.get(this, 'environment')))?.planted.checkResolving(args[0], args[1])
    return resolveId.apply(this, args)
  }
  Reflect.set(shared, 'resolveId', checked)
}

/** The config of a server, which such a container has by an environment of its own. */
function configOf(environment: unknown): object {
  const config: unknown = Reflect.get(Object(environment), 'getTopLevelConfig')
  return Object(typeof config === 'function' ? Reflect.apply(config, environment, []) : environment)
}

/**
 * Has a module made anew for the first worker that requests it, if Vitest's own process has had it made before, for its
 * global setup: what was read for it then, nobody has seen.
 */
function forgetting({ moduleGraph }: ViteEnvironment): (id: string) => void {
  const unseen = new WeakSet(
    [...moduleGraph.idToModuleMap.values()].flatMap(({ transformResult }) => transformResult ?? []),
  )
  return (id) => {
    const module = moduleGraph.getModuleById(id)
    if (module === undefined || module.transformResult === null || !unseen.has(module.transformResult)) return
    // Not invalidateModule(): for Vitest's own process, the modules that import it stay as they are.
    module.transformResult = null
    // vite-node, which Vitest 3 has, keeps a copy until then.
    module.lastInvalidationTimestamp = Date.now()
  }
}

/**
 * The style sheets that a style sheet imports, which Vite notes once it has compiled it. Of what `url()` names, which
 * Vite notes as well, only the address is used.
 */
function importedBy({ moduleGraph }: ViteEnvironment, id: string): readonly string[] {
  const isStyle = (file: string): boolean => classify(file, '').is === 'style'
  if (!isStyle(splitId(id).path)) return []
  const files = [...(moduleGraph.getModuleById(id)?.importedModules ?? [])].map(({ file }) => file)
  return files.filter((file) => file !== null).filter(isStyle)
}

async function making<T>(
  { environment, reads, mark }: Watched,
  url: string,
  by: ReadJudges,
  make: () => Promise<T>,
): Promise<T> {
  const [, id] = await environment.moduleGraph.resolveUrl(url)
  const own = splitId(id).path
  const result = await reads.during(id, (path) => (path === own ? by.module(path) : by.own(path)), make)
  mark(id, result)
  return result
}
