/**
 * The modules that every worker of Vitest 4 and 5 loads after its first file is known. They can be loaded before the
 * filter.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const known = new Map<string, readonly string[]>()

/**
 * The modules as file: URLs: `vitest` itself, which tests import; `vitest/runtime`, which has the snapshot environment;
 * and the module behind `console`, which has no public name. All are Vitest's own, and load nothing of the user's.
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
