/**
 * The differences between the major versions of Vitest: one implementation each, v3.ts, v4.ts and v5.ts. What every version reads
 * alike, or what is judged by the readings of all of them (frames in a stack), is in no adapter.
 */
import type { TestProject, Vitest } from 'vitest/node'
import type { ParsedOptions, PoolOptions } from '../../policy/manifest.js'
import type { RpcMethods } from '../gate/methods.js'
import type { ViteEnvironment } from '../gate/vite-modules.js'
import type { SeccompPool } from '../pool.js'

export interface VitestAdapter {
  /** Minor versions that the tests run with, the oldest first. */
  readonly tested: readonly `${number}.${number}`[]
  /** Every method that Vitest's main process answers: createMethodsRPC. */
  readonly methods: RpcMethods
  readonly modules: ModuleAdapter
  readonly launch: LaunchAdapter
  readonly pool: PoolAdapter
  /** The way that coverage comes from workers: written to files, or sent (`onAfterSuiteRun`). */
  readonly coverage: 'by file' | 'by message'
  /** The option that says where transformed modules are kept, in the config of a project or of the run. */
  transformCache(config: object): unknown
  /** Finds a config that names projects none of which takes over its plugins. */
  readonly plugins: PluginAdapter
  /** The hook of a reporter in which Vitest's own print their summary. */
  readonly summary: 'onTestRunEnd' | 'onFinished'
  /** By name of a reporter: the directory that it writes to if nothing else is said. */
  readonly reporterDirs: { readonly [reporter: string]: string }
}

/** Asked in Vite's hook after all others. `options`: those that the run was started with, which are in no type of Vitest's. */
interface PluginAdapter {
  /** The options, in the config of Vite's server; undefined for a config that the run does not start with. */
  startedWith(config: object): object | undefined
  /** True if projects were named, and none of them has this plugin. `isInUse`: a project was given it. */
  confinesNothing(options: object, plugin: string, isInUse: boolean): boolean
}

/** How `fetch` comes from what a worker names to a module of Vite's. */
interface ModuleAdapter {
  /** Vite's environment by the name that a worker gives; undefined where there is none. */
  environment(project: TestProject, given: string): ViteEnvironment | undefined
  /** The module behind a URL; undefined for what never becomes a module of Vite's. */
  resolve(environment: ViteEnvironment, url: string, importer: string | undefined): Promise<string | undefined>
  /** The URL by which Vite is asked for the module. */
  urlOf(environment: ViteEnvironment, url: string, importer: string | undefined): Promise<string>
  /** Where optimized packages lie, relative to the root; '' for nowhere. */
  depsCache(project: TestProject): string
  /** Environments that tests use whatever their own is, by what is installed. */
  besides(project: TestProject): ReadonlySet<string>
}

/** By what a worker is started. */
interface LaunchAdapter {
  /** Vitest's module that runs tests in a worker: a file of its `dist`. */
  readonly runner: string
  /** Ours around it: a file of src/child, as built. */
  readonly runtime: `${string}.js`
  /** More of Vitest's own modules that every worker loads sooner or later, as file: URLs. */
  early(distPath: string): readonly string[]
  /** For what a project's pool will be asked, as far as it is known before; without it, the pool decides that itself. */
  readonly expectedLaunch?: (project: TestProject) => ExpectedLaunch
}

export interface ExpectedLaunch {
  readonly execArgv: readonly string[]
  readonly env: Partial<NodeJS.ProcessEnv>
}

/** The shape of `test.pool`. */
interface PoolAdapter {
  /** The name or path of a pool whose default export Vitest calls, or an object that makes workers. */
  readonly takes: 'path' | 'object'
  /** Where a config without the plugin has the options, in words. */
  readonly options: string
  /** Throws a ManifestError for mistakes in the options of the pool. */
  parse(options: unknown): ParsedOptions
  /** The pool, as a config has it. */
  named(options: PoolOptions, make: () => SeccompPool): NamedPool
  /** The pool that `--pool` on the command line names, where Vitest leaves the plugin's pool in its place all the same. */
  readonly asked?: (vitest: Vitest) => string | undefined
  /** True if `test.pool` came to be this pool. */
  isOurs(pool: unknown): boolean
  /** The options of a project in this pool, where they stand in its config. Throws a ManifestError. */
  readonly optionsOf?: (project: TestProject) => ParsedOptions
  /** As resolveConfig would have set it, had the config named this pool: packages/vitest/src/node/config/resolveConfig.ts. */
  resolved(config: object, pool: NamedPool): object
}

export interface NamedPool {
  readonly pool: string | SeccompPool
  readonly poolOptions?: object
}
