/** A worker that was prepared and that no test file needed: modules of execArgv ran in it as in any other. */
import type { AccessEvent } from '../policy/event.js'
import { failRun } from './exit-code.js'
import type { ProjectPolicy } from './project-policy.js'
import { textOf } from './violation-text.js'
import { violationOf } from './violations.js'

/** Tells what was refused to it, which no test file's result can contain. `tmp`: its temporary directory. */
export function tellUnused(policy: ProjectPolicy, tmp: string, events: readonly AccessEvent[]): void {
  const { mode, onViolation } = policy.options
  if (mode === 'audit') return
  const context = { suggest: policy.suggestContext(tmp), mode, resources: [], otherFilesWith: () => [] }
  // An event with a site adds the place to one before.
  const violations = events.flatMap((event) => (event.site === undefined ? (violationOf(event, context) ?? []) : []))
  if (violations.length === 0) return
  const { vitest } = policy.project
  if (onViolation === 'fail') failRun(vitest)
  vitest.logger.error(`seccomp: in a worker that was prepared, and that no test file needed\n${textOf(violations)}\n`)
}
