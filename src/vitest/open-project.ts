/** A config as a run would load it, without running anything: what `explain` and `record` go by. */
import { createVitest, parseCLI, type TestProject, type Vitest } from 'vitest/node'
import { POLICY } from './choosing-worker.js'
import { policyOf } from './policies.js'
import { isVitest3Pool } from './pool.js'
import type { ProjectPolicy } from './project-policy.js'
import { poolOptionsOf } from './v3/options.js'

export interface OpenProject {
  readonly project: TestProject
  /** Undefined where the project runs in another pool. Throws a ManifestError for a manifest with mistakes. */
  readonly policy: (() => ProjectPolicy) | undefined
}

export interface OpenRun extends AsyncDisposable {
  readonly vitest: Vitest
  readonly projects: readonly OpenProject[]
}

/** `args`: as on Vitest's command line. */
export async function openRun(args: readonly string[]): Promise<OpenRun> {
  const { options } = parseCLI(['vitest', ...args])
  const vitest = await createVitest('test', { ...options, watch: false, run: true })
  const projects = vitest.projects.map((project): OpenProject => {
    const policyOf = policyMaker(project)
    return { project, policy: policyOf === undefined ? undefined : () => policyOf(project) }
  })
  return { vitest, projects, [Symbol.asyncDispose]: () => vitest.close() }
}

function policyMaker({ config }: TestProject): ((project: TestProject) => ProjectPolicy) | undefined {
  if (isVitest3Pool(config.pool)) return (project) => policyOf(new WeakMap(), project, poolOptionsOf(project).options)
  const make: unknown = config.poolRunner === undefined ? undefined : Reflect.get(config.poolRunner.createPoolWorker, POLICY)
  // Only pool.ts, of this version of the package, sets it.
  return typeof make === 'function' ? make as (project: TestProject) => ProjectPolicy : undefined
}
