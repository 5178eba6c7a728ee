/** Where packages really lie that were linked into a project, and what they are resolved to depend on. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The kinds of dependencies that a package may load: modules(7). Peers as well, which a linked package finds where it really lies. */
const KINDS = ['dependencies', 'optionalDependencies', 'peerDependencies'] as const

/**
 * Canonical directories of the packages, and of those that they depend on at any depth. None of what lies below `covered`,
 * which is canonical, too: there everything is covered already.
 */
export function packageDirs(packages: readonly string[], covered: readonly string[]): readonly string[] {
  const found = new Set<string>()
  const isCovered = (dir: string): boolean => covered.some((tree) => dir === tree || dir.startsWith(`${tree}/`))
  const left = [...packages]
  for (let dir = left.pop(); dir !== undefined; dir = left.pop()) {
    if (found.has(dir) || isCovered(dir)) continue
    found.add(dir)
    left.push(...dependenciesOf(dir))
  }
  return [...found]
}

/** Canonical; what is not installed is left out, as optional ones may be. */
export function dependenciesOf(dir: string): readonly string[] {
  // A package of an installed tree: what it says is what its package manager went by.
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  const names = new Set(KINDS.flatMap((kind) => Object.keys(Object(manifest[kind]))))
  return [...names].flatMap((name) => {
    const at = placesAbove(dir)
      .map((place) => join(place, name))
      .find((path) => existsSync(join(path, 'package.json')))
    return at === undefined ? [] : [realpathSync(at)]
  })
}

/** modules(7), "Loading from node_modules folders". */
function placesAbove(dir: string): readonly string[] {
  const parent = dirname(dir)
  return [join(dir, 'node_modules'), ...(parent === dir ? [] : placesAbove(parent))]
}
