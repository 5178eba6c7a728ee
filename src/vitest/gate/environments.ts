/**
 * In which of Vite's environments a worker's tests run. Vite makes more of a module in some than in others: as for a page, it puts
 * whole files into the code. packages/vitest/src/integrations/env: `viteEnvironment`; of Vitest 3, `transformMode`.
 */
import { field, isFields } from './values.js'

/** Vitest's environments that are pages; node and edge-runtime are none. Any other is a package's, and may be anything. */
const PAGES: ReadonlySet<string> = new Set(['jsdom', 'happy-dom'])
const SERVERS: ReadonlySet<string> = new Set(['node', 'edge-runtime'])

/** Vite's for modules that run in Node, and Vitest's own for its runtime. */
const ALWAYS: ReadonlySet<string> = new Set(['ssr', '__vitest__'])
/** Vite's for pages, and the mode of vite-node that comes to it. */
const PAGE: ReadonlySet<string> = new Set(['client', 'web'])

export type EnvironmentKind = 'page' | 'server' | 'any'

/** In what kind of environment of Vitest's a message tells a worker to run tests. */
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

/** True if tests in environments of these kinds need this one of Vite's. */
export function needs(kinds: ReadonlySet<EnvironmentKind>, name: string): boolean {
  return ALWAYS.has(name) || kinds.has('any') || (kinds.has('page') && PAGE.has(name))
}
