/**
 * The differences between the major versions of Vitest, with one implementation for each: v3.ts, v4.ts and v5.ts.
 * Adapters leave out what every version reads alike, and what is judged by the rules of all versions together (frames
 * in a stack).
 */
import type { TestProject, Vitest } from 'vitest/node'
import type { ParsedOptions, PoolOptions } from '../../policy/manifest.js'
import type { RpcMethods } from '../gate/methods.js'
import type { ViteEnvironment } from '../gate/vite-modules.js'
import type { SeccompPool } from '../pool.js'

export interface VitestAdapter {
  /** The minor versions that the tests run with, oldest first. */
  readonly tested: readonly `${number}.${number}`[]
  /** Every method that Vitest's main process answers: createMethodsRPC. */
  readonly methods: RpcMethods
  readonly modules: ModuleAdapter
  readonly launch: LaunchAdapter
  readonly pool: PoolAdapter
  /** The server of Vite's that listens only after workers have begun to start; undefined if there is none. */
  listensSoon(vitest: Vitest): unknown
  /** The way in which workers deliver coverage: in files, or by message (`onAfterSuiteRun`). */
  readonly coverage: 'by file' | 'by message'
  /** The option with the directory of transformed modules, in the config of a project or of the run. */
  transformCache(config: object): unknown
  /** Finds a config with projects of which none extends it. */
  readonly plugins: PluginAdapter
  /** The hook in which Vitest's own reporters print their summary. */
  readonly summary: 'onTestRunEnd' | 'onFinished'
  /** The default output directory of each reporter, by its name. */
  readonly reporterDirs: { readonly [reporter: string]: string }
  readonly html: HtmlReporter
  /** The files with results of a run, below the directory for caches. */
  readonly results: readonly string[]
}

interface HtmlReporter {
  /** Its option for the place of the report: a file, in whose directory all else is written, or a directory. */
  readonly option: 'outputFile' | 'outputDir'
  /** The directory, beside the report, that it copies attachments into. */
  readonly attachments: string
}

/** Called in Vite's last hook. `options` are those that the run was started with; no type of Vitest has them. */
interface PluginAdapter {
  /** The options in the config of Vite's server; undefined for a config that the run does not start with. */
  startedWith(config: object): object | undefined
  /** True if projects were named, but none has this plugin. `isInUse`: a project was given to the plugin. */
  confinesNothing(options: object, plugin: string, isInUse: boolean): boolean
}

/** A module, converted for a module runner. */
interface Fetched {
  readonly id: string
  readonly file: string
  readonly url: string
  readonly code: string
  /** Its source map: JSON in base64. */
  readonly map: string
}

/** The way in which `fetch` gets from the name that a worker sends to a module of Vite. */
interface ModuleAdapter {
  /** Vite's environment with the name that a worker sent; undefined if there is none. */
  environment(project: TestProject, given: string): ViteEnvironment | undefined
  /** The module behind a URL; undefined if it never becomes a module of Vite. */
  resolve(environment: ViteEnvironment, url: string, importer: string | undefined): Promise<string | undefined>
  /** The URL by which Vite is asked for the module. */
  urlOf(environment: ViteEnvironment, url: string, importer: string | undefined): Promise<string>
  /** The answer to `fetch` for a module that Vite does not have. */
  answer(module: Fetched): unknown
  /** The directory of optimized packages, relative to the root; '' if there is none. */
  depsCache(project: TestProject): string
  /** Environments that tests may use besides their own. They depend on the installed packages. */
  besides(project: TestProject): ReadonlySet<string>
}

/** The modules and arguments that a worker is started with. */
interface LaunchAdapter {
  /** Vitest's module that runs tests in a worker: a file in its `dist`. */
  readonly runner: string
  /** This package's module around it: a built file of src/child. */
  readonly runtime: `${string}.js`
  /** More of Vitest's own modules that every worker loads sooner or later, as file: URLs. */
  early(distPath: string): readonly string[]
  /**
   * The launch that the project's pool will be asked for, as far as it can be known before. Without this method, the
   * pool decides it itself.
   */
  readonly expectedLaunch?: (project: TestProject) => ExpectedLaunch
}

export interface ExpectedLaunch {
  readonly execArgv: readonly string[]
  readonly env: Partial<NodeJS.ProcessEnv>
}

/** The shape of `test.pool`. */
interface PoolAdapter {
  /**
   * The kind of value that Vitest expects: the name or path of a pool whose default export it calls, or an object that
   * makes workers.
   */
  readonly takes: 'path' | 'object'
  /** The place of the options in a config without the plugin, in words. */
  readonly options: string
  /** Parses the pool's options. Throws a ManifestError for mistakes. */
  parse(options: unknown): ParsedOptions
  /** The pool as written in a config. */
  named(options: PoolOptions, make: () => SeccompPool): NamedPool
  /** The pool that `--pool` on the command line names, where Vitest keeps the plugin's pool all the same. */
  readonly asked?: (vitest: Vitest) => string | undefined
  /** True if the resolved `test.pool` is this pool. */
  isOurs(pool: unknown): boolean
  /** The options of a project in this pool, where its config has them. Throws a ManifestError. */
  readonly optionsOf?: (project: TestProject) => ParsedOptions
  /**
   * The config values that resolveConfig would have set if the config had named this pool:
   * packages/vitest/src/node/config/resolveConfig.ts.
   */
  resolved(config: object, pool: NamedPool): object
}

export interface NamedPool {
  readonly pool: string | SeccompPool
  readonly poolOptions?: object
}
