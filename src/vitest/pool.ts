/** `pool: seccompPool({ … })`, and the plugin that makes sure that it is what runs. */
import type { PoolRunnerInitializer, TestProject } from 'vitest/node'
import { PoolReplacedError, UnsupportedError, WorkerStartError } from '../errors.js'
import type { ParsedOptions, PoolOptions } from '../policy/manifest.js'
import { parseOptions } from '../policy/schema.js'
import { ChoosingWorker, POLICY, POOL_NAME } from './choosing-worker.js'
import { reportAtEnd } from './end-of-run.js'
import { checkVitest } from './gate/startup.js'
import { withManifest } from './manifest-file.js'
import { ProjectPolicy } from './project-policy.js'
import { forRecording } from './recording.js'
import { whatIsMissing } from './support.js'

/**
 * A Vitest pool whose workers can use exactly what `options.manifest` declares, enforced by the Linux kernel.
 *
 * Throws a ManifestError that lists every mistake in the options at once.
 */
export function seccompPool(options: PoolOptions = {}): PoolRunnerInitializer {
  const parsed = parseOptions(options)
  const policies = new WeakMap<TestProject, ProjectPolicy>()
  const pool: PoolRunnerInitializer = {
    name: POOL_NAME,
    createPoolWorker: (given) => new ChoosingWorker(given, parsed, () => policyOf(policies, given.project, parsed)),
  }
  Object.defineProperty(pool.createPoolWorker, POLICY, { value: (project: TestProject) => policyOf(policies, project, parsed) })
  bound.set(pool, async (project) => {
    const missing = await whatIsMissing()
    if (missing.length === 0) void policyOf(policies, project, parsed)
    else if (parsed.onUnsupported === 'error') throw new UnsupportedError(missing)
  })
  return pool
}

/** For the plugin: binds a project's manifest at the start of the run, so that every mistake is found before a test runs. */
const bound = new WeakMap<object, (project: TestProject) => Promise<void>>()

function policyOf(policies: WeakMap<TestProject, ProjectPolicy>, project: TestProject, options: ParsedOptions): ProjectPolicy {
  const known = policies.get(project)
  if (known !== undefined) return known
  // Without the plugin it is each test file that fails: the list is for one of them.
  if (faulty.has(project)) throw new WorkerStartError('options', 'they have mistakes, which the first of these errors lists')
  faulty.add(project)
  checkVitest(project)
  reportAtEnd(project)
  const made = new ProjectPolicy(project, forRecording(withManifest(options, project.config.root)))
  faulty.delete(project)
  policies.set(project, made)
  return made
}

const faulty = new WeakSet<TestProject>()

/** As much of a Vite plugin as is used here; the hooks are Vitest's. */
export interface SeccompPlugin {
  readonly name: string
  readonly config: () => { test: { pool: PoolRunnerInitializer } }
  readonly configureVitest: (context: { readonly project: TestProject }) => Promise<void>
}

/**
 * The pool as a Vite plugin: sets `test.pool`, binds the manifest before the first test, and refuses to run where
 * another pool took its place: `--pool=threads` on the command line silently replaces the config's.
 */
export function seccomp(options: PoolOptions = {}): SeccompPlugin {
  const pool = seccompPool(options)
  return {
    name: 'vitest-pool-seccomp',
    config: () => ({ test: { pool } }),
    async configureVitest({ project }) {
      const { pool: actual } = project.config
      if (actual !== POOL_NAME) throw new PoolReplacedError(String(actual))
      await bound.get(pool)?.(project)
    },
  }
}
