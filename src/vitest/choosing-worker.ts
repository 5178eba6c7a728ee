/** A worker that is confined if the machine can confine it, and otherwise does what `onUnsupported` says. */
import type { PoolOptions as VitestPoolOptions, PoolWorker, WorkerRequest } from 'vitest/node'
import { UnsupportedError } from '../errors.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { POOL_NAME } from './pool-name.js'
import type { PoolListener } from './pool-worker.js'
import type { ProjectPolicy } from './project-policy.js'
import { whatIsMissing } from './support.js'
import { warnUnconfined } from './unconfined.js'
import { withEnv, withRequestEnv, type EnvRule } from './worker-env.js'

/**
 * The key under which a pool keeps its policy maker, for the command line. It is a property of a function, because
 * Vitest copies the pool object.
 */
export const POLICY = Symbol.for('vitest-pool-seccomp.policy')

export class ChoosingWorker implements PoolWorker {
  readonly name = POOL_NAME
  readonly cacheFs = false
  #chosen: PoolWorker | undefined
  #env: EnvRule | undefined

  constructor(
    readonly options: VitestPoolOptions,
    readonly given: ParsedOptions,
    readonly policyOf: () => ProjectPolicy,
  ) {}

  /** Starts the chosen worker. Vitest listens, sends and stops only after `start` has resolved or rejected. */
  async start(): Promise<void> {
    this.#env = this.given.env
    const options = withEnv(this.options, this.#env)
    const missing = await whatIsMissing()
    if (missing.length === 0) {
      // The policy is made only here: a manifest names this machine's paths and programs, which need not exist on a
      // machine that cannot confine.
      const policy = this.policyOf()
      await policy.resolveHosts()
      const { SeccompPoolWorker } = await import('./pool-worker.js')
      this.#chosen = new SeccompPoolWorker(options, policy)
    } else {
      if (this.given.onUnsupported === 'error') throw new UnsupportedError(missing)
      warnUnconfined(this.options.project.vitest, missing)
      // Vitest 3, which loads this module for its plugin, has no ForksPoolWorker.
      const { ForksPoolWorker } = await import('vitest/node')
      this.#chosen = new ForksPoolWorker(options)
    }
    await this.#chosen.start()
  }

  on(event: string, listener: PoolListener): void {
    this.#chosen?.on(event, listener)
  }

  off(event: string, listener: PoolListener): void {
    this.#chosen?.off(event, listener)
  }

  send(message: WorkerRequest): void {
    this.#chosen?.send(withRequestEnv(message, this.options, this.#env))
  }

  deserialize(data: unknown): unknown {
    return data
  }

  async stop(): Promise<void> {
    await this.#chosen?.stop()
  }
}
