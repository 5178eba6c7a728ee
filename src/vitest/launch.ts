/** What Vitest 4 and 5 ask of their pools, as what a process is started by. */
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PoolOptions as VitestPoolOptions } from 'vitest/node'
import { earlyModules } from './early-modules.js'
import type { WorkerLaunch } from './worker-process.js'

export function launchFor({
  execArgv,
  env,
  distPath,
}: Pick<VitestPoolOptions, 'execArgv' | 'env' | 'distPath'>): WorkerLaunch {
  return {
    execArgv,
    env,
    vitestDir: dirname(distPath),
    runner: pathToFileURL(join(distPath, 'worker.js')).href,
    early: earlyModules(distPath),
  }
}
