import { dirname, join } from 'node:path'
/**
 * The first process, started while Vitest is still setting up: by what Vitest will ask of its pool, as far as that can be known
 * before. A guess that does not come out is thrown away, and costs a process that nobody used.
 */
import { isatty } from 'node:tty'
import { distDir, version, viteVersion, type TestProject } from 'vitest/node'
import type { ParsedOptions } from '../policy/manifest.js'
import { launchFor } from './launch.js'
import { sparesOf } from './prepared.js'
import type { ProjectPolicy } from './project-policy.js'
import { passedEnv } from './worker-env.js'

const isVitest5 = Number.parseInt(version, 10) >= 5

/** For the first test file of a project, should there be one. Resolves when it is on its way. */
export async function prestart(policy: ProjectPolicy): Promise<void> {
  const { project } = policy
  const { vitest, config } = project
  // No worker of ours will be asked for, or not soon.
  const hasOthers = config.projects !== undefined && config.projects.length > 0
  if (hasOthers || config.browser.enabled || config.typecheck.only || vitest.config.standalone) return
  await policy.resolveHosts()
  const spares = sparesOf(policy)
  vitest.onClose(() => spares.close())
  spares.prestart(launchFor({ execArgv: execArgvOf(project), env: envOf(project, policy.options), distPath: distDir }))
}

/** createPool and resolveOptions of packages/vitest/src/node/pool.ts, Vitest 4.1 and 5. */
function execArgvOf({ config, vite }: TestProject): string[] {
  const profiling = process.execArgv.filter((arg) => /^--(?:cpu-prof|heap-prof|diagnostic-dir)/.test(arg))
  const isNewVite = Number.parseInt(viteVersion, 10) >= 6
  const { isProduction, ssr, resolve } = vite.config
  const mode = isProduction ? 'production' : 'development'
  const conditions = isNewVite ? (ssr.resolve?.conditions ?? []) : ['production', 'development', ...resolve.conditions]
  const fitting = [...new Set(conditions)]
    .filter((condition) => !/^(?:production|development)$/.test(condition) || condition === mode)
    .map((condition) => (isNewVite && condition === 'development|production' ? mode : condition))
  return [
    ...profiling,
    '--experimental-import-meta-resolve',
    '--require',
    join(dirname(distDir), 'suppress-warnings.cjs'),
    ...fitting.flatMap((condition) => ['--conditions', condition]),
    ...config.execArgv,
  ]
}

function envOf(project: TestProject, { env: rule }: ParsedOptions): Partial<NodeJS.ProcessEnv> {
  const {
    vitest: { config },
  } = project
  const all: Partial<NodeJS.ProcessEnv> = {
    ...process.env,
    TEST: 'true',
    VITEST: 'true',
    NODE_ENV: process.env.NODE_ENV ?? 'test',
    VITEST_MODE: config.watch ? 'WATCH' : 'RUN',
    FORCE_TTY: isatty(1) ? 'true' : '',
    ...config.env,
    ...project.config.env,
  }
  // Vitest 5: V8's coverage needs positions that the compile cache does not keep.
  if (isVitest5 && config.coverage.enabled && config.coverage.provider !== 'istanbul') {
    delete all.NODE_COMPILE_CACHE
    all.NODE_DISABLE_COMPILE_CACHE = '1'
  }
  return passedEnv(all, project, rule)
}
