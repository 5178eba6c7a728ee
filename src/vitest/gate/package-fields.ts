/**
 * Reduces the package.json of a test to what names are resolved by. Compilers have settings of their own in it: plugins
 * whose code they run.
 */
import { isFields, jsonIn } from './values.js'

/** The fields of Node, of TypeScript and of bundlers by which a name becomes a file. */
const RESOLVING: ReadonlySet<string> = new Set([
  'name',
  'version',
  'private',
  'type',
  'main',
  'module',
  'browser',
  'exports',
  'imports',
  'sideEffects',
  'types',
  'typings',
  'typesVersions',
  'jsnext:main',
  'jsnext',
  'style',
  'sass',
  'less',
  'workspaces',
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
])

/** The text with these fields alone; undefined for a text that is no object in plain JSON. */
export function resolvingPart(text: string): string | undefined {
  const parsed = jsonIn(text)
  if (!isFields(parsed)) return undefined
  return JSON.stringify(Object.fromEntries(Object.entries(parsed).filter(([key]) => RESOLVING.has(key))))
}
