/**
 * Keeps variables of `import.meta.env` from workers. Vite writes the values of all of them into each module that names it,
 * and Vitest puts what a worker gets in their place only where the name is written out.
 */

/**
 * Returns what takes the values out of the text of a module, so that only Vitest's own process finds them.
 * `variables`: those that the options of `project` keep from its workers.
 */
export function withholding(
  project: string,
  variables: readonly (readonly [name: string, value: unknown])[],
): (code: string) => string {
  if (variables.length === 0) return (code) => code
  const kept: unknown = Reflect.get(globalThis, STORE)
  Reflect.set(globalThis, STORE, { ...Object(kept), [project]: Object.fromEntries(variables) })
  const place = (name: string): string =>
    `globalThis[Symbol.for(${JSON.stringify(STORE.description)})]?.[${JSON.stringify(project)}]?.[${JSON.stringify(name)}]`
  return (code) =>
    ASSIGNED.test(code)
      ? variables.reduce(
          (left, [name, value]) => left.replaceAll(entry(name, JSON.stringify(value)), () => entry(name, place(name))),
          code,
        )
      : code
}

const STORE = Symbol.for('vitest-pool-seccomp.env')
/** The assignment that Vite puts before a module: src/node/plugins/importAnalysis.ts. */
const ASSIGNED = /\b(?:__vite_ssr_import_meta__|import\.meta)\.env = \{/

function entry(name: string, value: string): string {
  return `${JSON.stringify(name)}: ${value}`
}
