/** A reporter of our own beside the user's, which prints last, on stderr. */
import { relative } from 'node:path'
import type { Reporter, TestModule, TestProject, Vitest } from 'vitest/node'
import { codeOf } from '../errors.js'
import type { ParsedOptions } from '../policy/manifest.js'
import { showName } from '../policy/message.js'
import type { ReportFile } from '../report/data.js'
import { hazardsText } from '../report/hazards.js'
import { reportPage } from '../report/html.js'
import { reportOf } from '../report/read.js'
import { offerAccept } from './accept-key.js'
import { allowanceText, type FileViolations } from './allowance.js'
import { keepLastRun, refusedFiles, type RefusedProject } from './last-run.js'
import { plainly } from './plainly.js'
import { asBlock, summarise } from './step-summary.js'
import { thisVitest } from './versions/running.js'
import type { SeccompMeta } from './violations.js'
import { placeToWrite, writeSafely } from './write-safely.js'

class EndOfRun {
  constructor(readonly vitest: Vitest) {}

  /** The report files that any project's options ask for. */
  readonly #outputs = new Map<string, 'html' | 'json'>()
  #wantsHazards = false

  readonly #manifestFiles = new Map<string, string>()
  /** The place of a project's options in the config, by the project's name. */
  readonly #places = new Map<string, string>()
  readonly reporter = speakLast((modules) => this.#tell(modules))

  wants(
    { root }: { readonly root: string },
    { report, manifestFile }: Pick<ParsedOptions, 'report' | 'manifestFile'>,
    name: string,
    place: string,
  ): void {
    // The plugin calls first, and knows that its options are those of the plugin.
    if (!this.#places.has(name)) this.#places.set(name, place)
    if (manifestFile !== undefined) this.#manifestFiles.set(name, manifestFile)
    if (report === undefined) return
    this.#wantsHazards = true
    if (report.html !== undefined) this.#outputs.set(placeToWrite(root, report.html), 'html')
    if (report.json !== undefined) this.#outputs.set(placeToWrite(root, report.json), 'json')
  }

  #tell(modules: readonly TestModule[]): void {
    if (this.#wantsHazards) this.#report(modules)
    const unconfined = unconfinedText(modules.map(({ project }) => project))
    if (unconfined !== undefined) this.vitest.logger.error(unconfined)
    const kept: RefusedProject[] = []
    for (const [project, own] of byProject(modules)) {
      const refused = own.map((module): FileViolations => ({
        file: nameOf(module),
        violations: metaOf(module)?.violations ?? [],
      }))
      const manifestFile = this.#manifestFiles.get(project)
      const into = { manifestFile, options: this.#places.get(project) ?? thisVitest.pool.options }
      const text = allowanceText(refused, own.length, project, into)
      if (text === undefined) continue
      this.vitest.logger.error(plainly(text, process.stderr.isTTY ? 'terminal' : 'elsewhere'))
      summarise(`### Refused by vitest-pool-seccomp\n\n${asBlock(text)}`)
      const root = own[0]?.project.config.root ?? this.vitest.config.root
      kept.push({
        name: project,
        root,
        ...(manifestFile === undefined ? {} : { manifestFile }),
        filesInRun: own.length,
        files: refusedFiles(refused),
      })
    }
    this.#keep(kept)
    offerAccept(this.vitest, acceptable(kept))
  }

  #keep(projects: readonly RefusedProject[]): void {
    try {
      keepLastRun(this.vitest.config.root, projects)
    } catch (error) {
      // Installed packages may be read-only. Then there is nothing to accept.
      if (codeOf(error) === undefined) throw error
    }
  }

  #report(modules: readonly TestModule[]): void {
    const data = reportOf(modules.map(reportFileOf))
    const { root } = this.vitest.config
    const warning = hazardsText(data.hazards, (what) =>
      showName(what.startsWith(`${root}/`) ? relative(root, what) : what),
    )
    if (warning !== undefined) this.vitest.logger.error(warning)
    for (const [path, format] of this.#outputs) {
      this.#write(path, format === 'html' ? reportPage(data) : JSON.stringify(data))
    }
  }

  #write(path: string, text: string): void {
    try {
      writeSafely(path, text)
      this.vitest.logger.error(` seccomp  report written to ${path}`)
    } catch (error) {
      const code = codeOf(error)
      const isLink = code === 'ELOOP' || code === 'ENOTDIR'
      const why = isLink
        ? 'a part of it is a link, which this process does not follow, because a test may have made it'
        : String(error)
      this.vitest.logger.error(` seccomp  no report at ${path}: ${why}`)
      process.exitCode = 1
    }
  }
}

/** The manifest files that `accept --all` would add to. */
function acceptable(projects: readonly RefusedProject[]): readonly string[] {
  const files = projects.flatMap(({ manifestFile, files: refused }) =>
    manifestFile !== undefined &&
    refused.some(({ suggestions }) =>
      suggestions.some(({ danger, line }) => danger === undefined && !line.startsWith('remove ')),
    )
      ? [manifestFile]
      : [],
  )
  return [...new Set(files)]
}

function reportFileOf(module: TestModule): ReportFile {
  const meta = metaOf(module)
  return {
    project: module.project.name,
    file: nameOf(module),
    state: stateOf(module),
    denials: (meta?.violations ?? []).map(({ call, resource, message, test, suggestion }) => ({
      call,
      resource,
      message,
      ...(test === undefined ? {} : { test: test.name }),
      ...(suggestion === undefined ? {} : { line: suggestion.line }),
      ...(suggestion?.danger === undefined ? {} : { danger: suggestion.danger }),
    })),
    ...(meta?.facts === undefined ? {} : { facts: meta.facts }),
  }
}

/** The list of projects that run unconfined, in another pool, beside confined ones; undefined if there is none. */
export function unconfinedText(
  projects: readonly { readonly name: string; readonly config: Pick<TestProject['config'], 'pool' | 'browser'> }[],
): string | undefined {
  const others = projects.filter(({ config }) => config.browser.enabled || !thisVitest.pool.isOurs(config.pool))
  if (others.length === 0) return undefined
  const lines = new Set(
    others.map(({ name, config }) => {
      const pool = config.browser.enabled ? 'in the browser' : `in the pool '${config.pool}'`
      return `  ${name === '' ? 'the project without a name' : `the project '${showName(name)}'`}: ${pool}\n`
    }),
  )
  return ` seccomp  NOT CONFINED, because they run elsewhere:\n${[...lines].sort().join('')}`
}

function stateOf(module: TestModule): string {
  const state = module.state()
  return state === 'failed' ? 'fail' : state === 'passed' ? 'pass' : state
}

function byProject(modules: readonly TestModule[]): ReadonlyMap<string, readonly TestModule[]> {
  const projects = new Map<string, TestModule[]>()
  for (const module of modules)
    projects.set(module.project.name, [...(projects.get(module.project.name) ?? []), module])
  return projects
}

/** The name of a test file, relative to the root of its project. */
function nameOf({ moduleId, project }: TestModule): string {
  return relative(project.config.root, moduleId)
}

/** The meta that this package gave a test file, in this process or, through a blob, in another. */
function metaOf(module: TestModule): SeccompMeta | undefined {
  const meta: unknown = module.meta()
  // Only the relay, or a blob that a run of this package wrote, sets it: the gate removes what a worker sets.
  return meta instanceof Object && 'seccomp' in meta ? (meta.seccomp as SeccompMeta) : undefined
}

const reporters = new WeakMap<Vitest, EndOfRun>()

/**
 * Adds the reporter, once per run. Before Vitest has created its reporters, it is added to the list that Vitest creates
 * them from.
 */
export function reportAtEnd(
  { vitest, config, name }: TestProject,
  options: Pick<ParsedOptions, 'report' | 'manifestFile'>,
  place: string,
): void {
  const end = reporters.get(vitest) ?? new EndOfRun(vitest)
  reporters.set(vitest, end)
  end.wants(config, options, name, place)
  addReporter(vitest, end.reporter)
}

/** A reporter that prints after the summary of Vitest's own reporters. */
export function speakLast(tell: (modules: readonly TestModule[]) => void): Reporter {
  if (thisVitest.summary === 'onTestRunEnd') return { onTestRunEnd: tell }
  let ended: readonly TestModule[] = []
  const reporter: Reporter & { readonly onFinished: () => void } = {
    onTestRunEnd(modules) {
      ended = modules
    },
    onFinished: () => tell(ended),
  }
  return reporter
}

/** Adds a reporter to those at work, and to those that Vitest creates when it reads the config again. */
export function addReporter(vitest: Vitest, reporter: Reporter): void {
  // The reporters at work: Vitest 3, 4 and 5 all have the property, but not in their types.
  const made: unknown = Reflect.get(vitest, 'reporters')
  const lists: unknown[][] = [vitest.config.reporters, ...(Array.isArray(made) && made.length > 0 ? [made] : [])]
  for (const list of lists) if (!list.includes(reporter)) list.push(reporter)
}
