/** Makes the gate's view of a Vitest project. Only this file of the gate looks into Vitest and Vite. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { distDir, type TestProject } from 'vitest/node'
import { thisVitest } from '../versions/running.js'
import { withheldFrom, type EnvRule } from '../worker-env.js'
import { configuredModules } from './configured.js'
import { isMappedFrame } from './frame-files.js'
import { judgeOwnModule, judgeOwnRead } from './judge-read.js'
import { loadLightningCss } from './lightning-css.js'
import { PlantedSettings, type TsconfigUse } from './planted.js'
import { isInTrees, type GateEnvironment, type GateProject } from './project.js'
import { isFields } from './values.js'
import { forRunner, loadByPlugin, ownName, serveContent, viteModule } from './vite-modules.js'
import { walk } from './walk.js'
import { watchEnvironment, watchServer, type ReadJudges } from './watched-environment.js'
import { withholding } from './withheld.js'
import type { Writes } from './writes.js'

export function gateProject(
  project: TestProject,
  trees: readonly string[],
  coverageDir: string | undefined,
  writes: Writes,
  env: EnvRule | undefined,
): GateProject {
  const { config } = project
  const { modules } = thisVitest
  const environments = new Map<string, GateEnvironment>()
  const hide = withholding(project.name, withheldFrom(project.vite.config.env, project, env))
  const all = [
    ...new Set([...trees, join(distDir, '..')].filter((tree) => existsSync(tree)).map((tree) => realpathSync(tree))),
  ]
  const made: GateProject = {
    name: project.name,
    pool: String(config.pool),
    root: config.root,
    coverageDir,
    trees: all,
    configured: new Set([
      ...configuredModules(namedIn(project), config.root, (real) => isInTrees(real, { trees: all })),
      // No worker requests these, so that they are followed wherever they lead.
      ...configuredModules([config.globalSetup], config.root, () => false),
    ]),
    publicDir: project.vite.config.publicDir,
    extensions: (project.vite.config.resolve.extensions ?? []).filter((extension) => !extension.startsWith('.json')),
    attachmentsDir: resolve(config.root, config.attachmentsDir),
    viteModuleRunner:
      !('experimental' in config) ||
      !(config.experimental instanceof Object) ||
      !('viteModuleRunner' in config.experimental) ||
      config.experimental.viteModuleRunner !== false,
    depsCache: modules.depsCache(project),
    besides: modules.besides(project),
    hide,
    bail: config.bail ?? 0,
    environment(name) {
      const known = environments.get(name)
      if (known !== undefined) return known
      const environment = modules.environment(project, name)
      if (environment === undefined) return undefined
      const watched = watchEnvironment(environment, judges)
      const gated: GateEnvironment = {
        name,
        reads: watched.reads,
        resolve: (url, importer) => modules.resolve(environment, url, importer),
        nameOf: (url, id) => ownName(environment, url, id),
        load: (id) => loadByPlugin(environment, id),
        plainly: async (url, importer, { id, file, text }) => {
          const at = await modules.urlOf(environment, url, importer)
          return modules.answer({ id, file, url: at, ...(await forRunner(text, at)) })
        },
        serve: async (url, importer, content) =>
          serveContent(watched, await modules.urlOf(environment, url, importer), content),
      }
      environments.set(name, gated)
      return gated
    },
    compilesStyle: (file) => compilesStyle(config.css, file),
    failedTests: () => project.vitest.state.getCountOfFailedTests(),
    hasFailed: (taskId) => project.vitest.state.idMap.get(taskId)?.result?.state === 'fail',
    isThrough(file) {
      // The property is not in Vitest's types. If it is missing, the worker of a cancelled run is ended instead of
      // believed.
      if (Reflect.get(project.vitest, 'isCancelling') === true) return true
      const task = project.vitest.state.getFiles([file]).find(({ projectName }) => (projectName ?? '') === project.name)
      return task !== undefined && (task.mode === 'skip' || task.mode === 'todo' || ENDS.has(task.result?.state ?? ''))
    },
    fileOf(taskId) {
      const file = project.vitest.state.idMap.get(taskId)?.file
      return file !== undefined && (file.projectName ?? '') === project.name ? file.filepath : undefined
    },
    // Vitest 5 puts the label of a blob into it.
    idOf: (file) => project.createSpecification(file).taskId,
    takeId: (file) => takeId(made.idOf(file), file, project),
  }
  const judges: ReadJudges = {
    own: (path) => judgeOwnRead(path, made, writes),
    module: (path) => judgeOwnModule(path, made, writes),
    planted: new PlantedSettings(made, writes, tsconfigUse(project.vite.config)),
    hide,
  }
  const isTest = (real: string): boolean => project.vitest.state.filesMap.has(real)
  for (const config of new Set([project.config, project.vitest.config]))
    filterFrames(config, (file) => isMappedFrame(file, made, writes, isTest))
  for (const dir of contentDirs(project)) writes.addContent(walk(dir).real)
  if (project.vite.config.css.transformer === 'lightningcss') loadLightningCss(viteModule())
  // All environments are watched, because the modules of a coverage report may come through any of them.
  watchServer(project.vite, judges)
  return made
}

type StackFiltering = Pick<TestProject['config'], 'onStackTrace'>
const filters = new WeakMap<StackFiltering, ((file: string) => boolean)[]>()

/** Removes the frames that no project permits. Vitest asks for each frame once it has been mapped. */
function filterFrames(config: StackFiltering, isFine: (file: string) => boolean): void {
  const known = filters.get(config)
  if (known !== undefined) return void known.push(isFine)
  const projects = [isFine]
  filters.set(config, projects)
  const { onStackTrace } = config
  config.onStackTrace = (error, frame) =>
    projects.some((permits) => permits(frame.file)) ? onStackTrace?.(error, frame) : false
}

/** The directories of attachments: where Vitest copies them, and where its HTML reporter does so once more. */
function contentDirs({ config, vitest }: TestProject): string[] {
  const { outputFile, reporters, root } = vitest.config
  const { html, reporterDirs } = thisVitest
  const options: unknown[] = [reporters]
    .flat()
    .flatMap((one) => (Array.isArray(one) && one[0] === 'html' ? [one[1]] : []))
  const named = options.map((one) => (isFields(one) ? one[html.option] : undefined))
  const general = typeof outputFile === 'string' ? outputFile : outputFile?.html
  const dirs = html.option === 'outputDir' ? named : [...named, general].map((file) => isText(file) && dirname(file))
  // Runs without that option may have left some, too.
  const reports = [...dirs, reporterDirs.html].filter((dir) => isText(dir))
  return [resolve(config.root, config.attachmentsDir), ...reports.map((dir) => resolve(root, dir, html.attachments))]
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

interface IdHolder {
  readonly filepath: string
  readonly projectName?: string | undefined
}

/** The test files of all projects, by id. */
const holders = new WeakMap<TestProject['vitest'], Map<string, IdHolder>>()

/**
 * Takes an id for a test file, unless another has it. An id has 32 bits of the path and the project's name, so a test
 * may have written a file with the id of another: Vitest would take the results of one for those of the other.
 */
function takeId(id: string, file: string, { name, vitest }: TestProject): string | undefined {
  const taken = holders.get(vitest) ?? new Map<string, IdHolder>()
  holders.set(vitest, taken)
  // Vitest itself knows those that other pools run.
  const others = [taken.get(id), vitest.state.idMap.get(id)?.file].filter((holder) => holder !== undefined)
  const other = others.find(({ filepath, projectName }) => filepath !== file || (projectName ?? '') !== name)
  if (other === undefined) taken.set(id, { filepath: file, projectName: name })
  return other?.filepath
}

const ENDS: ReadonlySet<string> = new Set(['pass', 'fail', 'skip'])

/** True if Vitest compiles a style sheet: packages/vitest/src/node/plugins/cssEnabler.ts. */
function compilesStyle(css: TestProject['config']['css'], file: string): boolean {
  if (css === undefined || typeof css === 'boolean') return css === true
  const matches = (patterns: unknown): boolean =>
    [patterns].flat().some((pattern) => pattern instanceof RegExp && pattern.test(file))
  return !matches(css.exclude) && matches(css.include)
}

/** The files that the config names. */
function namedIn({ config }: TestProject): readonly unknown[] {
  return [
    config.setupFiles,
    config.snapshotSerializers,
    config.runner,
    config.diff,
    config.environment,
    config.snapshotEnvironment,
  ]
}

/** Vite 8 alone has these options. */
function tsconfigUse({ resolve: resolving, ...config }: TestProject['vite']['config']): TsconfigUse {
  const file: unknown = Reflect.get(config, 'tsconfig')
  return {
    file: typeof file === 'string' ? resolve(config.root, file) : undefined,
    resolves: Reflect.get(resolving, 'tsconfigPaths') === true,
  }
}
