/** The processes of each project: those that are prepared ahead, and where they come from. */
import type { TestProject } from 'vitest/node'
import type { ProjectPolicy } from './project-policy.js'
import { wantsLedger } from './run-ledger.js'
import { Spares } from './spares.js'
import { WorkerProcess } from './worker-process.js'

const spares = new WeakMap<ProjectPolicy, Spares<WorkerProcess>>()

/** Of one policy: its workers are alike. */
export function sparesOf(policy: ProjectPolicy): Spares<WorkerProcess> {
  const known = spares.get(policy)
  if (known !== undefined) return known
  const made = new Spares<WorkerProcess>({
    start: (launch) => WorkerProcess.start(policy, launch, wantsLedger(policy.options)),
    filesAhead: (launch, begun) => (launch.lane === undefined ? filesAhead(policy.project, begun) : 0),
  })
  spares.set(policy, made)
  return made
}

/** Where files share a process, none is needed ahead. Reruns of a watched project are not foreseen: Vitest knew of them before. */
function filesAhead(project: TestProject, begun: ReadonlySet<string>): number {
  const { vitest, config } = project
  if (config.isolate === false) return 0
  const paths = vitest.state.getPaths().filter((path) => !begun.has(path))
  return vitest.projects.length <= 1 ? paths.length : paths.filter((path) => project.matchesTestGlob(path)).length
}
