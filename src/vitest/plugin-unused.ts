/**
 * A config with `test.projects` runs no test itself. Its plugins count only for the projects that take them over, and of
 * the others Vitest says nothing: the plugin would be there, and confine no test.
 */
import { thisVitest } from './versions/running.js'

/** Of Vite's server, what is read here. */
export interface Server {
  readonly config: object
}

let isInUse = false

/** The plugin was given a project. */
export function noteProject(): void {
  isInUse = true
}

/** True if tests run, and none of them with the plugin. */
export function confinesNothing({ config }: Server, plugin: string): boolean {
  const { plugins } = thisVitest
  const options = plugins.startedWith(config)
  if (options === undefined) return false
  // `--project`: projects that it leaves out are not known, and one of them may be confined.
  const named: unknown = Reflect.get(options, 'project')
  if ((typeof named === 'string' || Array.isArray(named)) && named.length > 0) return false
  return plugins.confinesNothing(options, plugin, isInUse)
}
