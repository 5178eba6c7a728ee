/** A Vitest project, as far as the gate needs to know it. A port: the tests of the checks stand in for it. */
import { isWithin } from '../../policy/canonical.js'
import { bytePath } from '../../policy/request.js'
import type { ModuleReads } from './reads.js'

export interface GateProject {
  readonly name: string
  /** `config.root`, against which Vitest resolves relative paths. */
  readonly root: string
  /** Where modules may be imported from: root, workspace, node_modules, Vitest's own files. Real paths. */
  readonly trees: readonly string[]
  /** Modules that the config itself names, wherever they are. */
  readonly configured: ReadonlySet<string>
  /** Where Vite looks for `/name` beside the root; '' for nowhere. */
  readonly publicDir: string
  /** Endings that the config takes for modules, beside the usual ones. */
  readonly extensions: readonly string[]
  readonly attachmentsDir: string
  readonly coverageDir: string | undefined
  /** True if workers load modules by Vite. Without, Vitest only notes down what Node loads. */
  readonly viteModuleRunner: boolean
  /** Vitest 3: where optimized packages lie, relative to the root; '' for nowhere. */
  readonly depsCache: string
  /** Environments that tests use whatever their own is. */
  readonly besides: ReadonlySet<string>
  readonly bail: number
  environment(name: string): GateEnvironment | undefined
  /** True if style sheets are compiled; otherwise Vitest makes them empty before anything reads what they say. */
  compilesStyle(file: string): boolean
  failedTests(): number
  /** True if a test file has come to its end, or need not any more: the run is being cancelled. */
  isThrough(file: string): boolean
  /** The test file to which a task belongs; undefined for a task that nobody collected, or another project's. */
  fileOf(taskId: string): string | undefined
  /** The id that Vitest gives a test file. */
  idOf(file: string): string
}

/** True if a real path lies in a tree that modules may be imported from. */
export function isInTrees(real: string, { trees }: Pick<GateProject, 'trees'>): boolean {
  return trees.some((tree) => isWithin(bytePath(real), bytePath(tree)))
}

export interface GateEnvironment {
  readonly name: string
  /** The reads for its modules. */
  readonly reads: ModuleReads
  /** The module behind a URL, as Vitest will resolve it; undefined for what never becomes a module of Vite's. */
  resolve(url: string, importer: string | undefined): Promise<string | undefined>
  /** The text that a plugin makes of an id by itself; undefined where none does. */
  load(id: string): Promise<string | undefined>
  /** Has Vite make a module of this content, so that it need not open the file. The URL leads to it from then on. */
  serve(url: string, importer: string | undefined, content: ModuleContent): Promise<void>
}

export interface ModuleContent {
  readonly id: string
  readonly source: string
  readonly as: 'script' | 'style' | 'json' | 'raw'
  /** Changes whenever the content may have. */
  readonly version: string
}
