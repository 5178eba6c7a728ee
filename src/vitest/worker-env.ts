/** The environment of a worker: all of it, or the variables that `env.pass` names. */
import type { PoolOptions as VitestPoolOptions, TestProject, WorkerRequest } from 'vitest/node'
import { passesEnv } from '../policy/env-names.js'

/**
 * Always there: where programs are found, what Vitest sets for its own workers, how output is to look, and what Vite makes of
 * its mode. None of it says anything about the machine but PATH, by which `exec` entries are looked up, too.
 */
const ALWAYS = [
  'PATH',
  'TEST',
  'VITEST',
  'VITEST_*',
  'NODE_ENV',
  'FORCE_TTY',
  'FORCE_COLOR',
  'NO_COLOR',
  'MODE',
  'DEV',
  'PROD',
  'SSR',
  'BASE_URL',
]

export interface EnvRule {
  readonly pass: readonly string[]
}

/** The options with the environment that the worker is to start with. */
export function withEnv(options: VitestPoolOptions, rule: EnvRule | undefined): VitestPoolOptions {
  return { ...options, env: passedEnv(options.env, options.project, rule) }
}

/**
 * The request with the environment that the worker is to have. Vite's variables (`VITE_…`, or what `envPrefix` says) come with
 * the config, and from there into `import.meta.env` and `process.env`.
 */
export function withRequestEnv(
  request: WorkerRequest,
  options: VitestPoolOptions,
  rule: EnvRule | undefined,
): WorkerRequest {
  if (rule === undefined || request.type !== 'start') return request
  const { config } = request.context
  return {
    ...request,
    context: { ...request.context, config: { ...config, env: passedEnv(config.env, options.project, rule) } },
  }
}

/** As much of an environment as the rule lets through; all of it without one. */
export function passedEnv<T extends object>(env: T, project: TestProject, rule: EnvRule | undefined): T {
  if (rule === undefined) return env
  // What the config itself sets is no part of the environment around it.
  const declared = new Set([...declaredIn(project.vitest.config), ...declaredIn(project.config)])
  const kept = Object.entries(env).filter(
    ([name]) => declared.has(name) || passesEnv(ALWAYS, name) || passesEnv(rule.pass, name),
  )
  // The same variables, or fewer: Vitest's types of an environment have no required ones that are not in ALWAYS.
  return Object.fromEntries(kept) as T
}

/** Vitest 3 has none where the config sets none. */
function declaredIn({ env = {} }: { readonly env?: object }): readonly string[] {
  return Object.keys(env)
}
