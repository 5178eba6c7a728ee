/** Reports, for `mode: 'audit'`, that the run enforced nothing, and what enforcing would have refused. */
import { relative } from 'node:path'
import type { TestModule, TestProject, Vitest } from 'vitest/node'
import { showPath } from '../policy/request.js'
import { suggest } from '../policy/suggest.js'
import { showAddress } from '../policy/words.js'
import { allowanceText, type FileViolations } from './allowance.js'
import { addReporter, speakLast } from './end-of-run.js'
import type { ProjectPolicy } from './project-policy.js'
import { recordingDir } from './recording.js'
import { ledgerOf, type FileAccesses } from './run-ledger.js'
import type { Violation } from './violations.js'

class AuditReporter {
  /** One policy per project: under Vitest 3 the plugin and the pool make one each. */
  readonly policies = new Map<TestProject, ProjectPolicy>()
  readonly reporter = speakLast((modules) => this.#tell(modules))

  constructor(readonly vitest: Vitest) {}

  #tell(modules: readonly TestModule[]): void {
    for (const [project, policy] of this.policies) {
      const files = new Map(
        modules
          .filter((module) => module.project.name === project.name)
          .map(({ moduleId }) => [moduleId, relative(project.config.root, moduleId)]),
      )
      const entries = ledgerOf(this.vitest).files.filter((entry) => entry.project === project && files.has(entry.file))
      const refused = entries.map((entry): FileViolations => ({
        file: files.get(entry.file) ?? entry.file,
        violations: wouldBeRefused(entry, policy),
      }))
      const { manifestFile } = policy.options
      this.vitest.logger.error(auditText(refused, files.size, project.name, manifestFile))
    }
  }
}

function wouldBeRefused({ accesses, tmp }: FileAccesses, policy: ProjectPolicy): readonly Violation[] {
  const places = policy.suggestContext(tmp)
  return accesses.flatMap(({ request, outcome, reason, call, operation, there, asked }): Violation[] => {
    if (outcome !== 'denied' || reason === undefined || request.kind === 'pair') return []
    const directory = there === 'directory' || operation === 'create-directory'
    return [
      {
        call,
        access: request.access,
        resource: request.kind === 'path' ? showPath(request.path) : showAddress(request.address),
        suggestion: suggest({ ...places, directory, ...(asked === undefined ? {} : { asked }) }, request, reason),
        message: '',
      },
    ]
  })
}

const HEAD = " seccomp  mode 'audit': NOTHING WAS REFUSED IN THIS RUN"

export function auditText(
  refused: readonly FileViolations[],
  filesInRun: number,
  project: string,
  manifestFile?: string,
): string {
  const block = allowanceText(refused, filesInRun, project, { manifestFile })
  if (block === undefined) return `${HEAD}, and enforced nothing would have been.\n`
  return `${HEAD}. Enforced, there would have been:\n${block}`
}

const reporters = new WeakMap<Vitest, AuditReporter>()

/**
 * Makes the end of the run report what enforcing would have refused. A recording also allows everything, but `record`
 * itself reports on that.
 */
export function tellAudit(policy: ProjectPolicy): void {
  const {
    options: { mode },
    project,
  } = policy
  if (mode !== 'audit' || recordingDir() !== undefined) return
  const { vitest } = project
  const reporter = reporters.get(vitest) ?? new AuditReporter(vitest)
  reporters.set(vitest, reporter)
  reporter.policies.set(project, policy)
  addReporter(vitest, reporter.reporter)
}
