import { baseEntries, sharedLibraryDirs, type BaseEntry } from './base-entries.js'
import { bindPath, type Looked } from './bind-paths.js'
import type { PathGrant } from './path-grants.js'
import type { BytePath } from './request.js'
import type { PathRule, RuleList } from './rules.js'

/** The facts that the base grants depend on. Paths are absolute; directories have no trailing slash. */
export interface BaseFacts {
  readonly lookup: (path: BytePath) => Looked
  /** The running Node executable. */
  readonly nodeExec: string
  /** Root and workspace: what may be imported from. */
  readonly sourceDirs?: readonly string[]
  /** `package.json` of root and workspace, where Node looks for the type of a module without a name for it. */
  readonly packageFiles?: readonly string[]
  /** The `node_modules` directories of root and workspace. */
  readonly nodeModules: readonly string[]
  /** The directories of PATH, and the home directory: which names are there is asked by every program. */
  readonly searchPath?: readonly string[]
  readonly home?: string
  /** Where this package's own files are, which the worker loads. */
  readonly packageDir: string
  /** Files and directories of Vitest's runtime where they lie outside `nodeModules`. */
  readonly runtimeDirs?: readonly string[]
  /** NODE_EXTRA_CA_CERTS. */
  readonly extraCaCerts?: string
  /** OpenSSL's configuration, where Node uses another than the system's. */
  readonly opensslConf?: string
  /**
   * The snapshot files of this test file, and the files with inline snapshots in them; `write` only in the update modes
   * in which Vitest would write them.
   */
  readonly snapshots?: {
    readonly paths: readonly string[]
    readonly inline: readonly string[]
    readonly write: boolean
  }
  /** Where the coverage provider has workers write. */
  readonly coverageDir?: string
  /** Where Vitest keeps transformed modules, if not in `node_modules`. */
  readonly transformCache?: string
}

/** The grants of every worker besides the manifest: those that Node and Vitest need to run a test, and no more. */
export function baseGrants(facts: BaseFacts): RuleList[] {
  return bound(
    [...runEntries(facts), ...snapshotEntries(facts.snapshots), ...baseEntries, ...sharedLibraryDirs.map(libraries)],
    facts.lookup,
  )
}

/** The part of the base grants that differs from one test file to the next. */
export function snapshotGrants({ lookup, snapshots }: Pick<BaseFacts, 'lookup' | 'snapshots'>): RuleList[] {
  return bound(snapshotEntries(snapshots), lookup)
}

function bound(entries: readonly BaseEntry[], lookup: BaseFacts['lookup']): RuleList[] {
  const rules = entries.flatMap((entry) => rulesOf(entry, lookup))
  return [
    merged(rules.filter(({ access }) => access === 'look')),
    merged(rules.filter(({ access }) => access === 'read')),
    merged(rules.filter(({ access }) => access === 'content')),
    merged(rules.filter(({ access }) => access === 'write')),
  ]
}

function runEntries(facts: BaseFacts): BaseEntry[] {
  const { nodeExec, nodeModules, packageDir, runtimeDirs = [] } = facts
  return [
    { path: nodeExec, reason: 'the Node executable' },
    ...(facts.packageFiles ?? []).map((path) => ({ path, reason: 'the module type of the project', ifPresent: true })),
    ...(facts.sourceDirs ?? []).flatMap(sources),
    ...nodeModules.map((dir) => ({ path: `${dir}/`, reason: 'installed packages' })),
    ...shown(facts.searchPath ?? [], 'where programs are looked for, along PATH'),
    ...shown(configDirs(facts.home), 'where programs look for a configuration'),
    { path: `${packageDir}/`, reason: 'the files of vitest-pool-seccomp that run in the worker' },
    ...runtimeDirs.map((dir) => ({ path: `${dir}/`, reason: "Vitest's runtime" })),
    ...transformCaches(facts),
    ...optional(facts.extraCaCerts, (path) => ({ path, reason: 'NODE_EXTRA_CA_CERTS' })),
    ...optional(facts.opensslConf, (path) => ({ path, reason: 'OpenSSL configuration of this Node' })),
    ...optional(facts.coverageDir, (dir) => ({ path: `${dir}/`, reason: 'coverage data', access: 'write' })),
  ]
}

/** git(1) opens its files there without asking for them first. */
function configDirs(home: string | undefined): string[] {
  return home === undefined
    ? []
    : ['', '/.config', '/.config/git'].map((dir) => (home === '/' ? '' : home) + dir || '/')
}

/**
 * That the directories are there. With that, a name in one of them can be asked for: what is not there is ENOENT to whoever
 * opens it, and anything else is refused as everywhere.
 */
function shown(dirs: readonly string[], reason: string): BaseEntry[] {
  return dirs.map((dir) => ({ path: `${dir.replace(/\/+$/, '')}/`, reason, access: 'look', ifPresent: true }))
}

/** Of what Vitest's own process loads for a worker, and what a directory `__mocks__` has to stand in for it. */
function sources(dir: string): BaseEntry[] {
  const mocks = ['**/__mocks__', '**/__mocks__/@*']
  return [
    {
      path: `${dir}/`,
      glob: `**/*.{${CODE}}`,
      access: 'look',
      reason: 'whether a module is there, which Vitest asks for imports and mocks',
    },
    ...mocks.map((glob): BaseEntry => ({ path: `${dir}/`, glob, reason: 'which modules have a mock beside them' })),
  ]
}

const CODE = 'js,mjs,cjs,jsx,ts,mts,cts,tsx,vue,svelte,astro,mdx'

/** Among them are those that only another worker may read; what a worker imports is sent to it. */
function transformCaches({ nodeModules, transformCache }: BaseFacts): BaseEntry[] {
  const usual = nodeModules.flatMap((dir) =>
    ['.vitest-cache', '.experimental-vitest-cache'].map((name) => `${dir}/${name}`),
  )
  return [...usual, ...(transformCache === undefined ? [] : [transformCache])].map((dir) => ({
    path: `${dir}/`,
    effect: 'exclude',
    reason: 'modules that Vitest has transformed, for any worker',
  }))
}

function snapshotEntries(snapshots: BaseFacts['snapshots']): BaseEntry[] {
  if (snapshots === undefined) return []
  const { paths, inline, write } = snapshots
  return [
    ...paths.map((path): BaseEntry => ({
      path,
      reason: 'snapshots of this test file',
      access: write ? 'write' : 'read',
    })),
    // Rewritten, but not replaced by something else: Vitest's own process reads them, too.
    ...inline.map((path): BaseEntry => ({ path, reason: 'inline snapshots of this test file', access: 'content' })),
  ]
}

function optional(path: string | undefined, entry: (path: string) => BaseEntry): BaseEntry[] {
  return path === undefined ? [] : [entry(path)]
}

function libraries(dir: string): BaseEntry {
  return { path: `${dir}/`, glob: '**/*.so*', reason: 'shared libraries of the system', ifPresent: true }
}

/** The rule for an entry; none where nothing is there, or something that cannot be looked up. */
function rulesOf(entry: BaseEntry, lookup: BaseFacts['lookup']): PathRule[] {
  const { path, glob, reason, effect = 'grant', access = 'read', ifPresent = false } = entry
  const shape = glob !== undefined ? 'glob' : path.endsWith('/') ? 'tree' : 'file'
  const rest = glob === undefined ? {} : { rest: glob }
  const source = path + (glob ?? '')
  // Not parsed: an installation path may well have glob characters in it.
  const grant: PathGrant = { effect, shape, anchor: '/', path: path.slice(1), source, ...rest }
  const { rules } = bindPath(grant, access, { root: '/', workspace: '/', home: '/', searchPath: [], lookup }, 'base')
  const isThere = (rule: PathRule) => path.startsWith('/proc/self/') || lookup(rule.root).kind !== 'missing'
  return rules.filter((rule) => !ifPresent || isThere(rule)).map((rule) => ({ ...rule, reason }))
}

/** One rule for what several entries come to: /lib and /usr/lib are mostly the same directory. */
function merged(rules: readonly PathRule[]): PathRule[] {
  const byPlace = new Map<string, PathRule>()
  for (const rule of rules) {
    const key = JSON.stringify([rule.effect, rule.shape, rule.root, rule.pattern])
    const known = byPlace.get(key)
    byPlace.set(key, known === undefined ? rule : { ...known, aliases: [...known.aliases, ...rule.aliases] })
  }
  return [...byPlace.values()]
}
