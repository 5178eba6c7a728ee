/** The spare processes of each project. */
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { theBroker } from '../broker/client.js'
import { earlyOption } from '../broker/early-code.js'
import { splitNodeOptions } from '../project/node-options.js'
import type { ProjectPolicy } from './project-policy.js'
import { wantsLedger } from './run-ledger.js'
import { Spares } from './spares.js'
import { WorkerProcess, type WorkerLaunch } from './worker-process.js'

const spares = new WeakMap<ProjectPolicy, Spares<WorkerProcess>>()

/** The spares of one policy, whose workers are all alike. */
export function sparesOf(policy: ProjectPolicy): Spares<WorkerProcess> {
  const known = spares.get(policy)
  if (known !== undefined) return known
  const made = new Spares<WorkerProcess>({
    start: (launch) => WorkerProcess.start(policy, launch, wantsLedger(policy.options)),
    filesAhead: (launch, begun) => (launch.lane === undefined ? filesAhead(policy.project, begun) : 0),
    ended: () => theBroker().lookAgain(),
    mayKeep: (launch) => launch.lane === undefined && policy.project.vitest.config.watch && isTimeless(launch),
  })
  policy.project.vitest.onClose(() => made.close())
  // A run may begin before the last worker of the one before has ended.
  policy.project.vitest.onTestsRerun(() => theBroker().lookAgain())
  spares.set(policy, made)
  return made
}

/**
 * True if a process that starts now is no other than one that starts later: its options read no file, which may be
 * edited meanwhile, and open no port.
 */
export function isTimeless({ execArgv, env, vitestDir }: WorkerLaunch): boolean {
  const options = [...execArgv, ...splitNodeOptions(env.NODE_OPTIONS ?? '')]
  return earlyOption(options, [join(vitestDir, 'dist')]) === undefined
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
