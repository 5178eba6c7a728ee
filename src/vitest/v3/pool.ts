/**
 * `pool: 'vitest-pool-seccomp/vitest3'`: the pool for Vitest 3, which leaves scheduling to its pools. The schedule is
 * that of createForksPool in packages/vitest/src/node/pools/forks.ts.
 */
import { randomUUID } from 'node:crypto'
import { version, type TestProject, type Vitest } from 'vitest/node'
import { theBroker } from '../../broker/client.js'
import { TURN } from '../../broker/worker.js'
import { UnsupportedError, WorkerStartError, WrongVitestError } from '../../errors.js'
import { failFiles, withoutStack } from '../failed-files.js'
import { refuseOld } from '../gate/startup.js'
import { policyOf, type Policies } from '../policies.js'
import { POOL_NAME } from '../pool-name.js'
import { whatIsMissing } from '../support.js'
import { warnUnconfined } from '../unconfined.js'
import { thisVitest } from '../versions/running.js'
import { passedEnv } from '../worker-env.js'
import { config3, vitest3, type PoolStart, type ProcessPool, type Spec } from './api.js'
import { groups, jobsOf, joined, type Job } from './jobs.js'
import { parsePoolOptions, poolOptionsOf, schedulingOf, type Scheduling } from './options.js'
import { startProcess } from './start.js'
import { TestWorker3, type Run } from './worker.js'

type ParsedPool = ReturnType<typeof parsePoolOptions>

/**
 * One pool for each Vitest instance. Vitest asks for a pool anew in each rerun, but closes only the first one that it
 * got.
 */
const pools = new WeakMap<Vitest, Pool>()

/** The pool for Vitest 3. Throws a ManifestError for mistakes in the options of the root. */
export function seccompPool3(vitest: Vitest, start: PoolStart): ProcessPool {
  refuseOld()
  if (thisVitest.pool.takes !== 'path') throw new WrongVitestError('3', version)
  const pool = pools.get(vitest) ?? new Pool(vitest, start, () => void pools.delete(vitest))
  pools.set(vitest, pool)
  return pool
}

class Pool implements ProcessPool {
  readonly name = POOL_NAME
  readonly #scheduling: Scheduling
  readonly #lane: string = randomUUID()
  readonly #workers = new Set<TestWorker3>()
  readonly #options = new WeakMap<TestProject, ParsedPool>()
  readonly #policies: Policies = new WeakMap()
  #workerId = 0
  #isCancelled = false
  #isConfined = false

  constructor(
    readonly vitest: Vitest,
    readonly begin: PoolStart,
    readonly forget: () => void,
  ) {
    const config = config3(vitest)
    this.#scheduling = schedulingOf(parsePoolOptions(config.poolOptions?.seccomp).own, config, process.env)
  }

  runTests(specs: readonly Spec[], invalidates: readonly string[] = []): Promise<void> {
    return this.#run('run', specs, invalidates)
  }

  collectTests(specs: readonly Spec[], invalidates: readonly string[] = []): Promise<void> {
    return this.#run('collect', specs, invalidates)
  }

  async close(): Promise<void> {
    this.forget()
    await Promise.all([...this.#workers].map((worker) => worker.stop()))
  }

  async #run(method: Run['method'], specs: readonly Spec[], invalidates: readonly string[]): Promise<void> {
    await this.#check(specs)
    this.#isCancelled = false
    vitest3(this.vitest).onCancel((reason) => {
      this.#isCancelled = true
      if (this.#isConfined) theBroker().cancel(this.#lane)
      for (const worker of this.#workers) worker.cancel(reason)
    })
    const isSingle = ({ project }: Spec): boolean => this.#optionsOf(project).own.singleFork === true
    const jobs = await jobsOf(specs.filter((spec) => !isSingle(spec)))
    const results = this.#scheduling.isolate
      ? await this.#runAll([...jobs], method, invalidates)
      : await this.#runShared(jobs, method, invalidates)
    for (const job of joined(await jobsOf(specs.filter(isSingle))))
      results.push(...(await this.#runAll([job], method, invalidates)))
    const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
    if (errors.length > 0)
      throw new AggregateError(
        errors,
        'Errors occurred while running tests. For more information, see serialized error.',
      )
  }

  /** Runs jobs in shared processes. Files share a process only if their project and environment are the same. */
  async #runShared(
    jobs: readonly Job[],
    method: Run['method'],
    invalidates: readonly string[],
  ): Promise<PromiseSettledResult<void>[]> {
    const results: PromiseSettledResult<void>[] = []
    for (const group of groups(jobs, ({ project, environment }) =>
      JSON.stringify([project.name, environment.name, environment.options]),
    ))
      results.push(...(await this.#runAll(group, method, invalidates)))
    return results
  }

  /**
   * Runs jobs in several workers. With a broker, its queue decides when the worker of each job starts; without one,
   * `max` run at a time.
   */
  #runAll(jobs: Job[], method: Run['method'], invalidates: readonly string[]): Promise<PromiseSettledResult<void>[]> {
    const { isolate, max } = this.#scheduling
    const most = isolate && this.#isConfined ? jobs.length : Math.min(max, jobs.length)
    return Promise.allSettled(Array.from({ length: most }, (_, at) => this.#share(jobs, at + 1, method, invalidates)))
  }

  /** Runs jobs until none is left, one worker at a time. Throws the errors at the end. */
  async #share(jobs: Job[], id: number, method: Run['method'], invalidates: readonly string[]): Promise<void> {
    const { isolate, memoryLimit = Infinity } = this.#scheduling
    let worker: TestWorker3 | undefined
    const errors: unknown[] = []
    const rest = async (): Promise<void> => {
      await worker?.stop()
      worker = undefined
    }
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      try {
        vitest3(this.vitest).state.clearFiles(job.project, pathsOf(job))
        if (this.#isCancelled) throw new Error('the run was cancelled')
        worker ??= await this.#start(job.project, id)
        const used = await worker.run({ method, job, context: this.#contextOf(job, invalidates) })
        if (isolate || worker.isOver || used > memoryLimit) await rest()
      } catch (error) {
        await rest()
        if (this.#isCancelled && vitest3(this.vitest).isCancelling)
          vitest3(this.vitest).state.cancelFiles(pathsOf(job), job.project)
        // An error of the pool alone would leave the files as passed in Vitest's reports.
        else if (error instanceof WorkerStartError && method === 'run')
          await failFiles(job.project, pathsOf(job), () => ({ error: withoutStack(error) }))
        else errors.push(error)
      }
    }
    await rest()
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several files failed to run')
  }

  /** Checks all projects, so that every mistake is found before the first test runs. */
  async #check(specs: readonly Spec[]): Promise<void> {
    const missing = await whatIsMissing()
    this.#isConfined = missing.length === 0
    for (const project of new Set(specs.map((spec) => spec.project))) {
      const { options } = this.#optionsOf(project)
      if (missing.length === 0) await policyOf(this.#policies, project, options).resolveHosts()
      else if (options.onUnsupported === 'error') throw new UnsupportedError(missing)
      else warnUnconfined(this.vitest, missing)
    }
  }

  #contextOf({ project, files, environment }: Job, invalidates: readonly string[]): object {
    const { options, own } = this.#optionsOf(project)
    const config = project.serializedConfig
    return {
      // Vitest's worker uses it only to tell if a process runs a single test file.
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

  async #start(project: TestProject, id: number): Promise<TestWorker3> {
    const { options } = this.#optionsOf(project)
    const launch = {
      execArgv: [...this.#scheduling.execArgv, ...this.begin.execArgv],
      env: {
        ...passedEnv(this.begin.env, project, options.env),
        ...(this.#isConfined ? {} : { [TURN]: String(id) }),
      },
      lane: { name: this.#lane, most: this.#scheduling.max },
    }
    const policy = this.#isConfined ? policyOf(this.#policies, project, options) : undefined
    const worker = await TestWorker3.start(project, (events) => startProcess(project, policy, launch, events))
    this.#workers.add(worker)
    void worker.ended.then(() => this.#workers.delete(worker))
    return worker
  }

  #optionsOf(project: TestProject): ParsedPool {
    const known = this.#options.get(project)
    if (known !== undefined) return known
    const parsed = poolOptionsOf(project)
    this.#options.set(project, parsed)
    return parsed
  }
}

function pathsOf({ files }: Job): string[] {
  return files.map(({ filepath }) => filepath)
}
