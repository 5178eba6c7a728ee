/** Vitest 4: modules are Vite's own, and a pool makes one worker at a time. */
import { parseOptions } from '../../policy/schema.js'
import { earlyModules, RUNNER } from '../../project/vitest-modules.js'
import { rebuildArtifact } from '../gate/artifacts-told.js'
import { fetchModule, noteModule, resolveModule } from '../gate/check-modules.js'
import { leaks } from '../gate/check-tasks.js'
import { afterSuiteRun, attached, COMMON_METHODS } from '../gate/methods.js'
import { CAPS } from '../gate/size.js'
import { environmentNamed, fullUrl, resolveAsVitest, withMap } from '../gate/vite-modules.js'
import { POOL_NAME } from '../pool-name.js'
import type { VitestAdapter } from './adapter.js'
import { expectedLaunch } from './expected-launch.js'

export const v4: VitestAdapter = {
  tested: ['4.1'],
  methods: {
    ...COMMON_METHODS,
    fetch: { cap: CAPS.specifier, why: 'reads, transforms and hands over any file', check: () => fetchModule },
    resolve: { cap: CAPS.specifier, why: 'tells which files exist, and where links lead', check: () => resolveModule },
    ensureModuleGraphEntry: {
      cap: CAPS.specifier,
      why: 'lets any file be printed beneath an error',
      check: () => noteModule,
    },
    onAsyncLeaks: { cap: CAPS.large, why: 'prints the file that a stack names', check: ({ frames }) => leaks(frames) },
    onTaskArtifactRecord: attached(rebuildArtifact),
    onAfterSuiteRun: afterSuiteRun('environment'),
  },
  modules: {
    environment: environmentNamed,
    resolve: resolveAsVitest,
    urlOf: fullUrl,
    // FetchResult of Vite: packages/vite/src/shared/invokeMethods.ts; src/node/ssr/fetchModule.ts.
    answer: ({ id, file, url, ...made }) => ({
      id,
      file,
      url,
      code: withMap(made, 'vite-generated', ''),
      invalidate: false,
    }),
    depsCache: () => '',
    besides: () => new Set(),
  },
  launch: { runner: RUNNER, runtime: 'runtime.js', early: earlyModules, expectedLaunch },
  pool: {
    takes: 'object',
    options: 'the options of seccompPool()',
    parse: parseOptions,
    named: (_options, make) => ({ pool: make() }),
    isOurs: (pool) => pool === POOL_NAME,
    resolved: (_config, { pool }) => ({ pool: typeof pool === 'string' ? pool : pool.name, poolRunner: pool }),
  },
  transformCache: (config) => Reflect.get(objectOf(Reflect.get(config, 'experimental')) ?? {}, 'fsModuleCachePath'),
  plugins: {
    // Vitest keeps these options in the config that the run starts with, and in no other. A project's own `test` may
    // name projects, too.
    startedWith: (config) => objectOf(Reflect.get(config, '_vitest')),
    // By then every project has loaded its plugins.
    confinesNothing: (options, _plugin, isInUse) =>
      !isInUse && ['projects', 'workspace'].some((key) => Array.isArray(Reflect.get(options, key))),
  },
  // In watch mode, a changed config makes another server, which tests do not wait for.
  listensSoon: (vitest) => ((vitest.config.api.port ?? 0) > 0 ? Reflect.get(vitest, '_vite') : undefined),
  coverage: 'by message',
  summary: 'onTestRunEnd',
  reporterDirs: { blob: '.vitest-reports', html: 'html' },
  html: { option: 'outputFile', attachments: 'data' },
  results: ['vitest/results.json'],
}

export function objectOf(value: unknown): object | undefined {
  return typeof value === 'object' && value !== null ? value : undefined
}
