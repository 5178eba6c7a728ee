/** The spare processes of each project. */
import type { TestProject } from 'vitest/node'
import type { ProjectPolicy } from './project-policy.js'
import { wantsLedger } from './run-ledger.js'
import { Spares } from './spares.js'
import { hasPreloads, WorkerProcess } from './worker-process.js'

const spares = new WeakMap<ProjectPolicy, Spares<WorkerProcess>>()

/** The spares of one policy, whose workers are all alike. */
export function sparesOf(policy: ProjectPolicy): Spares<WorkerProcess> {
  const known = spares.get(policy)
  if (known !== undefined) return known
  const made = new Spares<WorkerProcess>({
    start: (launch) => WorkerProcess.start(policy, launch, wantsLedger(policy.options)),
    filesAhead: (launch, begun) => (launch.lane === undefined ? filesAhead(policy.project, begun) : 0),
    // What is preloaded may be edited before the next run.
    mayKeep: (launch) => launch.lane === undefined && policy.project.vitest.config.watch && !hasPreloads(launch),
  })
  policy.project.vitest.onClose(() => made.close())
  spares.set(policy, made)
  return made
}

/**
 * The number of test files that still need a process of their own: none where files share a process. Reruns of a
 * watched project are not foreseen, because their files have begun before.
 */
function filesAhead(project: TestProject, begun: ReadonlySet<string>): number {
  const { vitest, config } = project
  if (config.isolate === false) return 0
  const paths = vitest.state.getPaths().filter((path) => !begun.has(path))
  return vitest.projects.length <= 1 ? paths.length : paths.filter((path) => project.matchesTestGlob(path)).length
}
