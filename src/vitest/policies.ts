/** The policy of each project, made once. */
import type { TestProject } from 'vitest/node'
import { WorkerStartError } from '../errors.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { reportAtEnd } from './end-of-run.js'
import { checkVitest } from './gate/startup.js'
import { withManifest } from './manifest-file.js'
import { ProjectPolicy } from './project-policy.js'
import { forRecording } from './recording.js'

export type Policies = WeakMap<TestProject, ProjectPolicy>

/** Throws a ManifestError that lists every entry that cannot be bound. */
export function policyOf(policies: Policies, project: TestProject, options: ParsedOptions): ProjectPolicy {
  const known = policies.get(project)
  if (known !== undefined) return known
  // Without the plugin it is each test file that fails: the list is for one of them.
  if (faulty.has(project)) throw new WorkerStartError('options', 'they have mistakes, which the first of these errors lists')
  faulty.add(project)
  checkVitest(project)
  reportAtEnd(project, options)
  const made = new ProjectPolicy(project, forRecording(withManifest(options, project.config.root)))
  faulty.delete(project)
  policies.set(project, made)
  return made
}

const faulty = new WeakSet<TestProject>()
