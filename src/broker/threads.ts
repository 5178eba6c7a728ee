/** How the main thread starts its own threads. */
import { fileURLToPath } from 'node:url'

/** Built beside this folder, as bundles of their own: they start faster than a tree of modules. */
export function builtFile(name: string): string {
  return fileURLToPath(new URL(`../threads/${name}`, import.meta.url))
}

/** Modules that NODE_OPTIONS loads have no business in our threads. A thread with options of its own parses those instead. */
export function threadOptions(name: string): { name: string; execArgv: string[]; env: NodeJS.ProcessEnv; stdin: false } {
  return { name: `vitest-pool-seccomp ${name}`, execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }, stdin: false }
}
