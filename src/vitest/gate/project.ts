/** The gate's view of a Vitest project: an interface, so that tests of the checks can implement it. */
import { isWithin } from '../../policy/canonical.js'
import { bytePath } from '../../policy/request.js'
import type { ModuleReads } from './reads.js'

export interface GateProject {
  readonly name: string
  /** `config.pool`: its name, or in Vitest 3 its module. */
  readonly pool: string
  /** `config.root`: Vitest resolves relative paths against it. */
  readonly root: string
  /** The trees that modules may be imported from: root, workspace, node_modules, Vitest's own files. Real paths. */
  readonly trees: readonly string[]
  /** Modules that the config itself names, wherever they are. */
  readonly configured: ReadonlySet<string>
  /** The directory where Vite looks for `/name` beside the root; '' for none. */
  readonly publicDir: string
  /** Further extensions that the config takes for modules. */
  readonly extensions: readonly string[]
  readonly attachmentsDir: string
  readonly coverageDir: string | undefined
  /** True if workers load modules through Vite. Otherwise Vitest only notes the modules that Node loads. */
  readonly viteModuleRunner: boolean
  /** Vitest 3: the directory of optimized packages, relative to the root; '' for none. */
  readonly depsCache: string
  /** Environments that tests may use besides their own. */
  readonly besides: ReadonlySet<string>
  /** The text of a module without the values of variables that the options keep from workers. */
  readonly hide: (code: string) => string
  readonly bail: number
  environment(name: string): GateEnvironment | undefined
  /** True if style sheets are compiled. Otherwise Vitest empties them before anything parses them. */
  compilesStyle(file: string): boolean
  failedTests(): number
  hasFailed(taskId: string): boolean
  /** True if a test file has a final result, or needs none because the run is being cancelled. */
  isThrough(file: string): boolean
  /** The test file that a task belongs to; undefined for a task that nobody collected, or one of another project. */
  fileOf(taskId: string): string | undefined
  /** The id that Vitest gives a test file. */
  idOf(file: string): string
  /** Takes its id for a test file. Returns the path of another file of the run that has the same one. */
  takeId(file: string): string | undefined
}

/** True if a real path lies in a tree that modules may be imported from. */
export function isInTrees(real: string, { trees }: Pick<GateProject, 'trees'>): boolean {
  return trees.some((tree) => isWithin(bytePath(real), bytePath(tree)))
}

export interface GateEnvironment {
  readonly name: string
  /** The reads for the modules of this environment. */
  readonly reads: ModuleReads
  /** The module behind a URL, as Vitest will resolve it; undefined if it never becomes a module of Vite. */
  resolve(url: string, importer: string | undefined): Promise<string | undefined>
  /** The name to ask Vite by for a module that a URL leads to. */
  nameOf(url: string, id: string): string
  /** The text that a plugin makes of an id by itself; undefined if none does. */
  load(id: string): Promise<string | undefined>
  /** Makes an answer of a text, for the worker's module runner alone: Vite keeps nothing of it. */
  plainly(url: string, importer: string | undefined, module: PlainModule): Promise<unknown>
  /** Makes a module of this content, so that Vite need not open the file. The URL leads to this module from then on. */
  serve(url: string, importer: string | undefined, content: ModuleContent): Promise<void>
}

interface PlainModule {
  readonly id: string
  readonly file: string
  readonly text: string
}

export interface ModuleContent {
  readonly id: string
  readonly source: string
  readonly as: 'script' | 'style' | 'json' | 'raw'
  /** A value that changes whenever the content may have changed. */
  readonly version: string
}
