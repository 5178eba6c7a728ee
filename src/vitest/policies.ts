/** The policy of each project, made once per manifest. */
import { join, resolve } from 'node:path'
import type { TestProject } from 'vitest/node'
import { TMP_NAME } from '../broker/tmp.js'
import { ManifestError, WorkerStartError } from '../errors.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { tellAudit } from './audit.js'
import { POLICY } from './choosing-worker.js'
import { reportAtEnd } from './end-of-run.js'
import { failRun } from './exit-code.js'
import { guardFiles } from './gate/guarded-files.js'
import { watchProject, writesOf } from './gate/open.js'
import { checkVitest } from './gate/startup.js'
import type { Writes } from './gate/writes.js'
import { manifestText, withManifest } from './manifest-file.js'
import { checkOutputs } from './outputs.js'
import { ProjectPolicy } from './project-policy.js'
import { forRecording } from './recording.js'
import { tellSockets } from './sockets-told.js'
import { realTmpdir } from './tmpdir.js'
import { thisVitest } from './versions/running.js'

/** A policy, with the text of the manifest file that it was made from: in watch mode the file may change. */
interface BoundProject {
  readonly policy: ProjectPolicy
  readonly text: string | undefined
}

export type Policies = WeakMap<TestProject, BoundProject>

/** The project's policy. Throws a ManifestError that lists every entry that cannot be bound. */
export function policyOf(policies: Policies, project: TestProject, options: ParsedOptions): ProjectPolicy {
  const { root } = project.config
  const text = manifestText(options, root)
  const known = policies.get(project)
  if (known !== undefined && known.text === text) return known.policy
  // Without the plugin, each test file asks for the policy and fails. The list of mistakes is shown for the first one
  // only.
  if (faulty.get(project)?.text === text && faulty.has(project))
    throw new WorkerStartError('options', 'they have mistakes, which the first of these errors lists')
  faulty.set(project, { text })
  if (known === undefined) beginWith(project, options)
  const policy = new ProjectPolicy(project, forRecording(withManifest(options, text, root)))
  const writes = writesOf(policy, join(realTmpdir(), TMP_NAME))
  checkOutputs(project, writes)
  guard(project, writes)
  faulty.delete(project)
  policies.set(project, { policy, text })
  // Then Vitest transforms test files, and what they import, before there is a worker.
  const { changed, related } = project.vitest.config
  if ((changed ?? false) !== false || related !== undefined) watchProject(policy)
  tellAudit(policy)
  tellSockets(policy)
  if (policy.warnings.length > 0)
    project.vitest.logger.warn(
      `vitest-pool-seccomp: not on this machine, and refused where a test uses it:\n${policy.warnings.map((line) => `  ${line}`).join('\n')}\n`,
    )
  return policy
}

/**
 * Guards the files of a run that merges reports. It has no worker, but tests of the runs before may have made links where
 * it writes.
 */
export function guardMerge(project: TestProject, options: ParsedOptions): void {
  const { root } = project.config
  const policy = new ProjectPolicy(project, withManifest(options, manifestText(options, root), root))
  guard(project, writesOf(policy, join(realTmpdir(), TMP_NAME)))
}

function guard({ vitest }: TestProject, writes: Writes): void {
  guardFiles(writes, (why) => {
    failRun(vitest)
    vitest.logger.error(`vitest-pool-seccomp: refused to Vitest's own process: ${why}`)
  })
}

/**
 * Makes the policies of all projects in this pool before the first worker of any. A worker must not put a link where
 * the entries of another project lead, so those must be known. Mistakes in another project's entries are reported by
 * that project's own files.
 */
export function prepareAll({ vitest }: TestProject): void {
  if (areAllPrepared.has(vitest.state)) return
  areAllPrepared.add(vitest.state)
  for (const project of vitest.projects) {
    try {
      policyMaker(project)?.(project)
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error
      faulty.delete(project)
    }
  }
}

/** By Vitest's state: in watch mode, a changed config brings other projects, and a state of its own. */
const areAllPrepared = new WeakSet<TestProject['vitest']['state']>()

/** The policy maker of the pool that a project runs in; undefined for a pool that is not ours. */
export function policyMaker({ config }: TestProject): ((project: TestProject) => ProjectPolicy) | undefined {
  const make: unknown =
    config.poolRunner === undefined ? undefined : Reflect.get(config.poolRunner.createPoolWorker, POLICY)
  // Only pool.ts of the same version of the package sets it.
  return typeof make === 'function' ? (make as (project: TestProject) => ProjectPolicy) : undefined
}

function beginWith(project: TestProject, options: ParsedOptions): void {
  const { manifestFile } = options
  checkVitest(project)
  reportAtEnd(project, options, thisVitest.pool.options)
  if (manifestFile !== undefined)
    project.vitest.config.forceRerunTriggers.push(resolve(project.config.root, manifestFile))
}

const faulty = new WeakMap<TestProject, Pick<BoundProject, 'text'>>()
