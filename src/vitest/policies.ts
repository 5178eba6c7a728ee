/** The policy of each project, made once. */
import { resolve } from 'node:path'
import type { TestProject } from 'vitest/node'
import { WorkerStartError } from '../errors.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { reportAtEnd } from './end-of-run.js'
import { checkVitest } from './gate/startup.js'
import { manifestText, withManifest } from './manifest-file.js'
import { ProjectPolicy } from './project-policy.js'
import { forRecording, sayIfRecording } from './recording.js'

/** With the text of the manifest file that it was made of: in watch mode that may change. */
interface Made {
  readonly policy: ProjectPolicy
  readonly text: string | undefined
}

export type Policies = WeakMap<TestProject, Made>

/** Throws a ManifestError that lists every entry that cannot be bound. */
export function policyOf(policies: Policies, project: TestProject, options: ParsedOptions): ProjectPolicy {
  const { root } = project.config
  const text = manifestText(options, root)
  const known = policies.get(project)
  if (known !== undefined && known.text === text) return known.policy
  // Without the plugin it is each test file that fails: the list is for one of them.
  if (faulty.get(project)?.text === text && faulty.has(project)) throw new WorkerStartError('options', 'they have mistakes, which the first of these errors lists')
  faulty.set(project, { text })
  if (known === undefined) beginWith(project, options)
  const policy = new ProjectPolicy(project, forRecording(withManifest(options, text)))
  faulty.delete(project)
  policies.set(project, { policy, text })
  return policy
}

function beginWith(project: TestProject, options: ParsedOptions): void {
  const { manifestFile } = options
  checkVitest(project)
  sayIfRecording(project)
  reportAtEnd(project, options)
  if (manifestFile !== undefined) project.vitest.config.forceRerunTriggers.push(resolve(project.config.root, manifestFile))
}

const faulty = new WeakMap<TestProject, Pick<Made, 'text'>>()
