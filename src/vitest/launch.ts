/** Turns what Vitest asks of a pool into the launch of a process. */
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { builtFile } from '../broker/built.js'
import { thisVitest } from './versions/running.js'
import type { WorkerLaunch } from './worker-process.js'

interface LaunchAsked extends Pick<WorkerLaunch, 'execArgv' | 'env'> {
  /** The `dist` directory of Vitest. */
  readonly distPath: string
}

export function launchFor({ execArgv, env, distPath }: LaunchAsked): WorkerLaunch {
  const { runner, runtime, early } = thisVitest.launch
  return {
    execArgv,
    env,
    vitestDir: dirname(distPath),
    runner: pathToFileURL(join(distPath, runner)).href,
    runtime: pathToFileURL(builtFile(runtime)).href,
    early: early(distPath),
  }
}
