import { dirname } from 'node:path'
import { baseEntries, sharedLibraryDirs, type BaseEntry } from './base-entries.js'
import { bindPath, type Looked } from './bind-paths.js'
import { isWithin } from './canonical.js'
import type { PathGrant } from './path-grants.js'
import { bytePath, type BytePath } from './request.js'
import { implies, type PathRule, type RuleList } from './rules.js'

/** The facts about this run that the base grants depend on. Paths are absolute; directories have no trailing slash. */
export interface BaseFacts {
  readonly lookup: (path: BytePath) => Looked
  /** The running Node executable. */
  readonly nodeExec: string
  /** Root and workspace: tests may import from them. */
  readonly sourceDirs?: readonly string[]
  /** `package.json` of root and workspace. Node reads the module type (`"type"`) there. */
  readonly packageFiles?: readonly string[]
  /** The `node_modules` directories of root and workspace. */
  readonly nodeModules: readonly string[]
  /** The directories of PATH, and the home directory. Every program asks which names exist there. */
  readonly searchPath?: readonly string[]
  readonly home?: string
  /** The directory of this package's own files, which the worker loads. */
  readonly packageDir: string
  /** Files and directories of Vitest's runtime that lie outside `nodeModules`. */
  readonly runtimeDirs?: readonly string[]
  /** The value of NODE_EXTRA_CA_CERTS. */
  readonly extraCaCerts?: string
  /** OpenSSL's configuration file, where Node uses another one than the system's. */
  readonly opensslConf?: string
  /**
   * The snapshot files of this test file, and the source files that hold its inline snapshots. `write` is true only in
   * the update modes in which Vitest would write them.
   */
  readonly snapshots?: {
    readonly paths: readonly string[]
    readonly inline: readonly string[]
    readonly write: boolean
  }
  /** The directory that the coverage provider makes workers write to. */
  readonly coverageDir?: string
  /** The directory where Vitest keeps transformed modules, if it lies outside `node_modules`. */
  readonly transformCache?: string
  /** The beginning of the path of each worker's temporary directory. */
  readonly tmpPrefix?: string
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
    ...temporary(facts),
    ...nodeModules.map(keyToApi),
    ...optional(facts.extraCaCerts, (path) => ({ path, reason: 'NODE_EXTRA_CA_CERTS' })),
    ...optional(facts.opensslConf, (path) => ({ path, reason: 'OpenSSL configuration of this Node' })),
    ...optional(facts.coverageDir, (dir) => ({ path: `${dir}/`, reason: 'coverage data', access: 'write' })),
  ]
}

/** The directories in which programs look for configuration. git(1) opens its files there without a stat first. */
function configDirs(home: string | undefined): string[] {
  return home === undefined
    ? []
    : ['', '/.config', '/.config/git'].map((dir) => (home === '/' ? '' : home) + dir || '/')
}

/**
 * Grants that show that the directories exist. A test may then ask for a name in one of them: opening a name that does
 * not exist gives ENOENT, and opening any other is refused as everywhere.
 */
function shown(dirs: readonly string[], reason: string): BaseEntry[] {
  return dirs.map((dir) => ({ path: `${dir.replace(/\/+$/, '')}/`, reason, access: 'look', ifPresent: true }))
}

/**
 * Grants to look at the modules that Vitest's own process loads for a worker, at the mocks in `__mocks__` directories,
 * and at what is installed beside a package further down: pnpm has links there, and Node looks at them on its way.
 */
function sources(dir: string): BaseEntry[] {
  const mocks = ['**/__mocks__', '**/__mocks__/@*']
  const installed = ['**/node_modules/*', '**/node_modules/@*/*']
  return [
    {
      path: `${dir}/`,
      glob: `**/*.{${CODE}}`,
      access: 'look',
      reason: 'whether a module is there, which Vitest asks for imports and mocks',
    },
    ...mocks.map((glob): BaseEntry => ({ path: `${dir}/`, glob, reason: 'which modules have a mock beside them' })),
    ...installed.map((glob): BaseEntry => ({
      path: `${dir}/`,
      glob,
      access: 'look',
      reason: 'which packages are installed beside a package of the workspace',
    })),
  ]
}

const CODE = 'js,mjs,cjs,jsx,ts,mts,cts,tsx,vue,svelte,astro,mdx'

/**
 * Grants to read the code of the project, which any test may import: `require()` opens it in the worker, whereas
 * Vitest sends the code of an `import`. Code where some test may write needs a grant, because another test would run
 * what the first has put there. What an entry excludes stays excluded. `rules`: those of all tests. `tmpPrefix`: the
 * beginning of the path of each worker's temporary directory, whatever `<tmp>` is bound to.
 */
export function sourceGrants(
  { lookup, sourceDirs = [] }: Pick<BaseFacts, 'lookup' | 'sourceDirs'>,
  rules: readonly PathRule[],
  tmpPrefix: string,
): RuleList[] {
  const lasting = rules.filter(({ source }) => !/^!?<tmp>/.test(source))
  const writes = lasting.filter(({ effect, access }) => effect === 'grant' && implies(access, 'content'))
  const excluded = lasting
    .filter(({ effect }) => effect === 'exclude')
    .map((rule): PathRule => ({ ...rule, access: 'read' }))
  const dirs = sourceDirs.filter(
    (dir) => !writes.some(({ root, shape }) => shape === 'tree' && isWithin(bytePath(dir), root)),
  )
  const code = dirs.flatMap(readable).flatMap((entry) => rulesOf(entry, lookup))
  if (code.length === 0) return []
  const tmp: PathRule = {
    effect: 'exclude',
    access: 'read',
    shape: 'glob',
    root: bytePath(dirname(tmpPrefix)),
    pattern: `${tmpPrefix}*/`,
    aliases: [],
    source: '<tmp>/',
    at: 'base',
    reason: WRITTEN,
  }
  const without = writes.map((rule): PathRule => ({ ...rule, effect: 'exclude', access: 'read', reason: WRITTEN }))
  return [[...merged(code), ...without, ...excluded, tmp]]
}

function readable(dir: string): BaseEntry[] {
  const path = `${dir}/`
  return [
    { path, glob: `**/*.{${LOADED_BY_NODE}}`, reason: 'code of the project, which a test may import as well' },
    { path, glob: '**/package.json', reason: 'the module type of the project' },
    ...['**/.git/', '**/.env*'].map((glob): BaseEntry => ({ path, glob, effect: 'exclude', reason: 'no code' })),
  ]
}

const LOADED_BY_NODE = 'js,mjs,cjs,ts,mts,cts'
const WRITTEN = 'tests may write it'

/**
 * Exclusions for caches of transformed modules. They hold modules that only another worker may read; Vitest sends a
 * worker the modules that it imports.
 */
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

/**
 * An exclusion for what other tests write, where TMPDIR lies among installed packages: those may be read by every worker,
 * and the module table describes them.
 */
function temporary({ nodeModules, lookup, tmpPrefix }: BaseFacts): BaseEntry[] {
  const isInstalled = (path: BytePath): boolean =>
    nodeModules.map((dir) => lookup(bytePath(dir))).some((looked) => 'real' in looked && isWithin(path, looked.real))
  if (tmpPrefix === undefined || !isInstalled(bytePath(tmpPrefix))) return []
  const dir = dirname(tmpPrefix)
  return [{ path: `${dir}/`, glob: `${tmpPrefix.slice(dir.length + 1)}*/`, effect: 'exclude', reason: WRITTEN }]
}

/**
 * Excludes the key to the API of every Vitest 5 of this user, and what becomes it. It lies below `node_modules` where the
 * home directory cannot be written, as behind `vitest-seccomp run`.
 */
function keyToApi(dir: string): BaseEntry {
  return {
    path: `${dir}/.vitest/`,
    glob: '.vitest-secret-token*',
    effect: 'exclude',
    reason: "the key to Vitest's API",
  }
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
    // `content`: the worker may rewrite them, but not replace them, because Vitest's own process reads them as well.
    ...inline.map((path): BaseEntry => ({ path, reason: 'inline snapshots of this test file', access: 'content' })),
  ]
}

function optional(path: string | undefined, entry: (path: string) => BaseEntry): BaseEntry[] {
  return path === undefined ? [] : [entry(path)]
}

function libraries(dir: string): BaseEntry {
  return { path: `${dir}/`, glob: '**/*.so*', reason: 'shared libraries of the system', ifPresent: true }
}

/** The rule for an entry; none where nothing is there, or where the path cannot be looked up. */
function rulesOf(entry: BaseEntry, lookup: BaseFacts['lookup']): PathRule[] {
  const { path, glob, reason, effect = 'grant', access = 'read', ifPresent = false } = entry
  const shape = glob !== undefined ? 'glob' : path.endsWith('/') ? 'tree' : 'file'
  const rest = glob === undefined ? {} : { rest: glob }
  const source = path + (glob ?? '')
  // The grant is built, not parsed: an installation path may contain glob characters.
  const grant: PathGrant = { effect, shape, anchor: '/', path: path.slice(1), source, ...rest }
  const { rules } = bindPath(grant, access, { root: '/', workspace: '/', home: '/', searchPath: [], lookup }, 'base')
  const isThere = (rule: PathRule) => path.startsWith('/proc/self/') || lookup(rule.root).kind !== 'missing'
  return rules.filter((rule) => !ifPresent || isThere(rule)).map((rule) => ({ ...rule, reason }))
}

/** Merges rules that lead to the same place: /lib and /usr/lib are mostly one directory. */
function merged(rules: readonly PathRule[]): PathRule[] {
  const byPlace = new Map<string, PathRule>()
  for (const rule of rules) {
    const key = JSON.stringify([rule.effect, rule.shape, rule.root, rule.pattern])
    const known = byPlace.get(key)
    byPlace.set(key, known === undefined ? rule : { ...known, aliases: [...known.aliases, ...rule.aliases] })
  }
  return [...byPlace.values()]
}
