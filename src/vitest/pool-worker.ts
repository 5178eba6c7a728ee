/**
 * Implements Vitest's PoolWorker with a confined process: packages/vitest/src/node/pools/types.ts of Vitest 4 and 5.
 */
import { EventEmitter } from 'node:events'
import type { PoolOptions as VitestPoolOptions, PoolWorker, WorkerRequest } from 'vitest/node'
import { BrokerGoneError, ProtocolError, WorkerStartError } from '../errors.js'
import { filesWithEnvironment } from './environment-files.js'
import { exitOf, failFiles, showExit, withoutStack, type Failure } from './failed-files.js'
import { isResponse } from './gate/message.js'
import { launchFor } from './launch.js'
import { POOL_NAME } from './pool-name.js'
import type { ProjectPolicy } from './project-policy.js'
import { TestWorker, type Death } from './test-worker.js'

const STARTED = { __vitest_worker_response__: true, type: 'started' } as const
const FINISHED = { __vitest_worker_response__: true, type: 'testfileFinished' } as const
const STOPPED = { __vitest_worker_response__: true, type: 'stopped' } as const

type BeginRequest = Extract<WorkerRequest, { type: 'start' }>
type FilesRequest = Extract<WorkerRequest, { type: 'run' | 'collect' }>

/** Vitest's type of the listener. Events carry different data. */
export type PoolListener = Parameters<PoolWorker['on']>[1]

export class SeccompPoolWorker implements PoolWorker {
  readonly name = POOL_NAME
  /** Transformed code is sent by message: a worker needs no file of the parent's for it. */
  readonly cacheFs = false
  readonly #events = new EventEmitter()
  #worker: TestWorker
  /** The phase of Vitest's own start, which the worker answers with `started`. */
  #phase: 'idle' | 'starting' | 'up' | 'over' = 'idle'
  /** The failure for all files that are to run in this worker, if it did not come up. */
  #failure: Failure | undefined
  #start: BeginRequest | undefined
  /** A request that waits for a new worker in place of one that ended. */
  #next: FilesRequest | undefined
  #patience: NodeJS.Timeout | undefined

  constructor(
    readonly options: VitestPoolOptions,
    readonly policy: ProjectPolicy,
  ) {
    this.#worker = this.#made()
    // A worker that dies before Vitest listens must not end the run.
    this.#events.on('error', () => {})
  }

  #made(): TestWorker {
    return new TestWorker(this.policy, {
      message: (message) => this.#message(message),
      died: (death) => this.#died(death),
      lost: () => this.#lost(),
      breached: (detail) => this.#breached(detail),
      failed: (error) => this.#failed(error),
    })
  }

  on(event: string, listener: PoolListener): void {
    this.#events.on(event, listener)
  }

  off(event: string, listener: PoolListener): void {
    this.#events.off(event, listener)
  }

  deserialize(data: unknown): unknown {
    return data
  }

  async start(): Promise<void> {
    try {
      await this.#worker.start(launchFor(this.options))
    } catch (error) {
      if (error instanceof WorkerStartError) return this.#failStart(error)
      // The whole run reports this error and is being cancelled. One error per file would repeat it.
      if (!(error instanceof BrokerGoneError)) throw error
      this.#phase = 'over'
    }
  }

  #emit(message: unknown): void {
    this.#events.emit('message', message)
  }

  #failed(error: unknown): void {
    this.#events.emit('error', error)
  }

  #message(message: unknown): void {
    if (!isResponse(message, 'started')) return this.#emit(message)
    const error: unknown = Reflect.get(Object(message), 'error')
    if (error === undefined) return this.#isUp()
    const said: unknown = error instanceof Object ? Reflect.get(error, 'message') : error
    const detail = typeof said === 'string' ? said : 'it failed'
    this.#failStart(new WorkerStartError('test environment', detail))
  }

  #isUp(): void {
    this.#phase = 'up'
    const next = this.#next
    this.#next = undefined
    // Vitest was told when the first worker came up.
    if (next === undefined) this.#emit(STARTED)
    else this.#run(next)
  }

  #died({ exit, label, open }: Death): void {
    clearTimeout(this.#patience)
    if (this.#worker.owes('stopped')) return this.#emit(STOPPED)
    if (this.#phase !== 'up')
      return this.#failStart(
        new WorkerStartError('modules of execArgv, test environment', `the process ended with ${showExit(exit)}`),
      )
    this.#phase = 'over'
    this.#finish(open, exitOf(exit, label, this.options.project.config.root))
  }

  /** Fails these files, and lets Vitest go on. */
  #finish(files: readonly string[], failure: (file: string) => Failure): void {
    failFiles(this.options.project, files, failure)
      .then(() => this.#emit(FINISHED))
      .catch((error: unknown) => this.#failed(error))
  }

  /** Ends this worker's part of the run, which is being cancelled and waits for running files. */
  #lost(): void {
    clearTimeout(this.#patience)
    const was = this.#phase
    this.#phase = 'over'
    if (was === 'starting') this.#emit(STARTED)
    if (was === 'up') this.#emit(FINISHED)
    if (this.#worker.owes('stopped')) this.#emit(STOPPED)
  }

  /**
   * Keeps the failure until Vitest sends files, which then fail. Vitest would leave the files of a worker that failed
   * to start out of its reports.
   */
  #failStart({ stage, detail, output }: WorkerStartError): void {
    const violations = this.#worker.early()
    const error = new WorkerStartError(
      stage,
      [detail, ...violations.map((violation) => violation.message)].join('\n'),
      output,
    )
    this.#failure = { error: withoutStack(error), violations }
    // If Vitest does not listen yet, it is told when it sends `start`.
    if (this.#phase === 'starting') this.#isUp()
  }

  #breached(detail: string): void {
    clearTimeout(this.#patience)
    if (this.#phase === 'up') this.#failed(new ProtocolError(detail))
    else this.#failStart(new WorkerStartError('its messages', detail))
    // Vitest 4 waits for this answer for a long time, even after the worker is dead.
    if (this.#worker.owes('stopped')) this.#emit(STOPPED)
  }

  send(message: WorkerRequest): void {
    switch (message.type) {
      case 'start':
        return this.#begin(message)
      case 'run':
      case 'collect':
        return this.#run(message)
      case 'stop':
        // The worker is gone and cannot answer.
        if (this.#phase === 'over') return this.#soon(STOPPED)
        if (this.#failure !== undefined) return this.#stopAndSay()
        this.#limitStop()
        return this.#worker.send(message)
      default:
        if (this.#phase !== 'over') this.#worker.send(message)
    }
  }

  #soon(message: object): void {
    queueMicrotask(() => this.#emit(message))
  }

  #begin(message: BeginRequest): void {
    // The run is being cancelled.
    if (this.#phase === 'over') return this.#soon(STARTED)
    this.#phase = 'starting'
    this.#start = message
    if (this.#failure !== undefined) return this.#isUp()
    this.#worker.prepare(message, filesWithEnvironment(this.options.project, message.context.environment.name))
  }

  #run(message: FilesRequest): void {
    const files = message.context.files.map(({ filepath }) => filepath)
    const failure = this.#failure
    if (failure !== undefined)
      return message.type === 'run'
        ? this.#finish(files, () => failure)
        : this.#emit({ ...FINISHED, error: failure.error })
    if (this.#phase === 'over') return this.#replaced(message)
    this.#worker.send(message, files)
  }

  /** Runs files in a new worker, after one of the files that shared the old worker has ended it. */
  #replaced(message: FilesRequest): void {
    const start = this.#start
    if (start === undefined) return this.#soon(FINISHED)
    this.#worker = this.#made()
    this.#next = message
    this.#phase = 'idle'
    this.start()
      .then(() => (this.#phase === 'over' ? this.#emit(FINISHED) : this.#begin(start)))
      .catch((error: unknown) => this.#failed(error))
  }

  /**
   * Limits the time for a stop, because a blocked worker cannot answer. Vitest reports it after the same time, but
   * would wait for a minute.
   */
  #limitStop(): void {
    this.#patience = setTimeout(() => this.#stopAndSay(), this.options.project.vitest.config.teardownTimeout)
  }

  #stopAndSay(): void {
    this.stop()
      .then(() => this.#emit(STOPPED))
      .catch((error: unknown) => this.#failed(error))
  }

  stop(): Promise<void> {
    clearTimeout(this.#patience)
    return this.#worker.stop()
  }
}
