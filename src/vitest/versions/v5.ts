/** Vitest 5: as Vitest 4, with modules fetched ahead, benchmarks in tests, and coverage in files. */
import { readBenchmark, writeBenchmark } from '../gate/check-files.js'
import { fetchWarmModules, noteDependencies, prewarm } from '../gate/check-modules.js'
import { benchmarked } from '../gate/check-tasks.js'
import { CAPS } from '../gate/size.js'
import type { VitestAdapter } from './adapter.js'
import { expectedLaunch } from './expected-launch.js'
import { objectOf, v4 } from './v4.js'

export const v5: VitestAdapter = {
  ...v4,
  tested: ['5.0', '5.1'],
  methods: {
    ...v4.methods,
    fetchWarmModules: {
      cap: CAPS.names,
      why: 'hands over modules that other workers imported',
      check: () => fetchWarmModules,
    },
    prewarmModuleGraph: { cap: CAPS.names, why: 'transforms whatever a file imports', check: () => prewarm },
    onTestModuleDependencies: {
      since: '5.1',
      cap: CAPS.names,
      why: 'decides which tests a later run leaves out',
      check: () => noteDependencies,
    },
    onTestBenchmark: { cap: CAPS.large, why: 'forges results of other tests', check: () => benchmarked },
    readBenchmarkResult: {
      cap: CAPS.small,
      why: 'reads any JSON below the root, and through links',
      check: () => readBenchmark,
    },
    writeBenchmarkResult: {
      cap: CAPS.large,
      why: 'writes JSON anywhere below the root, and through links',
      check: () => writeBenchmark,
    },
  },
  launch: {
    ...v4.launch,
    expectedLaunch(project) {
      const { execArgv, env } = expectedLaunch(project)
      const { coverage } = project.vitest.config
      if (!coverage.enabled || coverage.provider === 'istanbul') return { execArgv, env }
      // V8's coverage needs source positions that the compile cache does not keep.
      const { NODE_COMPILE_CACHE: _, ...rest } = env
      return { execArgv, env: { ...rest, NODE_DISABLE_COMPILE_CACHE: '1' } }
    },
  },
  pool: {
    ...v4.pool,
    asked({ config }) {
      // The property is not in the types of Vitest 4.
      const options: unknown = Reflect.get(config, 'cliOptions')
      const pool: unknown = options instanceof Object ? Reflect.get(options, 'pool') : undefined
      return typeof pool === 'string' ? pool : undefined
    },
  },
  transformCache: (config) => Reflect.get(config, 'fsModuleCachePath'),
  plugins: {
    startedWith: (config) => objectOf(Reflect.get(config, 'test')),
    // By then every project is known, with its plugins.
    confinesNothing(options, plugin) {
      const projects: unknown = Reflect.get(options, 'resolvedProjects')
      return Array.isArray(projects) && !projects.some((project) => hasPlugin(project, plugin))
    },
  },
  listensSoon: () => undefined,
  coverage: 'by file',
  reporterDirs: { blob: '.vitest', html: '.vitest', json: '.vitest', junit: '.vitest' },
  html: { option: 'outputDir', attachments: 'attachments' },
  results: ['results.json', 'dependencies.json'],
}

function hasPlugin(project: unknown, plugin: string): boolean {
  const config = objectOf(Reflect.get(objectOf(project) ?? {}, 'viteConfig')) ?? {}
  const plugins: unknown = Reflect.get(config, 'plugins')
  return Array.isArray(plugins) && plugins.some((one) => Reflect.get(objectOf(one) ?? {}, 'name') === plugin)
}
