/** Vitest's own modules that a worker loads before its filter: files of its `dist`. They load no code of the user's. */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The runner: `vitest/workers` of Vitest 3, `vitest/worker` since Vitest 4. */
export const RUNNER_3 = 'workers.js'
export const RUNNER = 'worker.js'

/** The only module that Vitest makes Node preload. It lies beside `dist`. */
export function preloadOf(distPath: string): string {
  return join(dirname(distPath), 'suppress-warnings.cjs')
}

const known = new Map<string, readonly string[]>()

/**
 * Modules that every worker of Vitest 4 and 5 loads after its first file is known, as file: URLs: `vitest` itself,
 * which tests import; `vitest/runtime`, which has the snapshot environment; and the module behind `console`, which has
 * no public name.
 */
export function earlyModules(distPath: string): readonly string[] {
  const found =
    known.get(distPath) ??
    ['index.js', 'runtime.js', ...consoles(distPath)]
      .map((name) => join(distPath, name))
      .filter((path) => existsSync(path))
      .map((path) => pathToFileURL(path).href)
  known.set(distPath, found)
  return found
}

function consoles(distPath: string): readonly string[] {
  const chunks = join(distPath, 'chunks')
  return existsSync(chunks)
    ? readdirSync(chunks)
        .filter((name) => /^console\.[\w-]+\.js$/.test(name))
        .map((name) => join('chunks', name))
    : []
}
