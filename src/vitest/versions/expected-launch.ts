import { isatty } from 'node:tty'
import { distDir, viteVersion, type TestProject } from 'vitest/node'
import { preloadOf } from '../../project/vitest-modules.js'
import type { ExpectedLaunch } from './adapter.js'

/**
 * The launch that Vitest will ask for: createPool and resolveOptions of packages/vitest/src/node/pool.ts, Vitest 4.1
 * and 5.
 */
export function expectedLaunch(project: TestProject): ExpectedLaunch {
  return { execArgv: execArgvOf(project), env: envOf(project) }
}

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
    preloadOf(distDir),
    ...fitting.flatMap((condition) => ['--conditions', condition]),
    ...config.execArgv,
  ]
}

function envOf({ config, vitest }: TestProject): Partial<NodeJS.ProcessEnv> {
  return {
    ...process.env,
    TEST: 'true',
    VITEST: 'true',
    NODE_ENV: process.env.NODE_ENV ?? 'test',
    VITEST_MODE: vitest.config.watch ? 'WATCH' : 'RUN',
    FORCE_TTY: isatty(1) ? 'true' : '',
    ...vitest.config.env,
    ...config.env,
  }
}
