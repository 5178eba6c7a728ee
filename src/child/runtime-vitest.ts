/**
 * Vitest's own process, behind the filter: `vitest-seccomp run`. Nothing of Vitest is loaded before the filter. The
 * pool finds its broker by the property that is set here, and starts none of its own.
 */
import { CONFINED_BY, type ConfinedBy } from '../protocol/offer.js'
import type { RuntimeParts } from './entry.js'
import { traceRefusals } from './traces.js'

/** Loads nothing before the filter. `runner`: the command, as a file: URL. */
export function load(runner: string): Promise<string> {
  return Promise.resolve(runner)
}

export function main({ transport, runner, argv, trace, traced }: RuntimeParts): void {
  const value: ConfinedBy = Object.freeze({ control: transport })
  Object.defineProperty(process, CONFINED_BY, { value, enumerable: false, writable: false, configurable: false })
  traceRefusals(
    traced,
    (kind, stack, path) => trace({ kind, id: '', test: '', stack, ...(path === undefined ? {} : { path }) }),
    {
      later: true,
    },
  )
  // Vitest sees the arguments as if it had been started by its name.
  process.argv.splice(1, Infinity, 'vitest', ...argv)
  // `load` returned it.
  void import(String(runner))
}
