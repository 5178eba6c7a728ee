/**
 * `pool: 'vitest-pool-seccomp/vitest3'`: the pool for Vitest 3, which leaves scheduling to its pools. What runs when is as in
 * createForksPool of packages/vitest/src/node/pools/forks.ts.
 */
import { version, type TestProject, type Vitest } from 'vitest/node'
import { UnsupportedError, WrongVitestError } from '../../errors.js'
import { policyOf, type Policies } from '../policies.js'
import type { ProjectPolicy } from '../project-policy.js'
import { whatIsMissing } from '../support.js'
import { warnUnconfined } from '../unconfined.js'
import { passedEnv } from '../worker-env.js'
import { config3, vitest3, type PoolStart, type ProcessPool, type Spec } from './api.js'
import { groups, jobsOf, joined, type Job } from './jobs.js'
import { parsePoolOptions, poolOptionsOf, schedulingOf, type Scheduling } from './options.js'
import { Cancelled, Schedule } from './schedule.js'
import { startProcess } from './start.js'
import { TestWorker3, type Run } from './worker.js'

export const POOL_NAME = 'seccomp'

type Parsed = ReturnType<typeof parsePoolOptions>

/** Vitest asks for the pool anew for each run, and closes the one that it got first. */
const pools = new WeakMap<Vitest, Pool>()

/** What Vitest 3 calls. Throws a ManifestError for mistakes in the options of the root. */
export function seccompPool3(vitest: Vitest, start: PoolStart): ProcessPool {
  if (!version.startsWith('3.')) throw new WrongVitestError('3', version)
  const pool = pools.get(vitest) ?? new Pool(vitest, start, () => void pools.delete(vitest))
  pools.set(vitest, pool)
  return pool
}

class Pool implements ProcessPool {
  readonly name = POOL_NAME
  readonly #scheduling: Scheduling
  readonly #schedule: Schedule<Run>
  readonly #workers = new Set<TestWorker3>()
  readonly #options = new WeakMap<TestProject, Parsed>()
  readonly #policies: Policies = new WeakMap()
  readonly #inForce = new WeakMap<TestProject, ProjectPolicy>()
  #workerId = 0

  constructor(
    readonly vitest: Vitest,
    readonly begin: PoolStart,
    readonly forget: () => void,
  ) {
    const config = config3(vitest)
    this.#scheduling = schedulingOf(parsePoolOptions(config.poolOptions?.seccomp).own, config, process.env)
    this.#schedule = new Schedule<Run>({
      ...this.#scheduling,
      keepsReady: config.watch,
      kindOf: ({ job }) => job.project,
      start: (kind, id) => this.#start(kind, id),
    })
  }

  runTests(specs: readonly Spec[], invalidates: readonly string[] = []): Promise<void> {
    return this.#run('run', specs, invalidates)
  }

  collectTests(specs: readonly Spec[], invalidates: readonly string[] = []): Promise<void> {
    return this.#run('collect', specs, invalidates)
  }

  async close(): Promise<void> {
    this.forget()
    await this.#schedule.close()
  }

  async #run(method: Run['method'], specs: readonly Spec[], invalidates: readonly string[]): Promise<void> {
    await this.#check(specs)
    vitest3(this.vitest).onCancel((reason) => {
      this.#schedule.cancel()
      for (const worker of this.#workers) worker.cancel(reason)
    })
    const runs = (jobs: readonly Job[]): Promise<PromiseSettledResult<void>[]> =>
      Promise.allSettled(jobs.map((job) => this.#runJob(method, job, invalidates)))
    const isSingle = ({ project }: Spec): boolean => this.#optionsOf(project).own.singleFork === true
    const jobs = await jobsOf(specs.filter((spec) => !isSingle(spec)))
    const results = this.#scheduling.isolate ? await runs(jobs) : await this.#runShared(jobs, runs)
    for (const job of joined(await jobsOf(specs.filter(isSingle)))) {
      await this.#schedule.recycle()
      results.push(...(await runs([job])))
    }
    const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
    if (errors.length > 0)
      throw new AggregateError(
        errors,
        'Errors occurred while running tests. For more information, see serialized error.',
      )
  }

  /** Files that share a process still have one of their own project and environment. */
  async #runShared(
    jobs: readonly Job[],
    runs: (jobs: readonly Job[]) => Promise<PromiseSettledResult<void>[]>,
  ): Promise<PromiseSettledResult<void>[]> {
    const results: PromiseSettledResult<void>[] = []
    for (const group of groups(jobs, ({ project, environment }) =>
      JSON.stringify([project.name, environment.name, environment.options]),
    )) {
      results.push(...(await runs(group)))
      await this.#schedule.recycle()
    }
    return results
  }

  /** Every mistake is found before the first test runs. */
  async #check(specs: readonly Spec[]): Promise<void> {
    const missing = await whatIsMissing()
    for (const project of new Set(specs.map((spec) => spec.project))) {
      const { options } = this.#optionsOf(project)
      if (missing.length === 0) await this.#enforce(project, policyOf(this.#policies, project, options))
      else if (options.onUnsupported === 'error') throw new UnsupportedError(missing)
      else warnUnconfined(this.vitest, missing)
    }
  }

  async #enforce(project: TestProject, policy: ProjectPolicy): Promise<void> {
    const before = this.#inForce.get(project) ?? policy
    this.#inForce.set(project, policy)
    // Workers that were kept ready have what the manifest file gave them before it was changed.
    if (before !== policy) await this.#schedule.recycle()
    await policy.resolveHosts()
  }

  async #runJob(method: Run['method'], job: Job, invalidates: readonly string[]): Promise<void> {
    const { vitest } = this
    const paths = job.files.map(({ filepath }) => filepath)
    const { state } = vitest3(vitest)
    state.clearFiles(job.project, paths)
    try {
      await this.#schedule.run({ method, job, context: this.#contextOf(job, invalidates) })
    } catch (error) {
      if (!(error instanceof Cancelled) || !vitest3(vitest).isCancelling) throw error
      state.cancelFiles(paths, job.project)
    }
  }

  #contextOf({ project, files, environment }: Job, invalidates: readonly string[]): object {
    const { options, own } = this.#optionsOf(project)
    const config = project.serializedConfig
    return {
      // Vitest's worker asks only whether it is the process of one test file.
      pool: 'forks',
      config: {
        ...config,
        env: passedEnv(config.env, project, options.env),
        pool: 'forks',
        poolOptions: {
          ...config3({ config }).poolOptions,
          forks: { isolate: this.#scheduling.isolate, singleFork: own.singleFork === true },
        },
      },
      files,
      environment,
      invalidates,
      workerId: ++this.#workerId,
      projectName: project.name,
      providedContext: project.getProvidedContext(),
    }
  }

  async #start(kind: object, id: number): Promise<TestWorker3> {
    // kindOf says so.
    const project = kind as TestProject
    const { options } = this.#optionsOf(project)
    const launch = {
      execArgv: [...this.#scheduling.execArgv, ...this.begin.execArgv],
      env: { ...passedEnv(this.begin.env, project, options.env), TINYPOOL_WORKER_ID: String(id) },
    }
    const isConfined = (await whatIsMissing()).length === 0
    const policy = isConfined ? policyOf(this.#policies, project, options) : undefined
    const worker = await TestWorker3.start(project, (events) => startProcess(project, policy, launch, events))
    this.#workers.add(worker)
    void worker.ended.then(() => this.#workers.delete(worker))
    return worker
  }

  #optionsOf(project: TestProject): Parsed {
    const known = this.#options.get(project)
    if (known !== undefined) return known
    const parsed = poolOptionsOf(project)
    this.#options.set(project, parsed)
    return parsed
  }
}
