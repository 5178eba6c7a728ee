/** `pool: seccompPool({ … })`, and the plugin that makes sure that this pool runs the tests. */
import {
  version,
  type PoolOptions as VitestPoolOptions,
  type PoolRunnerInitializer,
  type TestProject,
} from 'vitest/node'
import { PluginUnusedError, PoolReplacedError, UnsupportedError, WrongVitestError } from '../errors.js'
import type { ParsedOptions, PoolOptions } from '../policy/manifest.js'
import { parseOptions } from '../policy/schema.js'
import { ChoosingWorker, POLICY } from './choosing-worker.js'
import { reportAtEnd } from './end-of-run.js'
import { refuseOld } from './gate/startup.js'
import type { ViteEnvironment } from './gate/vite-modules.js'
import { isWatched } from './gate/watched-environment.js'
import { confinesNothing, noteProject, type Server } from './plugin-unused.js'
import { guardMerge, policyOf, prepareAll, type Policies } from './policies.js'
import { POOL_NAME } from './pool-name.js'
import { warmUp, whatIsMissing } from './support.js'
import type { SeccompOptions } from './v3/options.js'
import type { NamedPool } from './versions/adapter.js'
import { thisVitest } from './versions/running.js'

/**
 * The type of `test.pool` of Vitest 4 and 5. It is written out because Vitest 3 has no types of those names, and this
 * package must compile beside each version.
 */
export interface SeccompPool {
  readonly name: string
  /** Vitest calls it with its `PoolOptions`, and gets its `PoolWorker`. */
  readonly createPoolWorker: (options: object) => SeccompWorker
}

export interface SeccompWorker {
  readonly name: string
  readonly cacheFs: boolean
  on(event: string, listener: (...args: unknown[]) => void): void
  off(event: string, listener: (...args: unknown[]) => void): void
  send(message: object): void
  deserialize(data: unknown): unknown
  start(): Promise<void>
  stop(): Promise<void>
}

const PLUGIN = 'vitest-pool-seccomp'
const DEFAULT_POOL = 'forks'

/**
 * A Vitest pool whose workers can use exactly what `options.manifest` declares, enforced by the Linux kernel. For Vitest 4
 * and 5; under Vitest 3 it throws a WrongVitestError, which says what to write.
 *
 * Throws a ManifestError that lists every mistake in the options at once.
 */
export function seccompPool(options: PoolOptions = {}): SeccompPool {
  refuseOld()
  if (thisVitest.pool.takes !== 'object') throw new WrongVitestError('4 or 5', version)
  const parsed = parseOptions(options)
  warmUp()
  return makePool(parsed, new WeakMap())
}

function makePool(options: ParsedOptions, policies: Policies): SeccompPool & PoolRunnerInitializer {
  const createPoolWorker = (given: object): ChoosingWorker => {
    // Only Vitest calls it, with these options.
    const start = given as VitestPoolOptions
    return new ChoosingWorker(start, options, () => {
      prepareAll(start.project)
      return policyOf(policies, start.project, options)
    })
  }
  Object.defineProperty(createPoolWorker, POLICY, {
    value: (project: TestProject) => policyOf(policies, project, options),
  })
  return { name: POOL_NAME, createPoolWorker }
}

/** The part of a Vite plugin that is used here; the hooks are Vitest's. */
export interface SeccompPlugin {
  readonly name: string
  readonly config: () => object
  readonly configureServer: (server: Server) => () => void
  readonly configureVitest: (context: { readonly project: TestProject }) => Promise<void>
}

/**
 * The pool as a Vite plugin. It sets `test.pool`, binds the manifest before the first test, and refuses to run where
 * another pool took its place: `--pool=threads` on the command line silently replaces the config's. It also refuses to
 * run in a config with `test.projects` if no project extends the config.
 */
export function seccomp(options: SeccompOptions = {}): SeccompPlugin {
  refuseOld()
  // Options that Vitest 3 leaves to its pools are Vitest's own options in 4 and 5.
  const parsed = thisVitest.pool.parse(options)
  const policies: Policies = new WeakMap()
  const pool = makePool(parsed, policies)
  const test = thisVitest.pool.named(options, () => pool)
  return {
    name: PLUGIN,
    config() {
      warmUp()
      // Vite 7 and 8 start threads for Less and Sass, in which no read can be checked against its module
      // (gate/reads.ts).
      return { test, css: { preprocessorMaxWorkers: 0 } }
    },
    configureServer: (server) => () => {
      if (confinesNothing(server, PLUGIN)) throw new PluginUnusedError()
    },
    async configureVitest(context) {
      const { project } = context
      noteProject()
      takeOver(project, pool)
      const asked = thisVitest.pool.asked?.(project.vitest)
      if (asked !== undefined && !thisVitest.pool.isOurs(asked)) throw new PoolReplacedError(asked)
      const { pool: actual } = project.config
      if (!thisVitest.pool.isOurs(actual)) throw new PoolReplacedError(String(actual))
      reportAtEnd(project, parsed, 'the options of seccomp()')
      keepUnseen(context)
      const isMerge = project.vitest.config.mergeReports !== undefined
      const { expectedLaunch } = thisVitest.launch
      // It loads while the broker process starts.
      const prestarting = isMerge ? undefined : expectedLaunch && import('./prestart.js')
      const missing = await whatIsMissing()
      if (isMerge) {
        // Merging reports runs no test, so any machine can do it.
        if (missing.length === 0) guardMerge(project, parsed)
        return
      }
      if (missing.length > 0) {
        if (parsed.onUnsupported === 'error') throw new UnsupportedError(missing)
        return
      }
      const policy = policyOf(policies, project, parsed)
      if (expectedLaunch === undefined || prestarting === undefined) return
      const { prestart } = await prestarting
      await prestart(policy, expectedLaunch(project))
    },
  }
}

/**
 * Puts an inline project into the pool. In Vitest 5 such a project shares the server and the plugins of the config that
 * declares it, but not what their `config` hooks set. A pool that the project or the command line names stays.
 */
function takeOver(project: TestProject, pool: SeccompPool & PoolRunnerInitializer): void {
  const { config } = project
  // The property is not in the types of Vitest 4.
  if (Reflect.get(project, 'sharedViteServer') !== true || config.pool !== DEFAULT_POOL) return
  config.pool = pool.name
  config.poolRunner = pool
}

/**
 * Keeps modules out of Vitest's cache on disk that are made before there is a worker, by the global setup: what is read for
 * them, nobody judges, and a worker would get them from there.
 */
function keepUnseen(context: { readonly project: TestProject }): void {
  // Vitest 5 has the first, Vitest 4.1 only the second.
  const names = ['defineCacheKeyGenerator', 'experimental_defineCacheKeyGenerator']
  const define: unknown = names.map((name): unknown => Reflect.get(context, name)).find((one) => one !== undefined)
  if (typeof define !== 'function') return
  const isOwn = (one: ViteEnvironment): boolean => Object.values(context.project.vite.environments).includes(one)
  const key = ({ environment }: { readonly environment: ViteEnvironment }): false | undefined =>
    isOwn(environment) && !isWatched(environment) ? false : undefined
  Reflect.apply(define, undefined, [key])
}

/** The pool as a config would name it. `record` uses it where the config names none. */
export function poolByName(options: PoolOptions): NamedPool {
  return thisVitest.pool.named(options, () => seccompPool(options))
}

/** Vitest's own pools whose tests run the same in this one. */
const ALIKE: ReadonlySet<unknown> = new Set(['forks', 'threads'])

/** True if `record` can run a project in this pool although its config names another. */
export function canTakeOver({ config: { pool, browser } }: TestProject): boolean {
  return ALIKE.has(pool) && !browser.enabled
}

/**
 * Puts every project that can run there into the pool, whatever its config says. Must be called before the first test.
 */
export function takeOverAll(projects: readonly TestProject[], pool: NamedPool): void {
  for (const { config } of projects.filter(canTakeOver)) Object.assign(config, thisVitest.pool.resolved(config, pool))
}
