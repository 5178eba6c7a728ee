/**
 * Finds the modules that a project's config names, wherever they are, and the modules that these import by a relative
 * path.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { isScript } from './classify.js'
import { splitId } from './module-id.js'

const MOST = 1000
const LARGEST = 1024 * 1024
/** A relative specifier, after the words that may precede one. */
const RELATIVE = /(?:from|import|require)\s*\(?\s*(["'])(\.{1,2}\/[^"'\n]+)\1/g
const ENDINGS = [
  '',
  '.ts',
  '.tsx',
  '.mts',
  '.cts',
  '.js',
  '.jsx',
  '.mjs',
  '.cjs',
  '/index.ts',
  '/index.js',
  '/index.mjs',
]
/** `./a.js` may mean `./a.ts`. */
const WRITTEN_FOR: readonly (readonly [RegExp, string])[] = [
  [/\.js$/, '.ts'],
  [/\.jsx$/, '.tsx'],
  [/\.mjs$/, '.mts'],
  [/\.cjs$/, '.cts'],
]

/**
 * The real paths of these modules. `isFree` is true for modules that any test may import anyway. The files are read
 * once, before any test runs.
 */
export function configuredModules(
  named: readonly unknown[],
  root: string,
  isFree: (real: string) => boolean,
): string[] {
  const waiting = named
    .flat()
    .filter((path): path is string => typeof path === 'string')
    .map((path) => resolve(root, splitId(path).path))
    .filter((path) => isAbsolute(path) && existsSync(path))
    .map((path) => realpathSync(path))
  const found = new Set(waiting)
  for (let next = waiting.pop(); next !== undefined && found.size < MOST; next = waiting.pop()) {
    if (isFree(next) || !isScript(next) || statSync(next).size > LARGEST) continue
    for (const [, , name = ''] of readFileSync(next, 'utf8').matchAll(RELATIVE)) {
      const module = moduleAt(resolve(dirname(next), splitId(name).path))
      if (module === undefined || found.has(module) || !isScript(module)) continue
      found.add(module)
      waiting.push(module)
    }
  }
  return [...found]
}

function moduleAt(path: string): string | undefined {
  const spelled = [
    ...ENDINGS.map((ending) => path + ending),
    ...WRITTEN_FOR.map(([from, to]) => path.replace(from, to)),
  ]
  const there = spelled.find((one) => statSync(one, { throwIfNoEntry: false })?.isFile() === true)
  return there === undefined ? undefined : realpathSync(there)
}
