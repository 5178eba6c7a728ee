/**
 * Starts the first process while Vitest is still setting up, with the launch that Vitest will probably ask for. If the
 * guess is wrong, the process is thrown away, which costs one process start.
 */
import { distDir } from 'vitest/node'
import { launchFor } from './launch.js'
import { sparesOf } from './prepared.js'
import type { ProjectPolicy } from './project-policy.js'
import type { ExpectedLaunch } from './versions/adapter.js'
import { passedEnv } from './worker-env.js'

/** Starts a process for the first test file of a project, if there may be one. Resolves when the start is under way. */
export async function prestart(policy: ProjectPolicy, { execArgv, env }: ExpectedLaunch): Promise<void> {
  const { project } = policy
  const { vitest, config } = project
  // No worker of this pool will be needed, or not soon.
  const hasOthers = config.projects !== undefined && config.projects.length > 0
  if (hasOthers || config.browser.enabled || config.typecheck.only || vitest.config.standalone) return
  await policy.resolveHosts()
  sparesOf(policy).prestart(
    launchFor({ execArgv, env: passedEnv(env, project, policy.options.env), distPath: distDir }),
  )
}
