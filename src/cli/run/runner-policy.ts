/** Determines the grants of a confined Vitest before any code of the project runs. */
import { existsSync, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { interpretersOf, programsOf } from '../../broker/programs.js'
import { TMP_NAME } from '../../broker/tmp.js'
import { ManifestError } from '../../errors.js'
import { baseGrants } from '../../policy/base.js'
import { bindManifest, bindOptions, hostNamesOf, type BindContext } from '../../policy/bind.js'
import { isWithin } from '../../policy/canonical.js'
import { pathDanger } from '../../policy/dangers.js'
import { manifestsOf, type Manifest, type ParsedManifest, type ParsedOptions } from '../../policy/manifest.js'
import { SECRETS } from '../../policy/path-grants.js'
import {
  anchorsOf,
  listsOf,
  waysOfExclusions,
  type PathRule,
  type PolicyData,
  type RuleList,
  type SocketRule,
} from '../../policy/policy.js'
import { protect, type Protected } from '../../policy/protect.js'
import { bytePath, rawPath } from '../../policy/request.js'
import { REPORTS, runnerBase } from '../../policy/runner-base.js'
import { NOTHING, parseOptions } from '../../policy/schema.js'
import { asEntry } from '../../policy/spell.js'
import { CANARIES } from '../../project/early.js'
import { lookUpHosts, nameServerRules, type Addresses } from '../../project/host-names.js'
import { packagesOfRun } from '../../project/module-trees.js'
import { ancestors, endOf, isOfPackages, packageDir, projectRoot, type ProjectRoot } from '../../project/root.js'
import { isConfig, subProjects } from '../../project/sub-projects.js'
import { textOf } from '../../sys/text-of.js'
import type { RunArguments } from './arguments.js'
import { bundlesBesideConfig, programs, vitestOf } from './installed.js'
import { linklessOf, refuseLinksOfRun, refuseLinksToOutputs } from './links.js'
import { outputsIn, type NamedOutput } from './outputs.js'
import { whatTheRunDependsOn } from './protected-places.js'

export interface RunnerPolicy {
  readonly place: ProjectRoot
  /** The canonical path of Vitest's `dist/`. */
  readonly vitestDirs: readonly string[]
  /** The canonical directories of the packages that Vitest and this package depend on, at any depth. */
  readonly packages: readonly string[]
  readonly policy: PolicyData & Required<Pick<PolicyData, 'denied' | 'linkless'>>
  /** The programs that Landlock lets Vitest and its children execute. */
  readonly executable: readonly string[]
  readonly protectedPlaces: Protected
  readonly addresses: Addresses
  readonly context: BindContext
  /** `node_modules` of the directories below the root with a config of their own, whether or not they exist. */
  readonly modulesOfSubs: readonly string[]
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
  const { options, tmp, audit, manifestFile, terminal, args, env } = facts
  const vitestDirs = [realpathSync(join(vitestOf(facts.root), 'dist'))]
  const place = projectRoot(facts.root, vitestDirs, env)
  const { root, workspace, home, searchPath, nodeModules } = place
  const { lookup } = place.base
  const packages = packagesOfRun(vitestDirs)
  const configs = configsOf(root, args.configs)
  const subs = configs.some(({ text }) => /\b(?:projects|workspace)\b/.test(text)) ? subProjects(root) : []
  const own = options.runner ?? NOTHING
  const addresses = await lookUpHosts(hostNamesOf({ ...options, manifest: own, files: [] }))
  const all = await lookUpHosts(hostNamesOf(options))
  const context: BindContext = { root, workspace, home, lookup, searchPath, tmp, file: root, addresses }
  const modulesOfSubs = subs.map((dir) => join(dir, 'node_modules')).filter(isOfPackages)
  const outputs = [
    ...args.outputs.flatMap(entriesFor(process.cwd(), 'the command line names it')),
    ...configs.flatMap(({ text }) => outputsIn(text)).flatMap(entriesFor(root, 'the config names it')),
  ]
  const base = baseManifest(facts, { place, vitestDirs, modulesOfSubs, outputs })
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
  const named = [manifestFile, ...args.configs.map((path) => resolve(root, path))]
  const protectedPlaces = whatTheRunDependsOn(place, { subs, named, env, tmp, packages, entries })
  const lists = protect(
    [
      ...baseGrants({ ...place.base, tmpPrefix: join(dirname(tmp), TMP_NAME) }),
      ...withReasons,
      ...granted.lists,
      found.implied,
      ownRules(terminal, summaryOf(env, [root, workspace])),
    ],
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
  const caches = from([...nodeModules, ...modulesOfSubs].map((dir) => `${dir}/`))
  const sockets: SocketRule[] = [
    ...always.sockets.map(({ why = 'the run', ...rule }) => ({ ...rule, reason: why })),
    ...granted.sockets,
    // The names in entries for tests are looked up in Vitest's process, too.
    ...(all.size === 0 ? [] : nameServerRules()),
  ]
  return {
    place,
    vitestDirs,
    packages,
    executable: [...found.executable, realpathSync(process.execPath), ...interpretersOf(process.execPath)],
    protectedPlaces,
    addresses: all,
    context,
    modulesOfSubs,
    policy: {
      mode: audit ? 'audit' : 'enforce',
      lists,
      sockets,
      denied,
      interpreters: [...found.interpreters, ...interpretersOf(process.execPath).map(bytePath)],
      // What entries for tests name stays in its place, too, and what every run looks for.
      anchors: [...forTests.flatMap(anchorsOf), ...place.lookedFor],
      ways: forTests.flatMap(waysOfExclusions),
      linkless: linklessOf([...reports.filter(({ shape }) => shape === 'tree'), ...caches], entries),
      ...(terminal === undefined ? {} : { terminal: bytePath(terminal) }),
    },
  }
}

/** The grants of every run, as a manifest. */
function baseManifest(
  { tmp, env, args }: RunnerPolicyFacts,
  {
    place: { root, workspace, home, nodeModules, base },
    vitestDirs,
    modulesOfSubs,
    outputs,
  }: {
    readonly place: ProjectRoot
    readonly vitestDirs: readonly string[]
    readonly modulesOfSubs: readonly string[]
    readonly outputs: readonly OutputEntry[]
  },
): ParsedManifest {
  const userData = env.XDG_DATA_HOME ?? join(home, '.local/share')
  const tops = [root, workspace, ...nodeModules, packageDir, ...(base.runtimeDirs ?? []), dirname(tmp)]
  const manifest = runnerBase({
    envFiles: envFilesOf(root, args.mode),
    programs: programs(vitestDirs, root),
    nodeModules: [...nodeModules, ...modulesOfSubs],
    ownModules: [join(root, 'node_modules'), ...modulesOfSubs],
    ways: [...new Set(tops.flatMap(ancestors))].filter((dir) => existsSync(dir)),
    userData,
    missing: ancestors(userData).filter((dir) => !existsSync(dir)),
    reports: REPORTS.filter((dir) => dir !== 'html/' || !isOwnPage(resolve(root, dir))),
    outputs,
    ports: args.ports,
    bundlesBesideConfig: bundlesBesideConfig(vitestDirs, root),
  })
  return parseOptions({ manifest }).manifest
}

/** True for a directory of the project's own that is called as Vitest's page is: it is no report. */
function isOwnPage(dir: string): boolean {
  if (lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) return false
  const names = readdirSync(dir)
  // What Vitest's page shows is in that file.
  const isVitests = names.includes('html.meta.json.gz') || /vitest/i.test(textOf(join(dir, 'index.html')) ?? '')
  return names.length > 0 && !isVitests
}

/** Vite's own names. One that is a link to a file of another name is no environment file, whatever a pull request calls it. */
function envFilesOf(root: string, mode: string): readonly string[] {
  return ['.env', '.env.local', `.env.${mode}`, `.env.${mode}.local`].filter((name) =>
    basename(endOf(join(root, name)) ?? name).startsWith('.env'),
  )
}

/** The programs that tests may run, and what starts them: Vitest's process reads how they begin. */
function programsOfTests(lists: readonly RuleList[], context: BindContext): Manifest {
  const { executable, named } = programsOf(lists, context.searchPath)
  const granting = lists.flat().filter(({ access, effect }) => access === 'execute' && effect === 'grant')
  const trees = granting.flatMap(({ shape, root }) => (shape === 'file' ? [] : [root]))
  // The links by which they are found: `sh` is one in Debian.
  const links = granting.flatMap(({ aliases }) => aliases)
  const because = 'tests may run it, and Vitest reads how it is started'
  const entries = [
    ...[...[...executable, ...named].map(bytePath), ...links].filter((path) => context.lookup(path).kind === 'file'),
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

function bound(manifest: ParsedManifest, context: BindContext, at: string): ReturnType<typeof bindManifest> {
  const result = bindManifest(manifest, context, at)
  if (result.problems.length > 0) throw new ManifestError(result.problems)
  return result
}

/**
 * The file that GitHub shows with the job, where it is no file of the project. Its name is another one in each step, and files
 * beside it change the environment of the next steps, so no entry could name it.
 */
function summaryOf(
  { GITHUB_STEP_SUMMARY: path = '' }: RunnerPolicyFacts['env'],
  tops: readonly string[],
): string | undefined {
  const end = path.startsWith('/') ? endOf(path) : undefined
  const isFile = end !== undefined && statSync(end).isFile()
  return isFile && !tops.some((top) => isWithin(bytePath(end), bytePath(top))) ? end : undefined
}

/** Rules that no manifest entry can express: to see that a file exists, and to write to the terminal and the job's summary. */
function ownRules(terminal: string | undefined, summary: string | undefined): RuleList {
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
    ...(summary === undefined
      ? []
      : [rule(summary, 'content', 'the summary of the job, which Vitest adds to on GitHub')]),
  ]
}
