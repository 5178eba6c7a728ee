/** The policies of a Vitest project's workers: the manifest and the base grants, bound to this machine and this run. */
import { basename, dirname, join, resolve } from 'node:path'
import { distDir, type TestProject } from 'vitest/node'
import { hasInlineSnapshots } from '../broker/inline-snapshots.js'
import { interpretersOf, isOfTmp, programsOf, type Programs } from '../broker/programs.js'
import { TMP_NAME } from '../broker/tmp.js'
import type { StartOptions } from '../broker/worker.js'
import { ManifestError } from '../errors.js'
import type { ModuleTrees } from '../modules/walk.js'
import { baseGrants, snapshotGrants, sourceGrants, type BaseFacts } from '../policy/base.js'
import { bindSocket } from '../policy/bind-sockets.js'
import { bindManifest, bindOptions, hostNamesOf, type BindContext, type Binding } from '../policy/bind.js'
import { manifestsOf, type ParsedFiles, type ParsedOptions } from '../policy/manifest.js'
import { quote } from '../policy/nearest.js'
import {
  anchorsOf,
  compilePolicy,
  decide,
  listsOf,
  waysOfExclusions,
  type PolicyData,
  type RuleList,
  type SocketRule,
} from '../policy/policy.js'
import { bytePath, showPath, type BytePath } from '../policy/request.js'
import { NOTHING } from '../policy/schema.js'
import { parseSocketGrant } from '../policy/socket-grants.js'
import type { SuggestContext } from '../policy/suggest.js'
import { canariesFor, landlockRules } from '../project/early.js'
import { lookUpHosts, nameServerRules, type Addresses } from '../project/host-names.js'
import { lookup, lookupTogether, ruleFor } from '../project/lookup.js'
import { moduleTreesOf, WITHOUT_MODULES } from '../project/module-trees.js'
import { packageDir, projectRoot, runtimeTrees, withOwnNode, type ProjectRoot } from '../project/root.js'
import { besides, bindTestFiles, waysOf } from '../project/test-files.js'
import type { SelfCheck } from '../sys/escapes.js'
import { Memo } from './memo.js'
import { portsOf } from './runner-ports.js'
import { realTmpdir } from './tmpdir.js'
import { thisVitest } from './versions/running.js'

/** The policies of all projects that run together. */
const policies = new WeakMap<TestProject['vitest'], Map<TestProject, ProjectPolicy>>()

const PRELOAD = {
  access: 'read',
  shape: 'file',
  at: 'execArgv',
  reason: 'a module that execArgv or NODE_OPTIONS preloads',
} as const

/** The manifests bound for one directory of test files. */
interface BoundBeside {
  readonly anchors: readonly BytePath[]
  readonly lists: readonly RuleList[]
  readonly denied: RuleList
}

export class ProjectPolicy {
  readonly root: string
  readonly workspace: string
  readonly #place: ProjectRoot
  readonly #context: Omit<BindContext, 'tmp' | 'file'>
  readonly #facts: Omit<BaseFacts, 'snapshots'>
  #bound: readonly RuleList[] | undefined

  /** Throws a ManifestError that lists every entry that cannot be bound, before any test runs. */
  constructor(
    readonly project: TestProject,
    readonly options: ParsedOptions,
  ) {
    this.#place = projectRoot(project.config.root, [distDir, project.vitest.distPath], process.env)
    const { root, workspace, home, searchPath } = this.#place
    this.root = root
    this.workspace = workspace
    this.#context = { root, workspace, home, lookup, searchPath }
    this.#facts = {
      ...this.#place.base,
      tmpPrefix: join(realTmpdir(), TMP_NAME),
      ...optional('coverageDir', coverageDir(project)),
      ...optional('transformCache', transformCache(project.config) ?? transformCache(project.vitest.config)),
    }
    const whole = bindOptions(options, { ...this.#context, tmp: '/tmp', file: this.root })
    const lists = withOwnNode(whole.lists)
    this.warnings = whole.warnings
    this.#anchors = [...anchorsOf({ ...whole, lists }), ...this.#place.lookedFor]
    this.#lists = lists
    this.#denied = whole.denied
    this.#acquired = listsOf(whole.resources)
    this.#all = policies.get(project.vitest) ?? new Map<TestProject, ProjectPolicy>()
    policies.set(project.vitest, this.#all.set(project, this))
    // Of a worker's own directory each has its part: see executableIn.
    const lasting = lists.map((list) => list.filter((rule) => !isOfTmp(rule)))
    this.#runsFromTmp = lists.flat().some(isOfTmp)
    this.#executable = options.mode === 'audit' ? [] : this.#programsOf(lasting, this.#deniedToAll('/tmp')).executable
  }

  /** Denied to all test files. What is denied to some alone, others may run: the right is one for all workers. */
  #deniedToAll(tmp: string): RuleList {
    return bindManifest(this.options.manifest, { ...this.#context, tmp, file: this.root }).denied
  }

  /** Sentences about entries of the options that grant nothing on this machine. */
  readonly warnings: readonly string[]

  /**
   * The programs by the lists that grant them. They are looked for once: searching a glob takes time, and a test may
   * change the interpreter that a script names.
   */
  readonly #programs = new Map<string, Programs>()

  #programsOf(lists: readonly RuleList[], denied: RuleList): Programs {
    const exec = lists
      .map((list) => list.filter(({ access }) => access === 'execute'))
      .filter((list) => list.length > 0)
    const key = JSON.stringify([exec, denied])
    const known = this.#programs.get(key) ?? programsOf(exec, this.#searchPath, denied)
    this.#programs.set(key, known)
    return known
  }

  readonly #anchors: readonly BytePath[]
  readonly #lists: readonly RuleList[]
  readonly #denied: RuleList
  /** The lists of the resources, which tests have to acquire first. */
  readonly #acquired: readonly RuleList[]
  readonly #all: Map<TestProject, ProjectPolicy>
  /** The manifests bound for each directory of test files. */
  readonly #boundBeside = new Map<string, BoundBeside>()

  /** The policies of all projects that run together, including this one. */
  get together(): readonly ProjectPolicy[] {
    return [...this.#all.values()]
  }

  /**
   * The places that entries of any project and test file lead to. A worker that may write there must not redirect them.
   */
  get #everyAnchor(): readonly BytePath[] {
    const from = this.together.flatMap((policy) => [policy.#anchors, policy.#base, ...policy.#boundToFiles()])
    return this.#anchorsTogether.get(from, () => [
      ...new Set(
        this.together.flatMap((policy) => [...policy.#anchors, ...policy.#anchorsOfFiles, ...policy.#anchorsOfBase]),
      ),
    ])
  }

  readonly #anchorsTogether = new Memo<readonly BytePath[]>()

  /** The links on the way to what entries of any project and test file exclude. */
  get #everyWay(): readonly BytePath[] {
    const lists = this.together.flatMap((policy) => [
      ...policy.#everyList,
      policy.#denied,
      ...[...policy.#boundToFiles()].map(({ denied }) => denied),
    ])
    return this.#waysTogether.get(lists, () => waysOfExclusions({ lists }))
  }

  readonly #waysTogether = new Memo<readonly BytePath[]>()

  get #anchorsOfFiles(): readonly BytePath[] {
    return [...this.#boundToFiles()].flatMap(({ anchors }) => anchors)
  }

  /** The manifests bound for each test file's directory, which `<file>` stands for. */
  #boundToFiles(): Iterable<BoundBeside> {
    const manifests = manifestsOf(this.options).filter((one) => JSON.stringify(one).includes('<file>'))
    if (manifests.length === 0) return []
    for (const directory of new Set(this.project.vitest.state.getPaths().map((path) => dirname(path)))) {
      if (this.#boundBeside.has(directory)) continue
      // An entry that cannot be bound is reported when that file runs.
      const context = { ...this.#context, tmp: '/tmp', file: directory }
      const bound = manifests.map((one) => bindManifest(one, context))
      this.#boundBeside.set(directory, {
        anchors: bound.flatMap(anchorsOf),
        lists: bound.flatMap(({ lists, resources }) => [...lists, ...listsOf(resources)]),
        denied: bound.flatMap(({ denied }) => denied),
      })
    }
    return this.#boundBeside.values()
  }

  get #anchorsOfBase(): readonly BytePath[] {
    return anchorsOf({ lists: this.#base, sockets: [] })
  }

  /** The base grants. Binding them waits until the first worker needs them; its process may be starting by then. */
  get #base(): readonly RuleList[] {
    this.#bound ??= baseGrants(this.#facts)
    return this.#bound
  }

  /** The grants for the code of the project, where no test of this run may write. */
  get #sources(): readonly RuleList[] {
    const lists = this.together.flatMap((policy) => policy.#everyList)
    return this.#sourcesFor.get(lists, () => sourceGrants(this.#facts, lists.flat(), join(realTmpdir(), TMP_NAME)))
  }

  readonly #sourcesFor = new Memo<readonly RuleList[]>()

  /** The programs that any test file of this project may execute, but for those in temporary directories. */
  readonly #executable: readonly string[]

  /** True if an entry lets workers execute what is in their temporary directories. */
  readonly #runsFromTmp: boolean

  /**
   * The programs that any test file of this project may execute in a worker with this temporary directory. The broker
   * narrows them for each file.
   */
  executableIn(tmp: string): readonly string[] | 'any' {
    if (this.options.mode === 'audit') return 'any'
    if (!this.#runsFromTmp) return this.#executable
    const { lists } = bindOptions(this.options, { ...this.#context, tmp, file: this.root })
    const { executable } = programsOf([lists.flat().filter(isOfTmp)], [], this.#deniedToAll(tmp))
    return [...this.#executable, ...executable]
  }

  get #searchPath(): readonly string[] {
    return this.#context.searchPath
  }

  /** The directory that the coverage provider makes workers write to, if any. */
  get coverageDir(): string | undefined {
    return this.#facts.coverageDir
  }

  /** The directory of coverage reports, for this run or another. */
  get reportsDir(): string | undefined {
    const { coverage } = this.project.vitest.config
    return 'reportsDirectory' in coverage && typeof coverage.reportsDirectory === 'string'
      ? resolve(this.root, coverage.reportsDirectory)
      : undefined
  }

  /** Trees that the worker may read directly, before its filter, while it loads Vitest's runtime. */
  get runtimeTrees(): readonly string[] {
    return runtimeTrees(this.#place)
  }

  /** The Landlock domain of a worker with this temporary directory. */
  landlockIn(tmp: string): StartOptions['setup']['landlock'] {
    return landlockRules(this.#place, this.executableIn(tmp))
  }

  /**
   * Looks up the host names in `connect` and `listen` entries once, by the resolver that would also answer the tests.
   */
  resolveHosts(): Promise<void> {
    this.#resolving ??= this.#resolve()
    return this.#resolving
  }

  #resolving: Promise<void> | undefined
  #addresses: Addresses = new Map()

  async #resolve(): Promise<void> {
    this.#addresses = await lookUpHosts(hostNamesOf(this.options))
  }

  get #nameServers(): readonly SocketRule[] {
    return this.#addresses.size === 0 ? [] : nameServerRules()
  }

  /** The rule for `vitest --inspect`: Vitest's own worker opens the debugger's port. */
  get #debuggerPort(): readonly SocketRule[] {
    const { enabled, host = '127.0.0.1', port = 9229 } = this.project.vitest.config.inspector
    if (enabled !== true) return []
    const grant = parseSocketGrant(`tcp:${host.includes(':') ? `[${host}]` : host}:${port}`, 'listen')
    if (!grant.ok) return []
    return bindSocket(grant.value, 'listen', { ...this.#context, addresses: this.#addresses }, 'base').rules.map(
      (rule) => ({ ...rule, reason: 'the debugger that --inspect asks for' }),
    )
  }

  /**
   * The policy of a worker that runs these test files; at first there are none. Several files share the grants of each.
   */
  for(tmp: string, files: readonly string[], preloads: readonly string[]): PolicyData {
    const context = { ...this.#context, tmp, addresses: this.#addresses }
    const bound = bindTestFiles(this.options, context, files, this.project.config.root)
    this.#checkWays(bound)
    const base = [...this.#base, ...snapshotGrants({ lookup: besides(files), snapshots: this.#snapshots(files) })]
    const lists = withOwnNode(distinct(bound.lists))
    const { implied, interpreters } = this.#programsOf(lists, bound.denied)
    // What an entry for a tree would bring: no binary that a test makes needs an entry for it.
    const audited = this.options.mode === 'audit' ? interpretersOf(process.execPath).map(bytePath) : []
    return {
      mode: this.options.mode,
      anchors: this.#everyAnchor,
      ways: this.#everyWay,
      runnerPorts: portsOf(this.project.vitest),
      lists: [
        ...base,
        ...this.#sources,
        preloads.map((path) => ruleFor(path, PRELOAD)),
        ...lists,
        listsInside(lists, tmp),
        implied,
      ],
      interpreters: [...interpreters, ...audited],
      sockets: [...bound.sockets, ...this.#nameServers, ...this.#debuggerPort],
      denied: bound.denied,
      resources: bound.resources,
    }
  }

  /**
   * Refuses entries beside a test file (`<file>`) that lead through a link where some test may write. They are looked up
   * when the file is known, and a test could have left a file of that name, and the link.
   */
  #checkWays(bound: Omit<Binding, 'warnings'>): void {
    const ways = waysOf(bound).filter(({ source }) => source.includes('<file>'))
    if (ways.length === 0) return
    const lists = this.together.flatMap((policy) => policy.#everyList)
    const policy = compilePolicy({ mode: 'enforce', lists, sockets: [] })
    const problems = ways
      .filter(({ place }) => decide(policy, { kind: 'path', access: 'write', path: place }).allowed)
      .map(({ source, at, place }) => ({
        at,
        expected: 'a place that no test can have made a link to',
        found: `${quote(source)}, which leads through ${quote(showPath(place))}: a test may write there`,
      }))
    if (problems.length > 0) throw new ManifestError(problems)
  }

  /** The grants of any test file, with one directory for every `<tmp>` and `<file>`. */
  grantsOfAny(dir: string): Pick<PolicyData, 'lists' | 'resources' | 'denied'> {
    return bindOptions(this.options, { ...this.#context, tmp: dir, file: dir })
  }

  /** The installed packages that no worker of this run may write, for the workers' module table. */
  get moduleTrees(): ModuleTrees | undefined {
    if (process.env[WITHOUT_MODULES] !== undefined) return undefined
    const { nodeModules, runtimeDirs = [] } = this.#facts
    const testDirs = this.project.vitest.state.getPaths().map((path) => dirname(path))
    const trees = moduleTreesOf({
      dirs: [...nodeModules, packageDir, ...runtimeDirs],
      lookup: lookupTogether(),
      lists: this.together.flatMap((policy) => policy.#everyList),
      denied: this.together.flatMap((policy) => policy.#everyDenied),
      testDirs: [...new Set(testDirs)],
    })
    const { coverage } = this.project.vitest.config
    return { ...trees, compiled: !coverage.enabled || coverage.provider === 'istanbul' }
  }

  /** The lists for every test file, with what tests have to acquire. */
  get #everyList(): readonly RuleList[] {
    const beside = [...this.#boundToFiles()].flatMap(({ lists }) => lists)
    return [...this.#lists, ...this.#acquired, ...this.#base, ...beside]
  }

  get #everyDenied(): RuleList {
    return [...this.#denied, ...[...this.#boundToFiles()].flatMap(({ denied }) => denied)]
  }

  /**
   * The ways out that a worker tries before any code of the user runs in it, chosen by the policy in force at that
   * time.
   */
  selfCheck(policy: PolicyData): SelfCheck {
    this.#canaries ??= canariesFor(policy, [`/proc/${process.pid}/stat`])
    return { paths: this.#canaries, parent: process.pid }
  }

  #canaries: readonly string[] | undefined

  /** The policy of a single entry of `files`, whatever test files it applies to. */
  forGlob(tmp: string, entry: ParsedFiles): PolicyData {
    const { lists, sockets, resources, denied } = bindOptions(
      { ...this.options, manifest: NOTHING, files: [entry] },
      { ...this.#context, tmp, file: this.root, addresses: this.#addresses },
    )
    return { mode: this.options.mode, lists: withOwnNode(lists), sockets, resources, denied }
  }

  suggestContext(tmp: string): SuggestContext {
    return { root: this.root, workspace: this.workspace, home: this.#place.home, tmp, searchPath: this.#searchPath }
  }

  #snapshots(files: readonly string[]): NonNullable<BaseFacts['snapshots']> {
    const { snapshot, config } = this.project.vitest
    const write = config.snapshotOptions.updateSnapshot !== 'none'
    const paths = files.flatMap((file) => {
      const path = snapshot.resolvePath(file, { config: this.project.serializedConfig })
      return write ? [path, dirname(path)] : [path]
    })
    return { paths, inline: write ? files.filter(hasInlineSnapshots) : [], write }
  }
}

function optional<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  // A computed key is typed as string; by construction it is K.
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: string })
}

/**
 * Behind `vitest-seccomp run`, a worker's directory lies in one of Vitest's. Whoever may list the directory above that
 * may list it as well, as if the worker's lay there.
 */
function listsInside(lists: readonly RuleList[], tmp: string): RuleList {
  const between = dirname(tmp)
  if (!basename(between).startsWith(TMP_NAME)) return []
  const above = dirname(between)
  return lists
    .flat()
    .filter(({ effect, access, root }) => effect === 'grant' && access === 'list' && root === above)
    .map((rule) => ({ ...rule, root: bytePath(between), aliases: [] }))
}

/** Drops duplicates: test files that share a manifest bring the same lists. */
function distinct(lists: readonly RuleList[]): RuleList[] {
  const seen = new Map(lists.map((list) => [JSON.stringify(list), list]))
  return [...seen.values()]
}

/** The directory where Vitest keeps transformed modules, if not below node_modules. */
function transformCache(config: object): string | undefined {
  const place = thisVitest.transformCache(config)
  return typeof place === 'string' ? place : undefined
}

/** The directory that workers write coverage data to, below the reports directory. */
function coverageDir({ vitest, config }: TestProject): string | undefined {
  const { coverage } = vitest.config
  if (thisVitest.coverage === 'by message' || !coverage.enabled || !('reportsDirectory' in coverage)) return undefined
  const { shard } = vitest.config
  return resolve(
    config.root,
    coverage.reportsDirectory,
    shard === undefined ? '.tmp' : `.tmp-${shard.index}-${shard.count}`,
  )
}
