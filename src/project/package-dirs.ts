/** The real directories of packages that were linked into a project, and of the dependencies that they resolve. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The kinds of dependencies that a package may load. A linked package also finds its peers from its real directory. */
const KINDS = ['dependencies', 'optionalDependencies', 'peerDependencies'] as const
type Kind = (typeof KINDS)[number]

/**
 * The canonical directories of the packages and of their dependencies at any depth. Directories below `covered`, whose
 * paths are canonical as well, are left out, because everything there is covered already.
 */
export function packageDirs(
  packages: readonly string[],
  covered: readonly string[],
  kinds: readonly Kind[] = KINDS,
): readonly string[] {
  const found = new Set<string>()
  const isCovered = (dir: string): boolean => covered.some((tree) => dir === tree || dir.startsWith(`${tree}/`))
  const left = [...packages]
  for (let dir = left.pop(); dir !== undefined; dir = left.pop()) {
    if (found.has(dir) || isCovered(dir)) continue
    found.add(dir)
    left.push(...dependenciesOf(dir, kinds))
  }
  return [...found]
}

/**
 * The canonical directories of a package's dependencies. Those that are not installed are left out: they may be
 * optional.
 */
export function dependenciesOf(dir: string, kinds: readonly Kind[] = KINDS): readonly string[] {
  // An installed package: its package manager relied on the same package.json.
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  const names = new Set(kinds.flatMap((kind) => Object.keys(Object(manifest[kind]))))
  return [...names].flatMap((name) => {
    const at = placesAbove(dir)
      .map((place) => join(place, name))
      .find((path) => existsSync(join(path, 'package.json')))
    return at === undefined ? [] : [realpathSync(at)]
  })
}

/**
 * The `node_modules` directories that Node searches: its documentation of CommonJS modules, "Loading from
 * `node_modules` folders".
 */
function placesAbove(dir: string): readonly string[] {
  const parent = dirname(dir)
  return [join(dir, 'node_modules'), ...(parent === dir ? [] : placesAbove(parent))]
}
