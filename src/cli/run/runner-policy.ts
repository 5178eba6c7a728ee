/** Determines the grants of a confined Vitest before any code of the project runs. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { namedEarly } from '../../broker/early-code.js'
import { libraryDirs } from '../../broker/environment.js'
import { interpretersOf, programsOf } from '../../broker/programs.js'
import { ManifestError } from '../../errors.js'
import { baseGrants } from '../../policy/base.js'
import { bindManifest, bindOptions, hostNamesOf, type BindContext } from '../../policy/bind.js'
import { isWithin } from '../../policy/canonical.js'
import { pathDanger } from '../../policy/dangers.js'
import {
  MANIFEST_FILE,
  manifestsOf,
  type Manifest,
  type ParsedManifest,
  type ParsedOptions,
} from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'
import { SECRETS } from '../../policy/path-grants.js'
import {
  anchorsOf,
  compilePolicy,
  decide,
  listsOf,
  waysOfExclusions,
  type PathRule,
  type PolicyData,
  type RuleList,
  type SocketRule,
} from '../../policy/policy.js'
import { protect, type Protected } from '../../policy/protect.js'
import { bytePath, rawPath, showPath, type BytePath } from '../../policy/request.js'
import { implies } from '../../policy/rules.js'
import { REPORTS, runnerBase } from '../../policy/runner-base.js'
import { NOTHING, parseOptions } from '../../policy/schema.js'
import { asEntry, spell, type Places } from '../../policy/spell.js'
import { CANARIES } from '../../project/early.js'
import { lookUpHosts, nameServerRules, type Addresses } from '../../project/host-names.js'
import { lookup } from '../../project/lookup.js'
import { dependenciesOf, packageDirs } from '../../project/package-dirs.js'
import { ancestors, packageDir, projectRoot, type ProjectRoot } from '../../project/root.js'
import { isConfig, subProjects } from '../../project/sub-projects.js'
import { textOf } from '../../sys/text-of.js'
import { UsageError } from '../command.js'
import type { RunArguments } from './arguments.js'
import { outputsIn, type NamedOutput } from './outputs.js'

interface RunnerPolicy {
  readonly place: ProjectRoot
  /** The canonical path of Vitest's `dist/`. */
  readonly vitestDirs: readonly string[]
  readonly policy: PolicyData & Required<Pick<PolicyData, 'denied' | 'linkless'>>
  /** The programs that Landlock lets Vitest and its children execute. */
  readonly executable: readonly string[]
  readonly protectedPlaces: Protected
  readonly addresses: Addresses
  readonly context: BindContext
  /** Directories below the root with a config of their own. */
  readonly subs: readonly string[]
}

interface RunnerPolicyFacts {
  readonly root: string
  readonly tmp: string
  readonly options: ParsedOptions
  /** The absolute path. */
  readonly manifestFile: string
  readonly args: Pick<RunArguments, 'mode' | 'configs' | 'outputs' | 'ports'>
  /** The terminal that the command was started on, if there is one. */
  readonly terminal: string | undefined
  readonly env: Readonly<Partial<Record<string, string>>>
  readonly audit: boolean
}

/**
 * Makes the policy. Throws a ManifestError for entries of `runner` that cannot be bound, and a UsageError if there is
 * no Vitest.
 */
export async function runnerPolicy(facts: RunnerPolicyFacts): Promise<RunnerPolicy> {
  const { options, tmp, audit, manifestFile, terminal, args } = facts
  const vitestDirs = [realpathSync(join(vitestOf(facts.root), 'dist'))]
  const place = projectRoot(facts.root, vitestDirs, facts.env)
  const { root, workspace, home, searchPath, nodeModules } = place
  const configs = configsOf(root, args.configs)
  const subs = configs.some(({ text }) => /\b(?:projects|workspace)\b/.test(text)) ? subProjects(root) : []
  const own = options.runner ?? NOTHING
  const addresses = await lookUpHosts(hostNamesOf({ ...options, manifest: own, files: [] }))
  const all = await lookUpHosts(hostNamesOf(options))
  const context: BindContext = { root, workspace, home, lookup, searchPath, tmp, file: root, addresses }
  const userData = facts.env.XDG_DATA_HOME ?? join(home, '.local/share')
  const modulesOfSubs = subs.map((dir) => join(dir, 'node_modules'))
  const outputs = [
    ...args.outputs.flatMap(entriesFor(process.cwd(), 'the command line names it')),
    ...configs.flatMap(({ text }) => outputsIn(text)).flatMap(entriesFor(root, 'the config names it')),
  ]
  const base = parseOptions({
    manifest: runnerBase({
      mode: args.mode,
      programs: programs(vitestDirs, root),
      nodeModules: [...nodeModules, ...modulesOfSubs],
      ownModules: [join(root, 'node_modules'), ...modulesOfSubs],
      ways: [
        ...new Set(
          [root, workspace, ...nodeModules, packageDir, ...(place.base.runtimeDirs ?? []), dirname(tmp)].flatMap(
            ancestors,
          ),
        ),
      ].filter((dir) => existsSync(dir)),
      userData,
      missing: ancestors(userData).filter((dir) => !existsSync(dir)),
      outputs,
      ports: args.ports,
      gits: [...new Set([root, workspace])]
        .map((dir) => join(dir, '.git'))
        .map((git) => (lookup(bytePath(git)).kind === 'file' ? git : `${git}/`)),
      bundlesBesideConfig: vitesOf(vitestDirs, root).some((path) => majorOf(path) < 6),
    }),
  }).manifest
  const tests = bindOptions(options, { ...context, addresses: all })
  const ofTests = parseOptions({ manifest: programsOfTests(tests.lists, context) }).manifest
  const always = bound(base, context, 'base')
  const alsoRead = bound(ofTests, context, 'base')
  const granted = bound(own, context, `${manifestFile} runner`)
  // In each project these entries name other places. One that cannot be bound there is reported if it is one.
  const elsewhere = subs.flatMap((dir) =>
    manifestsOf(options).map((one) => bindManifest(one, { ...context, root: dir, file: dir })),
  )
  const forTests = [tests, ...elsewhere]
  const entries = [...granted.lists, ...forTests.flatMap((one) => [...one.lists, ...listsOf(one.resources)])]
  const withReasons = [...always.lists, ...alsoRead.lists].map((list) =>
    list.map(({ why = 'the run', ...rule }) => ({ ...rule, reason: why })),
  )
  const exec = [...withReasons, ...granted.lists]
    .map((list) => list.filter(({ access }) => access === 'execute'))
    .filter((list) => list.length > 0)
  const denied = [...always.denied, ...granted.denied]
  const found = programsOf(exec, searchPath, denied)
  const named = [
    manifestFile,
    ...args.configs.map((path) => resolve(place.root, path)),
    ...filesNamedEarly(facts.env, process.cwd()),
  ]
  const { LD_LIBRARY_PATH: libraries = '', NODE_COMPILE_CACHE: cache = '' } = facts.env
  // npm, and so npx, has its cache in the second one, and its code is run from there.
  const caches = [...(cache === '' ? [] : [cache]), join(dirname(tmp), 'node-compile-cache')]
  const code = [...libraryDirs(libraries), ...caches].map((dir) => resolve(dir))
  const protectedPlaces = whatTheRunDependsOn(place, subs, { named, code, vitestDirs, entries })
  const lists = protect(
    [...baseGrants(place.base), ...withReasons, ...granted.lists, found.implied, ownRules(terminal)],
    protectedPlaces,
  )
  const grants = always.lists.flat().filter(({ effect }) => effect === 'grant')
  const from = (starts: readonly string[]): readonly PathRule[] =>
    grants.filter(({ source }) => starts.some((start) => source.startsWith(start)))
  refuseLinksOfRun(
    from(modulesOfSubs),
    protect([...lists, ...tests.lists, ...listsOf(tests.resources)], protectedPlaces),
  )
  const reports = from([...outputs.map(({ entry }) => entry), ...REPORTS])
  refuseLinksToOutputs(reports, place, granted.lists)
  const sockets: SocketRule[] = [
    ...always.sockets.map(({ why = 'the run', ...rule }) => ({ ...rule, reason: why })),
    ...granted.sockets,
    // The names in entries for tests are looked up in Vitest's process, too.
    ...(all.size === 0 ? [] : nameServerRules()),
  ]
  return {
    place,
    vitestDirs,
    executable: [...found.executable, realpathSync(process.execPath), ...interpretersOf(process.execPath)],
    protectedPlaces,
    addresses: all,
    context,
    subs,
    policy: {
      mode: audit ? 'audit' : 'enforce',
      lists,
      sockets,
      denied,
      interpreters: [...found.interpreters, ...interpretersOf(process.execPath).map(bytePath)],
      // What entries for tests name stays in its place, too, and what every run looks for.
      anchors: [...forTests.flatMap(anchorsOf), ...place.lookedFor],
      ways: forTests.flatMap(waysOfExclusions),
      linkless: withoutEntries(reports, entries),
      ...(terminal === undefined ? {} : { terminal: bytePath(terminal) }),
    },
  }
}

/** The programs that tests may run, and what starts them: Vitest's process reads how they begin. */
function programsOfTests(lists: readonly RuleList[], context: BindContext): Manifest {
  const { executable, named } = programsOf(lists, context.searchPath)
  const trees = lists
    .flat()
    .flatMap(({ access, shape, root }) => (access === 'execute' && shape !== 'file' ? [root] : []))
  const because = 'tests may run it, and Vitest reads how it is started'
  const entries = [
    ...[...executable, ...named].map(bytePath).filter((path) => lookup(path).kind === 'file'),
    // Of whole homes and disks Vitest is told no more than the runner part says.
    ...trees.filter((root) => pathDanger(root, 'read', true, context) === undefined).map((root) => rawPath(`${root}/`)),
  ]
  const read = [...new Set(entries)].map((path) => ({ entry: asEntry(path), why: because }))
  return read.length === 0 ? {} : { read: [...read, `!${SECRETS}`] }
}

/** The texts of the configs that Vitest may take: those that the command line names, or those in the root. */
function configsOf(root: string, named: readonly string[]): readonly { readonly text: string }[] {
  const names = named.length > 0 ? named : readdirSync(root).filter((name) => isConfig(name) || isWorkspace(name))
  return names.flatMap((name) => {
    const text = textOf(resolve(root, name))
    return text === undefined ? [] : [{ text: isWorkspace(name) ? `workspace ${text}` : text }]
  })
}

function isWorkspace(name: string): boolean {
  return /^vitest\.(?:workspace|projects)\./.test(name)
}

interface OutputEntry {
  readonly entry: string
  readonly why: string
}

/** For an output, and for each directory on the way there that has to be made. */
function entriesFor(dir: string, why: string): (output: NamedOutput) => OutputEntry[] {
  return ({ path, shape }) => {
    const place = resolve(dir, path)
    const missing = ancestors(dirname(place)).filter((above) => !existsSync(above))
    return [`${place}${shape === 'tree' ? '/' : ''}`, ...missing].map((entry) => ({ entry, why }))
  }
}

/**
 * Refuses places of this run, and perhaps of no other, where they lead through a link that an earlier run may have left.
 */
function refuseLinksOfRun(rules: readonly PathRule[], writable: readonly RuleList[]): void {
  const policy = compilePolicy({ mode: 'enforce', lists: writable, sockets: [] })
  for (const { source, aliases } of rules)
    for (const path of aliases)
      if (decide(policy, { kind: 'path', access: 'write', path }).allowed)
        throw new UsageError(
          `${source} leads through ${showPath(path)}, and a plugin or test may have put that link there: remove it`,
        )
}

/**
 * Refuses places for reports that lead through a link below the root. No run of this root may put one there, but one of a
 * root above may, if it may write there. Where the link leads to what an entry names by its own name, it is the user's.
 */
function refuseLinksToOutputs(rules: readonly PathRule[], places: Places, own: readonly RuleList[]): void {
  const straight = own.map((list) => list.filter(({ effect, aliases }) => effect === 'exclude' || aliases.length === 0))
  const policy = compilePolicy({ mode: 'enforce', lists: straight, sockets: [] })
  for (const { source, aliases, root, shape } of rules) {
    // The shortest is the first link on the way.
    const [link] = aliases
      .filter((path) => isWithin(path, bytePath(places.root)))
      .toSorted((a, b) => a.length - b.length)
    if (link === undefined) continue
    if (!decide(policy, { kind: 'path', access: shape === 'tree' ? 'move' : 'write', path: root }).allowed)
      throw new UsageError(
        `${source} leads through ${showPath(link)} to ${showPath(root)}, and a plugin or test of another run may have put that link there: ` +
          `remove it, or add write: [${quote(spell(places, root, shape === 'tree' ? '/' : ''))}] to runner in the manifest file`,
      )
  }
}

/** The directories of reports in which no entry lets anybody write: there, links are as little for Vitest to make. */
function withoutEntries(reports: readonly PathRule[], lists: readonly RuleList[]): readonly BytePath[] {
  const written = lists.flat().filter(({ effect, access }) => effect === 'grant' && implies(access, 'content'))
  const isNamed = (place: BytePath): boolean =>
    written.some(({ root }) => isWithin(root, place) || isWithin(place, root))
  return reports.flatMap(({ shape, root }) => (shape === 'tree' && !isNamed(root) ? [root] : []))
}

function bound(manifest: ParsedManifest, context: BindContext, at: string): ReturnType<typeof bindManifest> {
  const result = bindManifest(manifest, context, at)
  if (result.problems.length > 0) throw new ManifestError(result.problems)
  return result
}

/** The directory of the project's Vitest. Nothing of it is run to find it. */
function vitestOf(root: string): string {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve('vitest/package.json'))
  } catch (error) {
    throw new UsageError(`there is no vitest in ${root} or above it`, { cause: error })
  }
}

function programs(vitestDirs: readonly string[], root: string): { readonly path: string; readonly why: string }[] {
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

function found(require: NodeJS.Require, name: string): string[] {
  try {
    return [realpathSync(require.resolve(name))]
  } catch (error) {
    // A package that is not installed is not needed.
    if (error instanceof Error && 'code' in error) return []
    throw error
  }
}

/** Rules that no manifest entry can express: to see that a file exists, and to write to the terminal. */
function ownRules(terminal: string | undefined): RuleList {
  const rule = (path: string, access: PathRule['access'], reason: string): PathRule => ({
    effect: 'grant',
    access,
    shape: 'file',
    root: bytePath(path),
    aliases: [],
    source: path,
    at: 'base',
    reason,
  })
  return [
    ...CANARIES.map((path) =>
      rule(path, 'look', 'whether it is there: each worker tries to read it before it runs a test'),
    ),
    ...(terminal === undefined ? [] : [rule(terminal, 'content', 'the terminal that the command was typed on')]),
  ]
}

const CONFIG = ['vitest.config', 'vite.config', 'vitest.workspace', 'vitest.projects']
const EXTENSIONS = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json']
/** Files by which the next run finds its workspace, or by which package managers run code before it: npm, pnpm and Yarn. */
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
]

/**
 * The files that the run depends on: those that the command names (`named`), the configs, the files that list the
 * packages, and the packages; and the directories where the loader looks for libraries, or Node for compiled modules (`code`).
 * `entries`: those of the user.
 */
function whatTheRunDependsOn(
  { root, workspace, nodeModules, base }: ProjectRoot,
  subs: readonly string[],
  {
    named,
    code,
    vitestDirs,
    entries,
  }: {
    readonly named: readonly string[]
    readonly code: readonly string[]
    readonly vitestDirs: readonly string[]
    readonly entries: readonly RuleList[]
  },
): Protected {
  const top = [...new Set([root, workspace, ...subs])]
  // In any directory above, also where there is none yet, the next run would take them for its own.
  const above = [...new Set(top.flatMap(ancestors))]
  const files = [
    ...named,
    ...above.flatMap((dir) => OF_PACKAGES.map((name) => join(dir, name))),
    ...top.flatMap((dir) => [
      join(dir, MANIFEST_FILE),
      ...CONFIG.flatMap((name) => EXTENSIONS.map((ext) => join(dir, `${name}.${ext}`))),
    ]),
  ]
  const modules = places([...nodeModules, ...above.map((dir) => join(dir, 'node_modules'))])
  const isInstalled = (path: BytePath): boolean => modules.some((dir) => isWithin(path, dir))
  // Where no entry names anything there, nobody writes to installed packages at all.
  const areNamed = entries.flat().some(({ effect, root }) => effect === 'grant' && isInstalled(root))
  const loaded = places([...loadedEarly(vitestDirs, nodeModules), packageDir, ...(base.runtimeDirs ?? [])])
  return {
    trees: [
      ...places(code),
      // A package that is linked from its working copy has `node_modules`, and so caches, below it.
      ...loaded.filter((tree) => (areNamed || !isInstalled(tree)) && !modules.some((dir) => isWithin(dir, tree))),
    ],
    files: places(files),
    // Entries grant writing to caches there by name.
    unlessNamed: modules,
  }
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
 * The directories of the packages that Vitest and this package depend on, because what of them is loaded before a filter
 * is for them to say, and the places where Node would find another package of that name first.
 */
function loadedEarly(vitestDirs: readonly string[], nodeModules: readonly string[]): readonly string[] {
  const own = [...vitestDirs.map((dir) => dirname(dir)), ...dependenciesOf(dirname(packageDir))]
  const packages = packageDirs(own, [], ['dependencies', 'optionalDependencies'])
  const names = packages.flatMap((dir) => /.*\/node_modules\/(.+)$/.exec(dir)?.[1] ?? [])
  return [...packages, ...nodeModules.flatMap((dir) => [...EARLY, ...names].map((name) => join(dir, name)))]
}

/**
 * The files that NODE_OPTIONS and variables for Node, libc and OpenSSL name: they are loaded in Vitest's process and in
 * workers, before the filter.
 */
function filesNamedEarly(env: RunnerPolicyFacts['env'], cwd: string): readonly string[] {
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
function places(paths: readonly string[]): readonly BytePath[] {
  return [
    ...new Set(
      paths.flatMap((path) => {
        const looked = lookup(bytePath(path))
        return [bytePath(path), ...('real' in looked ? [looked.real] : [])]
      }),
    ),
  ]
}
