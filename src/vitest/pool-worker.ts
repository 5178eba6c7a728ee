/** Vitest's PoolWorker over a confined process: packages/vitest/src/node/pools/types.ts of Vitest 4 and 5. */
import { EventEmitter } from 'node:events'
import type { PoolOptions as VitestPoolOptions, PoolWorker, WorkerRequest } from 'vitest/node'
import type { Exit } from '../broker/worker.js'
import { BrokerGoneError, ProtocolError, WorkerStartError } from '../errors.js'
import { filesWithEnvironment } from './environment-files.js'
import { isResponse } from './gate/message.js'
import { launchFor } from './launch.js'
import { POOL_NAME } from './pool-name.js'
import type { ProjectPolicy } from './project-policy.js'
import { TestWorker } from './test-worker.js'

const FINISHED = { __vitest_worker_response__: true, type: 'testfileFinished' } as const
const STOPPED = { __vitest_worker_response__: true, type: 'stopped' } as const
/** What Vitest is told in the place of a worker that cannot be. */
const ANSWERS = {
  start: { __vitest_worker_response__: true, type: 'started' },
  run: FINISHED,
  collect: FINISHED,
  stop: STOPPED,
} as const

/** Vitest's own type for it: the events carry different things. */
export type PoolListener = Parameters<PoolWorker['on']>[1]

export class SeccompPoolWorker implements PoolWorker {
  readonly name = POOL_NAME
  /** Transformed code comes by message: a worker needs no file of the parent's for it. */
  readonly cacheFs = false
  readonly #events = new EventEmitter()
  readonly #worker: TestWorker
  /** Of Vitest's own start, which the worker answers with `started`. */
  #phase: 'idle' | 'starting' | 'up' | 'over' = 'idle'
  /** Why the worker cannot answer. */
  #failure: string | undefined
  #patience: NodeJS.Timeout | undefined

  constructor(
    readonly options: VitestPoolOptions,
    policy: ProjectPolicy,
  ) {
    this.#worker = new TestWorker(policy, {
      message: (message) => this.#message(message),
      died: (exit) => this.#died(exit),
      lost: () => this.#lost(),
      breached: (detail) => this.#breached(detail),
      failed: (error) => void this.#events.emit('error', error),
    })
    // A worker that dies before Vitest listens must not end the run.
    this.#events.on('error', () => {})
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
      // The run as a whole is told of it, and is being cancelled: a file of its own error would be one for each file.
      if (!(error instanceof BrokerGoneError)) throw error
      this.#phase = 'over'
    }
  }

  #message(message: unknown): void {
    const isStarted = isResponse(message, 'started')
    if (isStarted) this.#phase = 'up'
    this.#events.emit('message', isStarted ? this.#withViolations(message) : message)
  }

  /** A worker whose environment could not be set up has no test file that could fail for what was refused. */
  #withViolations(message: unknown): unknown {
    const error: unknown = message instanceof Object ? Reflect.get(message, 'error') : undefined
    const violations = this.#worker.early()
    if (error === undefined || violations.length === 0) return message
    const told = error instanceof Object && 'message' in error ? [String(error.message)] : []
    const detail = [...told, ...violations.map((violation) => violation.message)].join('\n')
    return { ...Object(message), error: new WorkerStartError('test environment', detail) }
  }

  #died({ code, signal }: Exit): void {
    clearTimeout(this.#patience)
    if (this.#worker.owes('stopped')) this.#events.emit('message', STOPPED)
    else if (this.#phase === 'up') this.#events.emit('exit', code, signal)
    else this.#failStart(`the process ended with ${signal ?? `exit code ${code}`}`)
  }

  /** The run is being cancelled, which waits for the files that run: this one is through. */
  #lost(): void {
    clearTimeout(this.#patience)
    if (this.#phase === 'starting') this.#failStart('the broker process ended')
    if (this.#phase === 'up') this.#events.emit('message', FINISHED)
    this.#phase = 'over'
    if (this.#worker.owes('stopped')) this.#events.emit('message', STOPPED)
  }

  /** Vitest 4 waits for this answer for 60 s, whatever else it learns. */
  #failStart(detail: string): void {
    this.#failure = detail
    if (this.#phase !== 'starting') return
    const details = [detail, ...this.#worker.early().map(({ message }) => message)].join('\n')
    const error = new WorkerStartError('modules of execArgv, test environment', details)
    this.#events.emit('message', { __vitest_worker_response__: true, type: 'started', error })
  }

  #breached(detail: string): void {
    clearTimeout(this.#patience)
    if (this.#phase === 'up') this.#events.emit('error', new ProtocolError(detail))
    else this.#failStart(detail)
    // Vitest 4 waits for this long after a worker is dead.
    if (this.#worker.owes('stopped')) this.#events.emit('message', STOPPED)
  }

  send(message: WorkerRequest): void {
    // Nobody is there to answer.
    if (this.#phase === 'over') {
      if (message.type === 'cancel') return
      const answer = ANSWERS[message.type]
      return queueMicrotask(() => this.#events.emit('message', answer))
    }
    if (message.type === 'start') {
      this.#phase = 'starting'
      if (this.#failure !== undefined) return this.#failStart(this.#failure)
    }
    if (message.type === 'stop') this.#limitStop()
    if (message.type === 'start')
      return this.#worker.prepare(message, filesWithEnvironment(this.options.project, message.context.environment.name))
    const runs = message.type === 'run' || message.type === 'collect'
    this.#worker.send(message, runs ? message.context.files.map(({ filepath }) => filepath) : undefined)
  }

  /** A worker that is blocked cannot answer. Vitest says so at that time, too, but would wait for a minute. */
  #limitStop(): void {
    this.#patience = setTimeout(() => {
      this.stop()
        .then(() => this.#events.emit('message', STOPPED))
        .catch((error: unknown) => void this.#events.emit('error', error))
    }, this.options.project.vitest.config.teardownTimeout)
  }

  stop(): Promise<void> {
    clearTimeout(this.#patience)
    return this.#worker.stop()
  }
}
