/**
 * Detects a plugin that confines no test. A config with `test.projects` runs no test itself, and its plugins apply only
 * to projects that extend it. Vitest does not report that they are unused.
 */
import { thisVitest } from './versions/running.js'

/** The part of Vite's server that is read here. */
export interface Server {
  readonly config: object
}

let isInUse = false

/** Notes that the plugin was given a project. */
export function noteProject(): void {
  isInUse = true
}

/** True if tests run, but none of them with the plugin. */
export function confinesNothing({ config }: Server, plugin: string): boolean {
  const { plugins } = thisVitest
  const options = plugins.startedWith(config)
  if (options === undefined) return false
  // Projects that `--project` leaves out are not known, and one of them may be confined.
  const named: unknown = Reflect.get(options, 'project')
  if ((typeof named === 'string' || Array.isArray(named)) && named.length > 0) return false
  return plugins.confinesNothing(options, plugin, isInUse)
}
