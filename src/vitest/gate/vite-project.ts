/** Makes the gate's view of a Vitest project. Only this file of the gate looks into Vitest and Vite. */
import { existsSync, realpathSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { distDir, generateFileHash, type TestProject } from 'vitest/node'
import { thisVitest } from '../versions/running.js'
import { configuredModules } from './configured.js'
import { judgeOwnRead } from './judge-read.js'
import { PlantedSettings } from './planted.js'
import { isInTrees, type GateEnvironment, type GateProject } from './project.js'
import { loadByPlugin, serveContent } from './vite-modules.js'
import { watchEnvironment, watchServer, type ReadJudges } from './watched-environment.js'
import type { Writes } from './writes.js'

export function gateProject(
  project: TestProject,
  trees: readonly string[],
  coverageDir: string | undefined,
  writes: Writes,
): GateProject {
  const { config } = project
  const { modules } = thisVitest
  const environments = new Map<string, GateEnvironment>()
  const all = [
    ...new Set([...trees, join(distDir, '..')].filter((tree) => existsSync(tree)).map((tree) => realpathSync(tree))),
  ]
  const made: GateProject = {
    name: project.name,
    root: config.root,
    coverageDir,
    trees: all,
    configured: new Set(configuredModules(namedIn(project), config.root, (real) => isInTrees(real, { trees: all }))),
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
        load: (id) => loadByPlugin(environment, id),
        serve: async (url, importer, content) =>
          serveContent(watched, await modules.urlOf(environment, url, importer), content),
      }
      environments.set(name, gated)
      return gated
    },
    compilesStyle: (file) => compilesStyle(config.css, file),
    failedTests: () => project.vitest.state.getCountOfFailedTests(),
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
    idOf: (file) => generateFileHash(relative(config.root, file), project.name),
  }
  const judges: ReadJudges = {
    own: (path) => judgeOwnRead(path, made, writes),
    planted: new PlantedSettings(made, writes),
  }
  // All environments are watched, because the modules of a coverage report may come through any of them.
  watchServer(project.vite, judges)
  return made
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
