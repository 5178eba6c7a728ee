/**
 * The environments of Vite in which a worker's tests run. In an environment for pages, Vite puts whole files into a
 * module's code, so a worker may not use just any. packages/vitest/src/integrations/env: `viteEnvironment`; in Vitest
 * 3, `transformMode`.
 */
import { field, isFields } from './values.js'

/**
 * Vitest's environments that simulate a page; node and edge-runtime do not. Any other comes from a package, and may be
 * of any kind.
 */
const PAGES: ReadonlySet<string> = new Set(['jsdom', 'happy-dom'])
const SERVERS: ReadonlySet<string> = new Set(['node', 'edge-runtime'])

/** Vite's environment for modules that run in Node, and Vitest's own for its runtime. */
const ALWAYS: ReadonlySet<string> = new Set(['ssr', '__vitest__'])
/** Vite's environment for pages, and the mode of vite-node that corresponds to it. */
const PAGE: ReadonlySet<string> = new Set(['client', 'web'])

export type EnvironmentKind = 'page' | 'server' | 'any'

/** The kind of environment in which a message tells a worker to run tests. */
export function environmentIn(message: unknown): EnvironmentKind | undefined {
  if (!isFields(message) || field(message, '__vitest_worker_request__') !== true) return undefined
  const options = field(message, 'options')
  const contexts = [field(message, 'context'), isFields(options) ? field(options, 'context') : undefined]
  for (const context of contexts) {
    const environment = isFields(context) ? field(context, 'environment') : undefined
    if (isFields(environment)) return kindOf(field(environment, 'name'), field(environment, 'transformMode'))
  }
  return undefined
}

function kindOf(name: unknown, mode: unknown): EnvironmentKind | undefined {
  if (typeof name !== 'string') return undefined
  if (PAGES.has(name) || mode === 'web') return 'page'
  return SERVERS.has(name) ? 'server' : 'any'
}

/** True if tests in environments of these kinds need this environment of Vite. */
export function needs(kinds: ReadonlySet<EnvironmentKind>, name: string): boolean {
  return ALWAYS.has(name) || kinds.has('any') || (kinds.has('page') && PAGE.has(name))
}
