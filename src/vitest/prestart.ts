/**
 * The first process, started while Vitest is still setting up: by what Vitest will ask of its pool, as far as that can be known
 * before. A guess that does not come out is thrown away, and costs a process that nobody used.
 */
import { distDir } from 'vitest/node'
import { launchFor } from './launch.js'
import { sparesOf } from './prepared.js'
import type { ProjectPolicy } from './project-policy.js'
import type { ExpectedLaunch } from './versions/adapter.js'
import { passedEnv } from './worker-env.js'

/** For the first test file of a project, should there be one. Resolves when it is on its way. */
export async function prestart(policy: ProjectPolicy, { execArgv, env }: ExpectedLaunch): Promise<void> {
  const { project } = policy
  const { vitest, config } = project
  // No worker of ours will be asked for, or not soon.
  const hasOthers = config.projects !== undefined && config.projects.length > 0
  if (hasOthers || config.browser.enabled || config.typecheck.only || vitest.config.standalone) return
  await policy.resolveHosts()
  const spares = sparesOf(policy)
  vitest.onClose(() => spares.close())
  spares.prestart(launchFor({ execArgv, env: passedEnv(env, project, policy.options.env), distPath: distDir }))
}
