/** The environment of a worker: everything, or only the variables that `env.pass` names. */
import type { PoolOptions as VitestPoolOptions, TestProject, WorkerRequest } from 'vitest/node'
import { passesEnv } from '../policy/env-names.js'

/**
 * Variables that always pass: the path of programs, those that Vitest sets for its own workers, those that control the
 * look of output, and those that Vite derives from its mode. Only PATH says anything about the machine, and `exec`
 * entries are looked up by it, too.
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

/** The options with the environment that the worker starts with. */
export function withEnv(options: VitestPoolOptions, rule: EnvRule | undefined): VitestPoolOptions {
  return { ...options, env: passedEnv(options.env, options.project, rule) }
}

/**
 * The request with the worker's environment. Vite's variables (`VITE_…`, or those of `envPrefix`) come with the config,
 * and go from there into `import.meta.env` and `process.env`.
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

/** The part of an environment that the rule passes; everything if there is no rule. */
export function passedEnv<T extends object>(env: T, project: TestProject, rule: EnvRule | undefined): T {
  if (rule === undefined) return env
  // Variables that the config itself sets do not come from the environment.
  const declared = new Set([...declaredIn(project.vitest.config), ...declaredIn(project.config)])
  const kept = Object.entries(env).filter(
    ([name]) => declared.has(name) || passesEnv(ALWAYS, name) || passesEnv(rule.pass, name),
  )
  // The result has the same variables or fewer, and all required ones of Vitest's types are in ALWAYS.
  return Object.fromEntries(kept) as T
}

/** The part of an environment that the rule does not pass. */
export function withheldFrom(
  env: object,
  project: TestProject,
  rule: EnvRule | undefined,
): readonly (readonly [name: string, value: unknown])[] {
  const passed = passedEnv(env, project, rule)
  return Object.entries(env).filter(([name]) => !Object.hasOwn(passed, name))
}

/** In Vitest 3 the property is missing if the config sets no variable. */
function declaredIn({ env = {} }: { readonly env?: object }): readonly string[] {
  return Object.keys(env)
}
