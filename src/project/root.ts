/**
 * Facts on disk about the root of a Vitest project: its packages, its workspace, the directories of programs. Nothing
 * of the project runs to find them, so the broker process can do it as well.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BaseFacts } from '../policy/base.js'
import { isWithin } from '../policy/canonical.js'
import type { RuleList } from '../policy/policy.js'
import { bytePath, type BytePath } from '../policy/request.js'
import { lookup, lookupTogether } from './lookup.js'
import { dependenciesOf, packageDirs } from './package-dirs.js'

/** The directory dist/ of this package, from which workers load its files. */
export const packageDir = dirname(dirname(fileURLToPath(import.meta.url)))

export interface ProjectRoot {
  /** Canonical. */
  readonly root: string
  /** The nearest directory above that declares a workspace, or the root itself. */
  readonly workspace: string
  readonly home: string
  readonly searchPath: readonly string[]
  readonly nodeModules: readonly string[]
  /**
   * The places that are looked for, whether or not anything is there now: a symbolic link there would bring base grants
   * for its destination.
   */
  readonly lookedFor: readonly BytePath[]
  readonly base: Omit<BaseFacts, 'snapshots' | 'coverageDir' | 'transformCache'>
}

/**
 * Collects the facts. `vitestDirs`: the directories of Vitest's own files, `dist/` of its packages. `env`: the
 * environment in which the run was started. Throws the error of realpath(3) if the root does not exist.
 */
export function projectRoot(
  directory: string,
  vitestDirs: readonly string[],
  env: Readonly<Partial<Record<string, string>>>,
): ProjectRoot {
  const root = realpathSync(directory)
  const workspace = findWorkspace(root)
  const nodeModules = nodeModulesAbove(root)
  const home = homedir()
  const searchPath = [
    ...(env.PATH ?? '').split(':').filter((dir) => dir.startsWith('/')),
    // `node` also means the Node that runs this, wherever it is.
    dirname(process.execPath),
    // The directories that npx and npm run put in front of PATH.
    ...nodeModules.map((dir) => join(dir, '.bin')),
  ]
  return {
    root,
    workspace,
    home,
    searchPath,
    nodeModules,
    lookedFor: ancestors(root).flatMap((dir) =>
      ['node_modules', 'package.json'].map((name) => bytePath(join(dir, name))),
    ),
    base: {
      lookup: lookupTogether(),
      nodeExec: process.execPath,
      nodeModules,
      searchPath,
      home,
      packageDir,
      sourceDirs: [...new Set([root, workspace])],
      // This package's own package.json, too: it may be linked from elsewhere, and tests import its client.
      // And those beside installed packages further up, which Node and Vitest read on the way to them.
      packageFiles: [
        ...new Set([
          packageRootOf(root),
          workspace,
          dirname(packageDir),
          ...nodeModules.filter((dir) => existsSync(dir)).map((dir) => dirname(dir)),
        ]),
      ]
        .map((dir) => join(dir, 'package.json'))
        .filter((file) => basename(endOf(file) ?? file) === 'package.json'),
      runtimeDirs: runtimeDirs(vitestDirs, nodeModules),
      ...given('extraCaCerts', env.NODE_EXTRA_CA_CERTS),
      ...given('opensslConf', env.OPENSSL_CONF),
    },
  }
}

/** Trees that a worker may read directly, before its filter, while it loads Vitest's runtime. */
export function runtimeTrees({ nodeModules, base }: Pick<ProjectRoot, 'nodeModules' | 'base'>): readonly string[] {
  return [...nodeModules, packageDir, ...(base.runtimeDirs ?? [])]
}

/**
 * Single files that a worker may read directly: Node reads certificates in a thread of its own, as soon as something
 * loads `tls`.
 */
export function runtimeFiles({ base: { extraCaCerts } }: Pick<ProjectRoot, 'base'>): readonly string[] {
  return extraCaCerts !== undefined && lookup(bytePath(extraCaCerts)).kind === 'file' ? [extraCaCerts] : []
}

/**
 * Adds the Node that runs the tests to `exec: ['node']`: child_process.fork() starts it, and PATH may lead to another
 * one.
 */
export function withOwnNode(lists: readonly RuleList[]): readonly RuleList[] {
  const named = lists
    .flat()
    .find(({ access, effect, source }) => access === 'execute' && effect === 'grant' && source === 'node')
  return named === undefined
    ? lists
    : [...lists, [{ ...named, root: bytePath(realpathSync(process.execPath)), aliases: [] }]]
}

function given<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  // A computed key is typed as string; by construction it is K.
  return value === undefined || value === '' ? {} : ({ [key]: resolve(value) } as { [key in K]?: string })
}

export function ancestors(from: string): string[] {
  const parent = dirname(from)
  return parent === from ? [from] : [from, ...ancestors(parent)]
}

/**
 * The directories in which Node looks for packages: its documentation of CommonJS modules, "Loading from `node_modules`
 * folders". The `node_modules` of a package counts even if it does not exist yet: Vitest puts its transform cache
 * there.
 */
export function nodeModulesAbove(root: string): string[] {
  return ancestors(root)
    .filter((dir) => existsSync(join(dir, 'node_modules')) || existsSync(join(dir, 'package.json')))
    .map((dir) => join(dir, 'node_modules'))
    .filter(isOfPackages)
}

/** Files that package managers leave in the directory: npm, pnpm, Yarn 1 and later ones. */
const OF_MANAGERS = ['.package-lock.json', '.modules.yaml', '.yarn-integrity', '.yarn-state.yml']

/**
 * False for a link to a directory of anything but packages: everybody may read what is installed, and a link is a line in a
 * pull request.
 */
export function isOfPackages(dir: string): boolean {
  const end = endOf(dir)
  return end === undefined || /node[-_]modules$/.test(end) || OF_MANAGERS.some((name) => existsSync(join(end, name)))
}

/** Where a path leads by links; undefined if there is nothing. */
export function endOf(path: string): string | undefined {
  return existsSync(path) ? realpathSync(path) : undefined
}

/**
 * The directories of Vitest and of the dependencies of Vitest and this package, where they lie outside the project's
 * own `node_modules`.
 */
function runtimeDirs(vitestDirs: readonly string[], nodeModules: readonly string[]): readonly string[] {
  const covered = nodeModules.filter((dir) => existsSync(dir)).map((dir) => realpathSync(dir))
  const own = vitestDirs.map((dir) => dirname(realpathSync(dir)))
  return packageDirs([...own, ...dependenciesOf(dirname(packageDir))], covered)
}

/** The directory whose package.json sets the module type of the scripts in `root`. */
function packageRootOf(root: string): string {
  return ancestors(root).find((dir) => existsSync(join(dir, 'package.json'))) ?? root
}

/**
 * The nearest directory that declares a workspace, or the root itself. Above the root, a home directory is none, unless it is
 * a checkout: package managers leave settings in `pnpm-workspace.yaml` wherever they are called, and everybody reads the
 * sources of a workspace.
 */
export function findWorkspace(root: string): string {
  const home = endOf(homedir()) ?? homedir()
  return (
    ancestors(root)
      .filter((dir) => dir === root || !isBelowOrSame(home, dir) || existsSync(join(dir, '.git')))
      .find((dir) => existsSync(join(dir, 'pnpm-workspace.yaml')) || hasWorkspaces(join(dir, 'package.json'))) ?? root
  )
}

function isBelowOrSame(path: string, top: string): boolean {
  return isWithin(bytePath(path), bytePath(top))
}

function hasWorkspaces(file: string): boolean {
  if (!existsSync(file)) return false
  try {
    return Object.hasOwn(Object(JSON.parse(readFileSync(file, 'utf8'))), 'workspaces')
  } catch (error) {
    // npm reports a broken package.json; here it declares no workspaces.
    if (error instanceof SyntaxError) return false
    throw error
  }
}
