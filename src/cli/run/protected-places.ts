/** The places that neither Vitest nor a test may change, because a run depends on them. */
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { namedEarly } from '../../broker/early-code.js'
import { libraryDirs } from '../../broker/environment.js'
import { isWithin } from '../../policy/canonical.js'
import { MANIFEST_FILE } from '../../policy/manifest.js'
import type { RuleList } from '../../policy/policy.js'
import type { Protected } from '../../policy/protect.js'
import { bytePath, type BytePath } from '../../policy/request.js'
import { ancestors, endOf, packageDir, type ProjectRoot } from '../../project/root.js'
import { found } from './installed.js'

const CONFIG = ['vitest.config', 'vite.config', 'vitest.workspace', 'vitest.projects']
const EXTENSIONS = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json']
/**
 * Files by which the next run finds its workspace, or by which package managers run code before it: npm, pnpm, Yarn, Bun, and
 * Corepack, which fetches them.
 */
const OF_PACKAGES = [
  'package.json',
  'pnpm-workspace.yaml',
  '.npmrc',
  '.pnpmfile.cjs',
  '.pnpmfile.mjs',
  '.yarnrc',
  '.yarnrc.yml',
  '.pnp.cjs',
  '.pnp.loader.mjs',
  '.corepack.env',
  'bunfig.toml',
]
/** Yarn's own directory: `yarnPath` names a program there, and `plugins` modules. */
const OF_YARN = '.yarn'

type Lookup = ProjectRoot['base']['lookup']

interface DependsOn {
  /** Directories below the root with a config of their own. */
  readonly subs: readonly string[]
  /** Files that the command names. */
  readonly named: readonly string[]
  /** The environment, and the temporary directory, of Vitest's process. */
  readonly env: Readonly<Partial<Record<string, string>>>
  readonly tmp: string
  /** As packagesOfRun finds them. */
  readonly packages: readonly string[]
  /** Those of the user. */
  readonly entries: readonly RuleList[]
}

/**
 * The files that the run depends on: those that the command and the environment name, the configs, the files that list
 * the packages, and the packages; and the directories where the loader looks for libraries, or Node for compiled modules.
 */
export function whatTheRunDependsOn(
  { root, workspace, nodeModules, base }: ProjectRoot,
  { subs, named, env, tmp, packages, entries }: DependsOn,
): Protected {
  const top = [...new Set([root, workspace, ...subs])]
  // In any directory above, also where there is none yet, the next run would take them for its own.
  const above = [...new Set(top.flatMap(ancestors))]
  const { lookup } = base
  const files = [
    ...named,
    ...filesNamedEarly(env, process.cwd(), lookup),
    ...above.flatMap((dir) => OF_PACKAGES.map((name) => join(dir, name))),
    ...top.flatMap((dir) => [
      join(dir, MANIFEST_FILE),
      ...CONFIG.flatMap((name) => EXTENSIONS.map((ext) => join(dir, `${name}.${ext}`))),
    ]),
  ]
  const modules = places([...nodeModules, ...above.map((dir) => join(dir, 'node_modules'))], lookup)
  const isInstalled = (path: BytePath): boolean => modules.some((dir) => isWithin(path, dir))
  // Where no entry names anything there, nobody writes to installed packages at all.
  const areNamed = entries.flat().some(({ effect, root }) => effect === 'grant' && isInstalled(root))
  const loaded = places([...loadedEarly(packages, nodeModules), packageDir, ...(base.runtimeDirs ?? [])], lookup)
  return {
    trees: [
      ...places([...directoriesOfCode(env, tmp), ...above.map((dir) => join(dir, OF_YARN))], lookup),
      // A package that is linked from its working copy has `node_modules`, and so caches, below it.
      ...loaded.filter((tree) => (areNamed || !isInstalled(tree)) && !modules.some((dir) => isWithin(dir, tree))),
    ],
    files: places(files, lookup),
    // Entries grant writing to caches there by name.
    unlessNamed: modules,
  }
}

/** Where the loader looks for libraries, and Node for modules that it has compiled. */
function directoriesOfCode(env: DependsOn['env'], tmp: string): readonly string[] {
  const { LD_LIBRARY_PATH: libraries = '', NODE_COMPILE_CACHE: cache = '' } = env
  // npm, and so npx, has its cache in the second one, and its code is run from there.
  const caches = [...(cache === '' ? [] : [cache]), join(dirname(tmp), 'node-compile-cache')]
  return [...libraryDirs(libraries), ...caches].map((dir) => resolve(dir))
}

/** Packages that workers load before their filter, and the directories where package managers keep linked packages. */
const EARLY = [
  'vitest',
  '@vitest',
  'vite',
  'vite-node',
  'tinypool',
  'koffi',
  '@koromix',
  'vitest-pool-seccomp',
  '.bin',
  '.pnpm',
]

/**
 * These packages, because what of them is loaded before a filter is for them to say, and the places where Node would find
 * another package of that name first: in `node_modules`, and beside a package in the store of a package manager, which has
 * links to what the package depends on there.
 */
function loadedEarly(packages: readonly string[], nodeModules: readonly string[]): readonly string[] {
  const found = packages.flatMap((dir) => {
    const [, beside, name] = /^(.*\/node_modules)\/(.+)$/.exec(dir) ?? []
    return beside === undefined || name === undefined ? [] : [{ beside, name }]
  })
  const names = [...EARLY, ...found.map(({ name }) => name)]
  const tops = new Set(nodeModules.map((dir) => endOf(dir) ?? dir))
  const stores = found.map(({ beside }) => beside).filter((dir) => !tops.has(dir))
  return [...packages, ...new Set(stores), ...nodeModules.flatMap((dir) => names.map((name) => join(dir, name)))]
}

/**
 * The files that NODE_OPTIONS and variables for Node, libc and OpenSSL name: they are loaded in Vitest's process and in
 * workers, before the filter.
 */
function filesNamedEarly(env: DependsOn['env'], cwd: string, lookup: Lookup): readonly string[] {
  const require = createRequire(join(cwd, 'x.js'))
  return namedEarly(env).flatMap((text) => {
    const path = resolve(cwd, text.startsWith('file:') ? pathOf(text) : text)
    return [path, ...found(require, path), ...found(require, text)].filter(
      (file) => lookup(bytePath(file)).kind === 'file',
    )
  })
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof URIError)) throw error
    // It is none, and Node loads nothing by it.
    return url
  }
}

/** The paths, and the real paths that links in them lead to. */
function places(paths: readonly string[], lookup: Lookup): readonly BytePath[] {
  return [
    ...new Set(
      paths.flatMap((path) => {
        const looked = lookup(bytePath(path))
        return [bytePath(path), ...('real' in looked ? [looked.real] : [])]
      }),
    ),
  ]
}
