/** A worker that is confined where the machine can, and otherwise what `onUnsupported` says. */
import type { PoolOptions as VitestPoolOptions, PoolWorker, WorkerRequest } from 'vitest/node'
import { UnsupportedError } from '../errors.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { POOL_NAME } from './pool-name.js'
import type { PoolListener } from './pool-worker.js'
import type { ProjectPolicy } from './project-policy.js'
import { whatIsMissing } from './support.js'
import { warnUnconfined } from './unconfined.js'
import { withEnv, withRequestEnv, type EnvRule } from './worker-env.js'

/** Where a pool keeps, for the CLI, how it makes a project's policy. On a function: Vitest copies the object around it. */
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

  /** Vitest listens, sends and stops only after `start`, or after `start` failed. */
  async start(): Promise<void> {
    this.#env = this.given.env
    const options = withEnv(this.options, this.#env)
    const missing = await whatIsMissing()
    if (missing.length === 0) {
      // Only here: a manifest speaks of this machine's paths and programs, which elsewhere need not be there.
      const policy = this.policyOf()
      await policy.resolveHosts()
      const { SeccompPoolWorker } = await import('./pool-worker.js')
      this.#chosen = new SeccompPoolWorker(options, policy)
    } else {
      if (this.given.onUnsupported === 'error') throw new UnsupportedError(missing)
      warnUnconfined(this.options.project.vitest, missing)
      // Vitest 3, where this module is loaded for its plugin, has none.
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
