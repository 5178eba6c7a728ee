/** Finds the packages and programs that are installed for a run. Nothing of them is run to find them. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { UsageError } from '../command.js'

/** The directory of the project's Vitest. Throws a UsageError if there is none. */
export function vitestOf(root: string): string {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve('vitest/package.json'))
  } catch (error) {
    throw new UsageError(`there is no vitest in ${root} or above it`, { cause: error })
  }
}

/** The programs that every run may start. */
export function programs(
  vitestDirs: readonly string[],
  root: string,
): { readonly path: string; readonly why: string }[] {
  const from = requires(vitestDirs, root)
  const vites = vitesOf(vitestDirs, root).map((path) => createRequire(path))
  const bundlers = [...from, ...vites].flatMap((require) => found(require, 'esbuild/package.json'))
  const esbuilds = bundlers.flatMap((path) =>
    found(createRequire(path), `@esbuild/${process.platform}-${process.arch}/bin/esbuild`),
  )
  return [
    {
      path: realpathSync(process.execPath),
      why: 'Node itself: other pools, and tools that run in a process of their own',
    },
    ...[...new Set(esbuilds)].map((path) => ({ path, why: 'esbuild, by which Vite transforms and bundles' })),
    ...(vitestDirs.some(isVitest3) ? TINYPOOL_1.filter((path) => existsSync(path)) : []).map((path) => ({
      path,
      why: "Vitest 3's tinypool counts processors by them when it is loaded",
    })),
  ]
}

/**
 * Programs that Vitest 3's tinypool starts. They are as confined as their parent, which could do the same by itself.
 */
const TINYPOOL_1 = ['sh', 'cat', 'grep', 'sort', 'uniq', 'wc'].map((name) => `/usr/bin/${name}`)

function isVitest3(dir: string): boolean {
  return majorOf(join(dirname(dir), 'package.json')) === 3
}

/** True if a Vite that may be loaded is older than 6: it bundles a config to a file beside it. */
export function bundlesBesideConfig(vitestDirs: readonly string[], root: string): boolean {
  return vitesOf(vitestDirs, root).some((path) => majorOf(path) < 6)
}

function majorOf(packageFile: string): number {
  // An installed package states its own version.
  const { version }: { version: string } = JSON.parse(readFileSync(packageFile, 'utf8'))
  return Number.parseInt(version, 10)
}

function requires(vitestDirs: readonly string[], root: string): readonly NodeJS.Require[] {
  return [...vitestDirs, root].map((dir) => createRequire(join(dir, 'x.js')))
}

/** `package.json` of each Vite that Vitest may load. */
function vitesOf(vitestDirs: readonly string[], root: string): readonly string[] {
  return requires(vitestDirs, root).flatMap((require) => found(require, 'vite/package.json'))
}

/** The canonical path that this `require` finds by the name; empty if what it names is not installed. */
export function found(require: NodeJS.Require, name: string): string[] {
  try {
    return [realpathSync(require.resolve(name))]
  } catch (error) {
    // A package that is not installed is not needed.
    if (error instanceof Error && 'code' in error) return []
    throw error
  }
}
