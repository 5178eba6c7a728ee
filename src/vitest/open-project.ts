/** Loads a config as a run would, without running a test, for `explain` and `record`. */
import { createVitest, parseCLI, type TestProject, type Vitest } from 'vitest/node'
import { refuseOld } from './gate/startup.js'
import { policyMaker, policyOf } from './policies.js'
import type { ProjectPolicy } from './project-policy.js'
import { thisVitest } from './versions/running.js'

interface OpenProject {
  readonly project: TestProject
  /**
   * Makes the project's policy; undefined where the project runs in another pool. Throws a ManifestError for mistakes
   * in the manifest.
   */
  readonly policy: (() => ProjectPolicy) | undefined
}

interface OpenRun extends AsyncDisposable {
  readonly vitest: Vitest
  readonly projects: readonly OpenProject[]
}

/** Opens the run. `args` are those of Vitest's command line. Throws an OldVitestError, whatever the config holds. */
export async function openRun(args: readonly string[]): Promise<OpenRun> {
  refuseOld()
  const { options } = parseCLI(['vitest', ...args])
  preparedEnvironment()
  const vitest = await createVitest('test', { ...options, watch: false, run: true })
  const projects = vitest.projects.map((project): OpenProject => {
    const make = makerOf(project)
    return { project, policy: make === undefined ? undefined : () => make(project) }
  })
  return { vitest, projects, [Symbol.asyncDispose]: () => vitest.close() }
}

/**
 * Sets the variables that prepareVitest sets: packages/vitest/src/node/cli/cli-api.ts. Without them Vite would use its
 * mode as NODE_ENV.
 */
export function preparedEnvironment(): void {
  process.env.TEST = 'true'
  process.env.VITEST = 'true'
  process.env.NODE_ENV ??= 'test'
}

/** The policy maker of a project in this pool; undefined for a project in another pool. */
export function makerOf(project: TestProject): ((project: TestProject) => ProjectPolicy) | undefined {
  const { isOurs, optionsOf } = thisVitest.pool
  if (optionsOf === undefined) return policyMaker(project)
  return isOurs(project.config.pool) ? () => policyOf(new WeakMap(), project, optionsOf(project)) : undefined
}
