/** One worker in Vitest 3's schedule: a process, its calls to Vitest, and the job that it runs. */
import type { TestProject } from 'vitest/node'
import { ProtocolError, WorkerStartError } from '../../errors.js'
import { exitOf, failFiles, isThrough, isTold, showExit, withoutStack } from '../failed-files.js'
import { isResponse } from '../gate/message.js'
import { isFields } from '../gate/values.js'
import type { Death, TestWorkerEvents } from '../test-worker.js'
import type { ReportedError } from '../violation-text.js'
import { config3 } from './api.js'
import type { Job } from './jobs.js'
import { answersOf, type Answers } from './methods.js'

/** A process that runs tests, confined or not. */
export interface TestProcess {
  /** Sends a message, in order. `files`: the files that the process runs from this message on. */
  send(message: object, files?: readonly string[]): void
  stop(): Promise<void>
}

export interface Run {
  readonly method: 'run' | 'collect'
  readonly job: Job
  /** The context for Vitest's worker: packages/vitest/src/types/worker.ts, ContextRPC. */
  readonly context: object
}

interface Running {
  readonly answers: Answers
  readonly files: readonly string[]
  readonly resolve: (usedMemory: number) => void
  readonly reject: (error: unknown) => void
}

/** A process for Vitest 3. It runs one job at a time. */
export class TestWorker3 {
  readonly ended: Promise<void>
  #end: () => void = () => {}
  #isOver = false
  /** True if the process has sent a message. */
  #isUp = false
  #running: Running | undefined
  #onStopped: () => void = () => {}
  #process: TestProcess | undefined

  private constructor(readonly project: TestProject) {
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  static async start(
    project: TestProject,
    open: (events: TestWorkerEvents) => Promise<TestProcess>,
  ): Promise<TestWorker3> {
    const worker = new TestWorker3(project)
    worker.#process = await open({
      message: (message) => worker.#message(message),
      died: (death) => worker.#died(death),
      lost: () => worker.#lost(),
      breached: (detail) => worker.#over(new ProtocolError(detail)),
      failed: (error) => worker.#failed(error),
    })
    return worker
  }

  /** Runs a job. Resolves to the bytes of heap in use. */
  async run({ method, job, context }: Run): Promise<number> {
    const files = job.files.map(({ filepath }) => filepath)
    return new Promise<number>((resolve, reject) => {
      if (this.#isOver) return reject(new Error('Worker exited unexpectedly, before its tests'))
      this.#running = { answers: answersOf(job.project, method), files, resolve, reject }
      this.#process?.send({ __vitest_worker_request__: true, type: method, context }, files)
    })
  }

  /** True if the process cannot run anything any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Tells the worker that the run is being cancelled. */
  cancel(reason: string): void {
    this.#process?.send({ t: 'q', m: 'onCancel', a: [reason] })
  }

  /** Stops the worker. Never rejects. */
  async stop(): Promise<void> {
    if (!this.#isOver) {
      const stopped = new Promise<void>((resolve) => {
        this.#onStopped = resolve
      })
      const patience = setTimeout(this.#onStopped, config3(this.project.vitest).teardownTimeout)
      this.#process?.send({ __vitest_worker_request__: true, type: 'stop' })
      await Promise.race([stopped, this.ended])
      clearTimeout(patience)
    }
    try {
      await this.#process?.stop()
    } catch (error) {
      this.#failed(error)
    }
    this.#over(new Error('Terminating worker'))
  }

  /** Fails the files of the process that died. The run goes on. */
  #died({ exit, label, open }: Death): void {
    const running = this.#running
    this.#running = undefined
    const failure = this.#isUp
      ? exitOf(exit, label, this.project.config.root)
      : () => ({ error: startError(`the process ended with ${showExit(exit)}`) })
    const files = open.length > 0 ? open : (running?.files ?? [])
    failFiles(this.project, files, failure)
      .then(() => running?.resolve(0))
      .catch((error: unknown) => running?.reject(error))
    this.#over(new Error('Worker exited unexpectedly, before its tests'))
  }

  #message(message: unknown): void {
    this.#isUp = true
    if (isResponse(message, 'stopped')) return this.#onStopped()
    if (isResponse(message, 'testfileFinished')) return this.#finished(message)
    void this.#answer(message)
  }

  #finished(message: unknown): void {
    const running = this.#running
    this.#running = undefined
    const { error, usedMemory } = isFields(message) ? message : {}
    const used = typeof usedMemory === 'number' ? usedMemory : 0
    if (running === undefined || error === undefined) return running?.resolve(used)
    const { files } = running
    if (files.some((file) => isTold(this.project, file, error))) return running.resolve(used)
    const open = files.filter((file) => !isThrough(this.project, file))
    if (open.length === 0) return running.reject(error)
    // Vitest would report an error of the run, but count a file that its worker could not begin as passed.
    failFiles(this.project, open, () => ({ error: reported(error) }))
      .then(() => running.resolve(used))
      .catch((failure: unknown) => running.reject(failure))
  }

  async #answer(call: unknown): Promise<void> {
    // Calls are answered between jobs, too: an earlier job may still send some.
    const answers = this.#running?.answers ?? answersOf(this.project, 'run')
    const answer = await answers.answer(call)
    if (answer !== undefined && !this.#isOver) this.#process?.send(answer)
  }

  /** Ends the job, because the run is being cancelled and waits for running files. */
  #lost(): void {
    this.#running?.resolve(0)
    this.#running = undefined
    this.#over(new Error('Worker exited unexpectedly: the broker process ended'))
  }

  #over(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#running?.reject(error)
    this.#running = undefined
    this.#end()
  }

  #failed(error: unknown): void {
    if (this.#running === undefined) return this.project.vitest.state.catchError(error, 'Unhandled Error')
    this.#running.reject(error)
    this.#running = undefined
  }
}

function startError(detail: string): ReportedError {
  return withoutStack(new WorkerStartError('modules of execArgv, test environment', detail))
}

/** An error as the gate passes it: its stack names no file that Vitest may not open. */
function reported(error: unknown): ReportedError {
  const field = (name: string): string | undefined => {
    const value: unknown = error instanceof Object ? Reflect.get(error, name) : undefined
    return typeof value === 'string' ? value : undefined
  }
  const [name, message] = [field('name') ?? 'Error', field('message') ?? String(error)]
  return { name, message, stack: field('stack') ?? `${name}: ${message}` }
}
