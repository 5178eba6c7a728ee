/** How the main thread starts its own threads. */
import { fileURLToPath } from 'node:url'

/** Built beside this folder, as bundles of their own: they start faster than a tree of modules. */
export function builtFile(name: string): string {
  return fileURLToPath(new URL(`../threads/${name}`, import.meta.url))
}

/**
 * What a thread allocates lives for one request. With room for that alone, a thread weighs the same after a million requests as
 * after the first; by default V8 would let each grow by some 7 MB.
 */
const YOUNG_MB = 2

interface Options {
  readonly name: string
  readonly execArgv: string[]
  readonly env: NodeJS.ProcessEnv
  readonly stdin: false
  readonly resourceLimits: { readonly maxYoungGenerationSizeMb: number }
}

/** Modules that NODE_OPTIONS loads have no business in our threads. A thread with options of its own parses those instead. */
export function threadOptions(name: string): Options {
  return {
    name: `vitest-pool-seccomp ${name}`, execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }, stdin: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  }
}
