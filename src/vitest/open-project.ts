/** A config as a run would load it, without running anything: what `explain` and `record` go by. */
import { createVitest, parseCLI, type TestProject, type Vitest } from 'vitest/node'
import { policyMaker, policyOf } from './policies.js'
import type { ProjectPolicy } from './project-policy.js'
import { thisVitest } from './versions/running.js'

interface OpenProject {
  readonly project: TestProject
  /** Undefined where the project runs in another pool. Throws a ManifestError for a manifest with mistakes. */
  readonly policy: (() => ProjectPolicy) | undefined
}

interface OpenRun extends AsyncDisposable {
  readonly vitest: Vitest
  readonly projects: readonly OpenProject[]
}

/** `args`: as on Vitest's command line. */
export async function openRun(args: readonly string[]): Promise<OpenRun> {
  const { options } = parseCLI(['vitest', ...args])
  preparedEnvironment()
  const vitest = await createVitest('test', { ...options, watch: false, run: true })
  const projects = vitest.projects.map((project): OpenProject => {
    const make = makerOf(project)
    return { project, policy: make === undefined ? undefined : () => make(project) }
  })
  return { vitest, projects, [Symbol.asyncDispose]: () => vitest.close() }
}

/** As prepareVitest does: packages/vitest/src/node/cli/cli-api.ts. Vite would take its mode for NODE_ENV. */
export function preparedEnvironment(): void {
  process.env.TEST = 'true'
  process.env.VITEST = 'true'
  process.env.NODE_ENV ??= 'test'
}

/** How a project of ours makes its policy; undefined for one in another pool. */
export function makerOf(project: TestProject): ((project: TestProject) => ProjectPolicy) | undefined {
  const { isOurs, optionsOf } = thisVitest.pool
  if (optionsOf === undefined) return policyMaker(project)
  return isOurs(project.config.pool) ? () => policyOf(new WeakMap(), project, optionsOf(project)) : undefined
}
