/** Vitest 3: modules come through vite-node, and pools do their own scheduling (src/vitest/v3). */
import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import type { TestProject } from 'vitest/node'
import { codeOf } from '../../errors.js'
import { packageDir } from '../../project/root.js'
import { RUNNER_3 } from '../../project/vitest-modules.js'
import { rebuildAnnotation } from '../gate/artifacts-told.js'
import { fetchByVitest3 } from '../gate/check-modules-3.js'
import { resolveModule, unused } from '../gate/check-modules.js'
import { afterSuiteRun, attached, COMMON_METHODS } from '../gate/methods.js'
import { CAPS } from '../gate/size.js'
import { isFields } from '../gate/values.js'
import { environmentNamed, withMap } from '../gate/vite-modules.js'
import { parsePoolOptions, poolOptionsOf } from '../v3/options.js'
import type { VitestAdapter } from './adapter.js'
import { v4 } from './v4.js'

/** The modes of vite-node, each of which is an environment of Vite. */
const MODES: { readonly [mode: string]: string } = { ssr: 'ssr', web: 'client' }

const POOL = join(packageDir, 'vitest3.js')

export const v3: VitestAdapter = {
  tested: ['3.2'],
  methods: {
    ...COMMON_METHODS,
    fetch: { cap: CAPS.specifier, why: 'reads, transforms and hands over any file', check: () => fetchByVitest3 },
    resolveId: {
      cap: CAPS.specifier,
      why: 'tells which files exist, and where links lead',
      check: () => resolveModule,
    },
    getSourceMap: {
      cap: CAPS.specifier,
      why: 'as fetch, and makes Vite load modules anew',
      check: () => unused("no worker of Vitest 3 asks for a source map: it comes with the module's code"),
    },
    onTaskAnnotate: attached(rebuildAnnotation),
    onAfterSuiteRun: afterSuiteRun('transformMode'),
  },
  modules: {
    environment: (project, mode) =>
      Object.hasOwn(MODES, mode) ? environmentNamed(project, MODES[mode] ?? '') : undefined,
    // vite-node asks Vite by the name that it was given, unchanged.
    resolve: async (environment, url) => (await environment.moduleGraph.resolveUrl(url))[1],
    urlOf: (_environment, url) => Promise.resolve(url),
    // packages/vite-node/src/source-map.ts
    answer: (module) => ({ code: withMap(module, 'vite-node', 'charset=utf-8;') }),
    depsCache,
    besides,
  },
  launch: { runner: RUNNER_3, runtime: 'runtime-3.js', early: () => [] },
  pool: {
    takes: 'path',
    options: 'poolOptions.seccomp',
    parse: (options) => parsePoolOptions(options).options,
    named: (options) => ({ pool: POOL, poolOptions: { seccomp: options } }),
    isOurs: (pool) =>
      typeof pool === 'string' && pool.startsWith('/') && existsSync(pool) && realpathSync(pool) === realpathSync(POOL),
    optionsOf: (project) => poolOptionsOf(project).options,
    resolved: (config, { pool, poolOptions }) => ({
      pool,
      poolOptions: { ...Reflect.get(config, 'poolOptions'), ...poolOptions },
    }),
  },
  transformCache: () => undefined,
  plugins: v4.plugins,
  listensSoon: v4.listensSoon,
  coverage: 'by message',
  summary: 'onFinished',
  reporterDirs: { blob: '.vitest-reports', html: 'html' },
  html: { option: 'outputFile', attachments: 'data' },
  results: ['vitest/results.json'],
}

/**
 * Adds `web` if @vitest/web-worker is installed, which asks for the modules of every worker as for those of a page:
 * packages/web-worker/src/runner.ts.
 */
function besides({ config }: TestProject): ReadonlySet<string> {
  try {
    createRequire(join(config.root, 'any')).resolve('@vitest/web-worker')
    return new Set(['web'])
  } catch (error) {
    if (codeOf(error) === 'MODULE_NOT_FOUND') return new Set()
    throw error
  }
}

/**
 * The directory of optimized packages, as packages/vite-node/src/server.ts sets it: the value in `server.deps`, or
 * Vite's own.
 */
function depsCache({ config, vite }: TestProject): string {
  const known = isFields(config.server) && isFields(config.server.deps) ? config.server.deps.cacheDir : undefined
  return typeof known === 'string' ? known : relative(vite.config.root, vite.config.cacheDir)
}
