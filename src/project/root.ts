/**
 * Facts on disk around the root of a Vitest project: its packages, its workspace, where programs are looked for. Nothing of
 * the project runs for it, so that the broker process can find out as well.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BaseFacts } from '../policy/base.js'
import type { RuleList } from '../policy/policy.js'
import { bytePath } from '../policy/request.js'
import { lookup } from './lookup.js'
import { dependenciesOf, packageDirs } from './package-dirs.js'

/** dist/: what of this package a worker loads. */
export const packageDir = dirname(dirname(fileURLToPath(import.meta.url)))

export interface ProjectRoot {
  /** Canonical. */
  readonly root: string
  /** The nearest directory that says it is a workspace, or the root itself. */
  readonly workspace: string
  readonly home: string
  readonly searchPath: readonly string[]
  readonly nodeModules: readonly string[]
  readonly base: Omit<BaseFacts, 'snapshots' | 'coverageDir' | 'transformCache'>
}

/**
 * `vitestDirs`: the directories of Vitest's own files, `dist/` of its packages. `env`: the environment in which the run was
 * started. Throws what realpath(3) throws where there is no such root.
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
    // `node` means the Node that runs, too, wherever it is.
    dirname(process.execPath),
    // What npx and npm run put in front of PATH.
    ...nodeModules.map((dir) => join(dir, '.bin')),
  ]
  return {
    root,
    workspace,
    home,
    searchPath,
    nodeModules,
    base: {
      lookup,
      nodeExec: process.execPath,
      nodeModules,
      searchPath,
      home,
      packageDir,
      sourceDirs: [...new Set([root, workspace])],
      // This package's own as well: it may be linked from elsewhere, and tests import its client.
      packageFiles: [...new Set([packageRootOf(root), workspace, dirname(packageDir)])].map((dir) =>
        join(dir, 'package.json'),
      ),
      runtimeDirs: runtimeDirs(vitestDirs, nodeModules),
      ...given('extraCaCerts', env.NODE_EXTRA_CA_CERTS),
      ...given('opensslConf', env.OPENSSL_CONF),
    },
  }
}

/** Trees that a worker may still read directly while it loads Vitest's runtime, before the filter. */
export function runtimeTrees({ nodeModules, base }: Pick<ProjectRoot, 'nodeModules' | 'base'>): readonly string[] {
  return [...nodeModules, packageDir, ...(base.runtimeDirs ?? [])]
}

/** The same of single files: Node reads certificates in a thread of its own, from when something first loads `tls`. */
export function runtimeFiles({ base: { extraCaCerts } }: Pick<ProjectRoot, 'base'>): readonly string[] {
  return extraCaCerts !== undefined && lookup(bytePath(extraCaCerts)).kind === 'file' ? [extraCaCerts] : []
}

/** `exec: ['node']` is also the Node that runs the tests, which child_process.fork() starts: it may be another than on PATH. */
export function withOwnNode(lists: readonly RuleList[]): readonly RuleList[] {
  const named = lists
    .flat()
    .find(({ access, effect, source }) => access === 'execute' && effect === 'grant' && source === 'node')
  return named === undefined
    ? lists
    : [...lists, [{ ...named, root: bytePath(realpathSync(process.execPath)), aliases: [] }]]
}

function given<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  // A computed key widens to string; it is K by construction.
  return value === undefined || value === '' ? {} : ({ [key]: resolve(value) } as { [key in K]?: string })
}

export function ancestors(from: string): string[] {
  const parent = dirname(from)
  return parent === from ? [from] : [from, ...ancestors(parent)]
}

/**
 * Where Node looks for packages: modules(7), "Loading from node_modules folders". A package's own counts even if it is
 * not there yet: Vitest puts its transform cache into it.
 */
function nodeModulesAbove(root: string): string[] {
  return ancestors(root)
    .filter((dir) => existsSync(join(dir, 'node_modules')) || existsSync(join(dir, 'package.json')))
    .map((dir) => join(dir, 'node_modules'))
}

/** Of Vitest, and of what it and this package depend on: where they lie elsewhere than in the project's own packages. */
function runtimeDirs(vitestDirs: readonly string[], nodeModules: readonly string[]): readonly string[] {
  const covered = nodeModules.filter((dir) => existsSync(dir)).map((dir) => realpathSync(dir))
  const own = vitestDirs.map((dir) => dirname(realpathSync(dir)))
  return packageDirs([...own, ...dependenciesOf(dirname(packageDir))], covered)
}

/** The directory whose package.json says what kind of modules the scripts of this one are. */
function packageRootOf(root: string): string {
  return ancestors(root).find((dir) => existsSync(join(dir, 'package.json'))) ?? root
}

function findWorkspace(root: string): string {
  return (
    ancestors(root).find(
      (dir) => existsSync(join(dir, 'pnpm-workspace.yaml')) || hasWorkspaces(join(dir, 'package.json')),
    ) ?? root
  )
}

function hasWorkspaces(file: string): boolean {
  if (!existsSync(file)) return false
  try {
    return Object.hasOwn(Object(JSON.parse(readFileSync(file, 'utf8'))), 'workspaces')
  } catch (error) {
    // A broken package.json is for npm to complain about.
    if (error instanceof SyntaxError) return false
    throw error
  }
}
