/** One worker of Vitest 3's schedule: a process, the calls that it makes of Vitest, and the job that it runs. */
import type { TestProject } from 'vitest/node'
import type { Exit } from '../../broker/worker.js'
import { ProtocolError, WorkerStartError } from '../../errors.js'
import { isResponse } from '../gate/message.js'
import { isFields } from '../gate/values.js'
import type { TestWorkerEvents } from '../test-worker.js'
import { config3 } from './api.js'
import type { Job } from './jobs.js'
import { answersOf, type Answers } from './methods.js'

/** A process that runs tests, confined or not. */
export interface TestProcess {
  /** In order. `files`: what the process is to run from this message on. */
  send(message: object, files?: readonly string[]): void
  stop(): Promise<void>
}

export interface Run {
  readonly method: 'run' | 'collect'
  readonly job: Job
  /** For Vitest's worker: packages/vitest/src/types/worker.ts, ContextRPC. */
  readonly context: object
}

interface Running {
  readonly answers: Answers
  readonly resolve: (usedMemory: number) => void
  readonly reject: (error: unknown) => void
}

/** A process of Vitest 3's. Runs one job at a time. */
export class TestWorker3 {
  readonly ended: Promise<void>
  #end: () => void = () => {}
  #isOver = false
  /** It has said something. */
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
      died: (exit) => worker.#over(worker.#deathBy(exit)),
      lost: () => worker.#lost(),
      breached: (detail) => worker.#over(new ProtocolError(detail)),
      failed: (error) => worker.#failed(error),
    })
    return worker
  }

  /** Resolves to the bytes of heap in use. */
  async run({ method, job, context }: Run): Promise<number> {
    const files = job.files.map(({ filepath }) => filepath)
    return new Promise<number>((resolve, reject) => {
      if (this.#isOver) return reject(new Error('Worker exited unexpectedly, before its tests'))
      this.#running = { answers: answersOf(job.project, method), resolve, reject }
      this.#process?.send({ __vitest_worker_request__: true, type: method, context }, files)
    })
  }

  /** The run is being cancelled. */
  cancel(reason: string): void {
    this.#process?.send({ t: 'q', m: 'onCancel', a: [reason] })
  }

  /** Never rejects. */
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

  #deathBy({ code, signal }: Exit): Error {
    const how = signal ?? `exit code ${code}`
    if (this.#isUp) return new Error(`Worker exited unexpectedly: ${how}`)
    return new WorkerStartError('modules of execArgv, test environment', `the process ended with ${how}`)
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
    if (error !== undefined) running?.reject(error)
    else running?.resolve(typeof usedMemory === 'number' ? usedMemory : 0)
  }

  async #answer(call: unknown): Promise<void> {
    // Between jobs, too: what an earlier one still says late.
    const answers = this.#running?.answers ?? answersOf(this.project, 'run')
    const answer = await answers.answer(call)
    if (answer !== undefined && !this.#isOver) this.#process?.send(answer)
  }

  /** The run is being cancelled, which waits for the files that run: this one is through. */
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
