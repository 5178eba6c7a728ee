/**
 * Keeps variables of `import.meta.env` from workers. Vite writes the values of all of them into each module that names it,
 * and Vitest puts what a worker gets in their place only where the name is written out.
 */

/** The variables of one project that its options keep from workers. */
export class Withheld {
  constructor(
    readonly project: string,
    readonly variables: readonly (readonly [name: string, value: unknown])[],
  ) {
    const kept: unknown = Reflect.get(globalThis, STORE)
    Reflect.set(globalThis, STORE, { ...Object(kept), [project]: Object.fromEntries(variables) })
  }

  /** The text of a module, in which only Vitest's own process finds the values. */
  readonly hide = (code: string): string => {
    if (!ASSIGNED.test(code)) return code
    return this.variables.reduce(
      (left, [name, value]) =>
        left.replaceAll(entry(name, JSON.stringify(value)), () => entry(name, this.#place(name))),
      code,
    )
  }

  #place(name: string): string {
    return `globalThis[Symbol.for(${JSON.stringify(STORE.description)})]?.[${JSON.stringify(this.project)}]?.[${JSON.stringify(name)}]`
  }
}

const STORE = Symbol.for('vitest-pool-seccomp.env')
/** The assignment that Vite puts before a module: src/node/plugins/importAnalysis.ts. */
const ASSIGNED = /\b(?:__vite_ssr_import_meta__|import\.meta)\.env = \{/

function entry(name: string, value: string): string {
  return `${JSON.stringify(name)}: ${value}`
}
