/**
 * A config with `test.projects` runs no test itself. Its plugins count only for the projects that take them over, and of
 * the others Vitest says nothing: the plugin would be there, and confine no test.
 */

/** Of Vite's server, what is read here. */
export interface Server {
  readonly config: object
}

/** The options that a run was started with; not in Vitest's types. */
interface Started {
  readonly projects?: unknown
  readonly workspace?: unknown
  /** `--project`: projects that it leaves out are not known, and one of them may be confined. */
  readonly project?: string | readonly string[]
  /** Of Vitest 5. */
  readonly resolvedProjects?: readonly {
    readonly viteConfig: { readonly plugins: readonly { readonly name: string }[] }
  }[]
}

let isInUse = false

/** The plugin was given a project. */
export function noteProject(): void {
  isInUse = true
}

/** Asked in Vite's hook after all others. In Vitest 3 and 4 each project has had its plugins by then, in Vitest 5 each is known. */
export function confinesNothing({ config }: Server, plugin: string): boolean {
  // Vitest 3 and 4 keep it beside, of the config alone that the run starts with; a project's own `test` may name projects, too.
  const started = (Reflect.get(config, '_vitest') ?? Reflect.get(config, 'test') ?? {}) as Started
  if (started.project !== undefined && started.project.length > 0) return false
  const { resolvedProjects } = started
  if (resolvedProjects !== undefined)
    return !resolvedProjects.some(({ viteConfig }) => viteConfig.plugins.some(({ name }) => name === plugin))
  return Reflect.has(config, '_vitest') && [started.projects, started.workspace].some(Array.isArray) && !isInUse
}
