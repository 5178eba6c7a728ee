/**
 * The bounds of a confined runner. The workers' policies are made here, from the manifest file as it was when the run
 * began; the runner's own requests can only take something away. Everything that would run or be opened in a worker
 * before its filter is checked against a list.
 */
import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeOf, ManifestError } from '../errors.js'
import type { DeniedPaths, ModuleTrees } from '../modules/walk.js'
import { baseGrants, snapshotGrants, sourceGrants } from '../policy/base.js'
import { bindManifest, bindOptions, type BindContext, type Binding } from '../policy/bind.js'
import { isWithin } from '../policy/canonical.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { quote } from '../policy/nearest.js'
import {
  anchorsOf,
  compilePolicy,
  decide,
  kindOfUse,
  listsOf,
  waysOfExclusions,
  withoutDenied,
  type Policy,
  type PolicyData,
  type Resource,
  type RuleList,
  type SocketRule,
} from '../policy/policy.js'
import { protect, type Protected } from '../policy/protect.js'
import { bytePath, showPath, type BytePath } from '../policy/request.js'
import { implies, type PathRule } from '../policy/rules.js'
import { parseOptions, withManifestFile } from '../policy/schema.js'
import { landlockRules } from '../project/early.js'
import { nameServerRules } from '../project/host-names.js'
import { lookup } from '../project/lookup.js'
import { moduleTreesOf } from '../project/module-trees.js'
import { findWorkspace, projectRoot, runtimeTrees, withOwnNode, type ProjectRoot } from '../project/root.js'
import { besides, bindTestFiles, waysOf } from '../project/test-files.js'
import { earlyModules, RUNNER, RUNNER_3 } from '../project/vitest-modules.js'
import { builtFile } from './built.js'
import type { Subject } from './control.js'
import { splitEnv, withoutEarlyCode } from './early-code.js'
import { hasInlineSnapshots } from './inline-snapshots.js'
import { NOT_GIVEN, StartFailure } from './outputs.js'
import { programsOf } from './programs.js'
import type { Admission } from './serving.js'
import { TMP_NAME } from './tmp.js'
import type { Attachment, Launch } from './worker.js'

/** The facts that the launcher has read before anything of the project ran. Plain data. */
export interface Ground {
  /** The canonical root of the run. */
  readonly root: string
  /** The manifest file's path as messages show it, and its text. */
  readonly manifestFile: string
  readonly manifestText: string | undefined
  /** `dist/` of each Vitest package, canonical. */
  readonly vitestDirs: readonly string[]
  /** The canonical directories of the packages that Vitest and this package depend on, at any depth. */
  readonly packages: readonly string[]
  /** The directory and the environment in which the run was started. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** The runner's own temporary directory. */
  readonly tmp: string
  /**
   * The runner's own grants. Beside what the manifest gives its workers, the runner can give them no more than these.
   */
  readonly lists: readonly RuleList[]
  /** The entries of the runner's own `deny`. */
  readonly denied: RuleList
  readonly linkless: readonly BytePath[]
  readonly sockets: readonly SocketRule[]
  readonly protectedPlaces: Protected
  /** The addresses of the names in the manifest. */
  readonly addresses: readonly (readonly [name: string, addresses: readonly string[]])[]
  /** True for a recording: nothing is refused, and everything is reported. */
  readonly audit: boolean
}

/** The grants of the manifest file for the workers of one project. */
class Project {
  readonly place: ProjectRoot
  readonly anchors: readonly BytePath[]
  readonly ways: readonly BytePath[]
  readonly executable: readonly string[]
  readonly base: readonly RuleList[]
  readonly lists: readonly RuleList[]
  /** The lists of the resources, which tests have to acquire first. */
  readonly acquired: readonly RuleList[]
  readonly denied: RuleList
  readonly #implied: RuleList
  readonly #context: Omit<BindContext, 'tmp' | 'file'>

  constructor(
    readonly ground: Ground,
    readonly options: ParsedOptions,
    root: string,
    /** The roots of the run and of its workspace. */
    readonly tops: readonly string[],
  ) {
    this.place = projectRoot(root, ground.vitestDirs, ground.env)
    const { workspace, home, searchPath, base } = this.place
    this.#context = { root, workspace, home, lookup, searchPath, addresses: new Map(ground.addresses) }
    this.base = baseGrants({ ...base, tmpPrefix: join(ground.tmp, TMP_NAME) })
    const whole = this.#reachable(bindOptions(options, { ...this.#context, tmp: ground.tmp, file: root }))
    this.lists = withOwnNode(whole.lists)
    this.acquired = listsOf(whole.resources)
    this.denied = whole.denied
    this.anchors = [
      ...anchorsOf({ ...whole, lists: this.lists }),
      ...anchorsOf({ lists: this.base, sockets: [] }),
      ...this.place.lookedFor,
    ]
    this.ways = waysOfExclusions(whole)
    const { executable, implied } = programsOf(
      this.lists.map((list) => list.filter(({ access }) => access === 'execute')).filter((list) => list.length > 0),
      searchPath,
      // What is denied to some test files alone, others may run.
      bindManifest(options.manifest, { ...this.#context, tmp: ground.tmp, file: root }).denied,
    )
    this.executable = executable
    this.#implied = implied
  }

  /**
   * The grants without those that climb out of the workspace from a place that only the runner has named: another root than
   * the run's, or a test file's directory.
   */
  #reachable<B extends Pick<Binding, 'lists' | 'sockets' | 'resources'>>(bound: B): B {
    const { ground, tops } = this
    const isOwn = this.place.root === ground.root
    const isGiven = (rule: PathRule | SocketRule): boolean => {
      const [, source = '', anchor] = /^(?:unix:)?((?:<(\w+)>)?.*)$/s.exec(rule.source) ?? []
      const isNamed =
        anchor === 'file' || (!isOwn && (anchor === undefined ? !source.startsWith('/') : anchor === 'root'))
      if (!isNamed || !source.split('/').includes('..')) return true
      const place = 'target' in rule ? rule.target : rule
      if (!('root' in place)) return true
      // The first one is how it is spelled, if links lead elsewhere.
      const [spelled = place.root] = place.aliases
      return tops.some((top) => isWithin(spelled, bytePath(top)))
    }
    return {
      ...bound,
      lists: bound.lists.map((list) => list.filter((rule) => rule.effect === 'exclude' || isGiven(rule))),
      sockets: bound.sockets.filter(isGiven),
      resources: bound.resources.filter(({ use }) => !('rule' in use) || isGiven(use.rule)),
    }
  }

  bind(tmp: string, files: readonly string[]): Pick<PolicyData, 'lists' | 'sockets' | 'denied' | 'resources'> {
    const bound = this.#reachable(bindTestFiles(this.options, { ...this.#context, tmp }, files, this.place.root))
    const snapshots = files.flatMap((file) => {
      const dir = `${dirname(file)}/__snapshots__`
      return [`${dir}/${basename(file)}.snap`, dir]
    })
    return {
      lists: [
        ...this.base,
        ...sourceGrants(
          this.place.base,
          [...this.lists, ...this.acquired, ...bound.lists, ...listsOf(bound.resources)].flat(),
          join(this.ground.tmp, TMP_NAME),
        ),
        ...snapshotGrants({
          lookup: besides(files),
          snapshots: { paths: snapshots, inline: files.filter(hasInlineSnapshots), write: true },
        }),
        ...withOwnNode(bound.lists),
        this.#implied,
      ],
      sockets: [...bound.sockets, ...(this.ground.addresses.length === 0 ? [] : nameServerRules())],
      denied: bound.denied,
      resources: bound.resources,
    }
  }
}

export class Ceiling implements Admission {
  readonly #ground: Ground
  /** The lists of the runner as they count for itself. */
  readonly #runner: readonly RuleList[]
  readonly #options: ParsedOptions
  readonly #main: Project
  readonly #projects = new Map<string, Project>()
  /** The lists by which a worker of this run could write so far, whatever its project. */
  readonly #writing = new Map<string, RuleList>()

  /** Throws a ManifestError if the manifest file has mistakes. */
  constructor(ground: Ground) {
    this.#ground = ground
    this.#runner = withoutDenied(ground)
    const { manifestFile, manifestText } = ground
    this.#options = withManifestFile(parseOptions({}), manifestFile, manifestText)
    this.#main = new Project(ground, this.#options, ground.root, [ground.root, findWorkspace(ground.root)])
    this.#projects.set(ground.root, this.#main)
  }

  launch(launch: Launch, subject: Subject): Launch {
    const { ground, project } = this.#of(subject)
    const { executable = [], modules, tmp } = launch
    if (executable === 'any' && !ground.audit) refuse('a worker that may execute anything')
    for (const promise of launch.unsafe ?? []) refuse(`unsafe: ['${promise}']`)
    if (launch.streams !== undefined || launch.nodeChannel !== undefined) refuse('descriptors of the broker process')
    if (tmp === undefined || dirname(tmp) !== ground.tmp || !basename(tmp).startsWith(TMP_NAME))
      refuse('a temporary directory elsewhere than in its own')
    return {
      ...launch,
      // Whatever the run was started with may name files from there.
      cwd: ground.cwd,
      execArgv: withoutEarlyCode(launch.execArgv, ground.vitestDirs),
      env: splitEnv(launch.env, ground.env, ground.vitestDirs).born,
      executable: this.#executable(executable, project, tmp),
      ...(modules === undefined ? {} : { modules: this.#modules(project, modules) }),
    }
  }

  /** `tmp`: the directory that is made for the worker, which is not there yet. */
  #executable(asked: readonly string[] | 'any', { executable }: Project, tmp?: string): readonly string[] | 'any' {
    if (asked === 'any') return 'any'
    // Landlock would follow a link in a granted tree, and allow what it leads to.
    return asked.filter((path) => (path === tmp || real(path) === path) && executable.some((own) => isBelow(path, own)))
  }

  /**
   * The module trees of a worker. The runner may name more to leave out, but nothing to put in. Globs of its own are not
   * compiled here: all below their base is left out, as beside a test file (`<file>`), which is not known yet.
   */
  #modules(project: Project, { without, denied = [], compiled = false }: ModuleTrees): ModuleTrees {
    const { nodeModules, base } = project.place
    const trees = moduleTreesOf({
      dirs: [...nodeModules, ...runtimeTrees({ nodeModules: [], base })],
      lookup,
      lists: [
        ...this.#runner,
        ...[...this.#projects.values()].flatMap(({ lists, acquired, base: own }) => [...lists, ...acquired, ...own]),
      ],
      denied: [...this.#projects.values()].flatMap(({ denied }) => denied),
      testDirs: [],
    })
    const known = new Set((trees.denied ?? []).map(keyOf))
    const more = denied.filter((one) => !known.has(keyOf(one))).map(({ root }) => root)
    return { ...trees, without: [...new Set([...trees.without, ...without, ...more])], compiled }
  }

  attachment({ policy, setup }: Attachment, subject: Subject, launch: Pick<Launch, 'env' | 'cwd'>): Attachment {
    const { ground, project } = this.#of(subject)
    const { early = [] } = setup
    if (setup.group !== undefined || setup.argv !== undefined) refuse('a process group or a command line of its own')
    const known = ground.vitestDirs.flatMap(earlyModules)
    for (const module of early) if (!known.includes(module)) refuse(`${module} before the filter`)
    const { set } = splitEnv(launch.env, ground.env, ground.vitestDirs)
    const executable = setup.landlock.filter(({ right }) => right === 'execute').map(({ path }) => path)
    const allowed = ground.audit ? executable : this.#executable(executable, project)
    return {
      policy: this.policy(policy, subject),
      // Each field by name: any other field would change how the worker confines itself.
      setup: {
        ...workerOf(setup, ground.vitestDirs),
        early,
        preload: setup.preload,
        env: set,
        ...(launch.cwd === undefined || launch.cwd === ground.cwd ? {} : { cwd: launch.cwd }),
        ...(setup.selfCheck === undefined ? {} : { selfCheck: setup.selfCheck }),
        ...(setup.traced === undefined ? {} : { traced: setup.traced }),
        ...(setup.tellsBusy === undefined ? {} : { tellsBusy: setup.tellsBusy }),
        landlock: landlockRules(project.place, allowed === 'any' ? [] : allowed),
      },
    }
  }

  policy(policy: PolicyData, subject: Subject): PolicyData {
    const { ground, project } = this.#of(subject)
    if (ground.audit) return policy
    if (policy.mode !== 'enforce') refuse("mode: 'audit', which refuses nothing")
    for (const file of subject.files) this.#checkFile(file, subject)
    const { resources = [], ...own } = this.#bind(project, ground.tmp, subject)
    this.#noteWriting([...own.lists, ...listsOf(resources)])
    for (const resource of resources) this.#checkResource(resource)
    return {
      mode: 'enforce',
      lists: policy.lists,
      sockets: policy.sockets,
      // Those that the runner claims are refused as well, but not quietly: it could keep every refusal from being told.
      denied: own.denied ?? [],
      ...(policy.interpreters === undefined ? {} : { interpreters: policy.interpreters }),
      ...(policy.runnerPorts === undefined ? {} : { runnerPorts: policy.runnerPorts }),
      anchors: [
        ...new Set([...(policy.anchors ?? []), ...[...this.#projects.values()].flatMap(({ anchors }) => anchors)]),
      ],
      ways: [...this.#projects.values()].flatMap(({ ways }) => ways),
      linkless: ground.linkless,
      resources,
      ceiling: {
        ...own,
        lists: protect(
          [...own.lists, ...listsOf(resources.filter(isDirectory)), ...this.#runner.map(withoutExecution)],
          ground.protectedPlaces,
        ),
        sockets: [...own.sockets, ...ground.sockets],
      },
    }
  }

  #bind(project: Project, tmp: string, { files }: Subject): ReturnType<Project['bind']> {
    try {
      const bound = project.bind(tmp, files)
      this.#checkWays(bound)
      return bound
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error
      throw new StartFailure('manifest', error.message)
    }
  }

  /** Refuses a file that nobody may change: a resource is decided by its own entry alone. */
  #checkResource({ name, use }: Resource): void {
    if (use.how !== 'open' || use.access !== 'write' || use.rule.shape !== 'file') return
    const { root: path } = use.rule
    const lists = protect([[use.rule]], this.#ground.protectedPlaces)
    const policy = compilePolicy({ mode: 'enforce', lists, sockets: [] })
    if (!decide(policy, { kind: 'path', access: 'write', path }).allowed)
      refuse(`the resource '${name}', by which tests could change what the run depends on: ${showPath(path)}`)
  }

  #noteWriting(lists: readonly RuleList[]): void {
    // Base grants have a reason of their own. Those for writing are snapshots, one by one: no place for a link.
    for (const list of lists)
      if (
        list.some(
          ({ effect, access, reason }) => effect === 'grant' && reason === undefined && implies(access, 'content'),
        )
      )
        this.#writing.set(JSON.stringify(list), list)
  }

  /** The policy of all who may write in this run. `from`: the number of projects and lists that it was made of. */
  #writable: { readonly from: string; readonly policy: Policy } | undefined

  /** True if something in this run may have put a link at a place. */
  #whereAnybodyMayWrite(): (path: string) => boolean {
    const { protectedPlaces } = this.#ground
    const from = `${this.#projects.size} ${this.#writing.size}`
    if (this.#writable?.from !== from) {
      const projects = [...this.#projects.values()].flatMap(({ lists, acquired }) => [...lists, ...acquired])
      const all = protect([...this.#runner, ...projects, ...this.#writing.values()], protectedPlaces)
      this.#writable = { from, policy: compilePolicy({ mode: 'enforce', lists: all, sockets: [] }) }
    }
    const { policy } = this.#writable
    return (path) => decide(policy, { kind: 'path', access: 'write', path: bytePath(path) }).allowed
  }

  /**
   * Refuses entries that lead through a link which somebody in this run may have put there: they would grant what is
   * behind it. The entries of the run's own root were looked up before anything ran, and nobody may change them since.
   * Those of other projects, and of a test file's directory, are looked up when the runner names these.
   */
  #checkWays({ lists, sockets, resources = [] }: ReturnType<Project['bind']>): void {
    const known = new Set(this.#main.anchors)
    const ways = waysOf({ lists, sockets, resources }).filter(({ place }) => !known.has(place))
    if (ways.length === 0) return
    const mayBeWritten = this.#whereAnybodyMayWrite()
    for (const { source, place } of ways)
      if (mayBeWritten(place))
        refuse(`${quote(source)} by way of ${showPath(place)}: an entry of the manifest lets somebody put a link there`)
  }

  #of({ root }: Subject): { readonly ground: Ground; readonly project: Project } {
    return { ground: this.#ground, project: this.#projects.get(root) ?? this.#newProject(root) }
  }

  /**
   * Adds a project whose root is not the run's. The root must lie where nothing in this run can have put it: a link
   * made there would bring base grants for its destination. A package is no project either: entries would be entries
   * for what lies in it.
   */
  #newProject(root: string): Project {
    const ground = this.#ground
    const isThere = real(root) === root && statSync(root).isDirectory()
    const { nodeModules } = this.#main.place
    const { tops } = this.#main
    const top = tops.find((dir) => isBelow(root, dir))
    if (!isThere || top === undefined) refuse(`tests of ${root}: no directory of this workspace`)
    if (NO_PROJECT.test(`${root.slice(top.length)}/`))
      refuse(`tests of ${root}: what lies in node_modules or .git is no project`)
    const made = new Project(ground, this.#options, root, tops)
    const mayBeWritten = this.#whereAnybodyMayWrite()
    const besides = made.place.nodeModules.filter((dir) => !nodeModules.includes(dir))
    for (const path of [root, `${root}/package.json`, `${root}/node_modules`, ...besides])
      if (mayBeWritten(path)) refuse(`tests of ${root}, which an entry of the manifest lets somebody write`)
    this.#projects.set(root, made)
    return made
  }

  #checkFile(file: string, { root }: Subject): void {
    const isPlain = real(file) === file && statSync(file).isFile() && isBelow(file, root)
    // Whoever gets a file as a test file may write snapshots beside it.
    if (!isPlain || NO_PROJECT.test(file.slice(root.length)))
      refuse(
        `${file} as a test file: it has to be a regular file below ${root}, by its own name, and not in node_modules or .git`,
      )
  }
}

function keyOf({ root, pattern }: DeniedPaths): string {
  return JSON.stringify([root, pattern])
}

/** Where no tests lie: in a path below a root, with a slash at its end if it is a directory. */
const NO_PROJECT = /\/(?:node_modules|\.git)\//i

function refuse(what: string): never {
  throw new StartFailure(NOT_GIVEN, `vitest-seccomp run does not give ${what}`)
}

function isBelow(path: string, top: string): boolean {
  return isWithin(bytePath(path), bytePath(top))
}

function real(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

/** The runtimes of this package, each with the module of Vitest that it runs. */
const RUNTIMES = [
  ['runtime.js', RUNNER],
  ['runtime-3.js', RUNNER_3],
] as const

/**
 * The modules that a worker loads before its filter, by names of our own: what the runner's names lead to may be another
 * file by the time that they are loaded, or lie beside others. Any other module of Vitest's does what it is there for: the
 * one of its command line would load a config.
 */
function workerOf(
  { runtime, runner }: Attachment['setup'],
  vitestDirs: readonly string[],
): { readonly runtime: string; readonly runner: string } {
  for (const [file, name] of RUNTIMES) {
    const own = builtFile(file)
    if (own !== (runtime === undefined ? builtFile('runtime.js') : pathOf(runtime))) continue
    const found = vitestDirs.map((dir) => join(dir, name)).find((path) => path === pathOf(runner))
    if (found !== undefined) return { runtime: pathToFileURL(own).href, runner: pathToFileURL(found).href }
  }
  return refuse(
    `${runner} before the filter${runtime === undefined ? '' : `, by ${runtime}`}: it is not Vitest's worker and this package's runtime for it`,
  )
}

/** The canonical path, or the text itself if it names no existing file. */
function pathOf(url: string): string {
  const path = url.startsWith('file:') && !/[?#]/.test(url) ? fileURLToPath(url) : undefined
  return (path === undefined ? undefined : real(path)) ?? url
}

function isDirectory({ use }: Resource): boolean {
  return kindOfUse(use) === 'directory'
}

function withoutExecution(list: RuleList): RuleList {
  return list.filter(({ access }) => access !== 'execute')
}
