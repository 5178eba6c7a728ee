/** Passes on everything that a worker says to Vitest: checked, and with its results corrected. */
import { relative } from 'node:path'
import { createMethodsRPC, type TestProject } from 'vitest/node'
import type { CallSite } from '../policy/event.js'
import type { TestFileFacts, Leak } from '../report/data.js'
import { failRun } from './exit-code.js'
import { failFiles } from './failed-files.js'
import { failedFor, FileReport, type Pack, type TaskResult } from './file-report.js'
import { isResponse } from './gate/message.js'
import { leakError, leakText } from './leak-text.js'
import { errorOf, textOf } from './violation-text.js'
import type { Hint, SeccompMeta, Violation } from './violations.js'

interface BirpcEvent {
  readonly t: 'q'
  readonly m: string
  readonly a: readonly unknown[]
}

export class Relay {
  #files: readonly string[] = []
  #reports = new Map<string, FileReport>()
  /** Violations from before the first file is known, when the environment is loaded. */
  #early: Violation[] = []
  #ended = false

  /** `clean` removes from a stack what could make Vitest open a file that it may not open. */
  constructor(
    readonly project: TestProject,
    readonly onViolation: 'fail' | 'warn',
    readonly clean: (stack: string) => string,
  ) {}

  /** Notes that the worker is about to run these files. */
  begin(files: readonly string[]): void {
    this.#files = files
    this.#ended = false
    this.#reports = new Map(files.map((file) => [file, new FileReport(this.clean)]))
    const early = this.#early
    this.#early = []
    for (const violation of early) this.violation(violation, undefined)
  }

  /** Adds a violation. `claimed`: the file that the worker names. With one file per worker it is ignored. */
  violation(violation: Violation, claimed: string | undefined): void {
    if (this.onViolation === 'fail') failRun(this.project.vitest)
    const report = this.#reportOf(claimed)
    if (report === undefined) this.#early.push(violation)
    else report.add(violation)
  }

  traced(violation: Violation, trace: CallSite, claimed: string | undefined): void {
    this.#reportOf(claimed)?.traced(violation, trace)
  }

  hint(hint: Hint, claimed: string | undefined): void {
    this.#reportOf(claimed)?.hint(hint)
  }

  #reportOf(claimed: string | undefined): FileReport | undefined {
    const [first] = this.#files
    const file = this.#files.length > 1 && claimed !== undefined && this.#reports.has(claimed) ? claimed : first
    return file === undefined ? undefined : this.#reports.get(file)
  }

  /** The message that Vitest gets; undefined if it gets none. */
  async pass(message: unknown): Promise<unknown> {
    if (isCall(message) && message.m === 'onTaskUpdate' && this.onViolation === 'fail') return this.#update(message)
    if (isResponse(message, 'testfileFinished')) await this.ended()
    return message
  }

  #update(call: BirpcEvent): unknown {
    const [packs, ...rest] = call.a
    if (!Array.isArray(packs)) return call
    // Packs come from Vitest's own runtime. A malformed one is passed on unchanged, and Vitest rejects it.
    return { ...call, a: [packs.map((pack: unknown) => (isPack(pack) ? this.#corrected(pack) : pack)), ...rest] }
  }

  #corrected(pack: Pack): Pack {
    const task = this.project.vitest.state.idMap.get(pack[0])
    const report = task === undefined ? undefined : this.#reports.get(task.file.filepath)
    if (task === undefined || report === undefined) return pack
    return 'filepath' in task ? report.file(pack) : report.test(pack)
  }

  /** The violations of a worker that never reached its first file. */
  early(): readonly Violation[] {
    return this.#early
  }

  /**
   * Reports the violations that no result contains yet. Called when the worker has finished its files, and again when
   * it is dead.
   */
  async ended(): Promise<void> {
    const late = this.#ended
    this.#ended = true
    for (const [file, report] of this.#reports) {
      await this.#readStacks(file)
      const isUntold = !late && report.untold((id) => this.#resultOf(id, file))
      const fresh = report.unreported()
      if (fresh.length === 0 && !isUntold) continue
      if (this.onViolation === 'warn') this.#warn(file, report, fresh)
      else if (late) this.#tooLate(file, report, fresh)
      else await this.#fail(file, report)
    }
  }

  /**
   * Reports violations after the end of the tests. Vitest may have counted the results already, but the run has failed.
   */
  #tooLate(file: string, report: FileReport, fresh: readonly Violation[]): void {
    this.project.vitest.logger.error(`seccomp: after the tests of ${this.#shown(file)} had ended\n${textOf(fresh)}\n`)
    this.#addMeta(file, report)
  }

  async #fail(file: string, report: FileReport): Promise<void> {
    const task = this.#taskOf(file)
    if (task === undefined) {
      // The file was never collected.
      const { violations } = report
      const error = errorOf(violations, 'file')
      const failure = { error: { ...error, stack: this.clean(error.stack) }, violations }
      return failFiles(this.project, [file], () => failure)
    }
    const result: TaskResult = task.result ?? { state: 'pass' }
    const state = result.state === 'run' ? 'pass' : result.state
    await this.#setResult(...report.file([task.id, { ...result, state }, { ...task.meta }]))
  }

  #warn(file: string, report: FileReport, fresh: readonly Violation[]): void {
    this.project.vitest.logger.warn(`seccomp: ${this.#shown(file)}\n${textOf(fresh)}\n`)
    this.#addMeta(file, report)
  }

  /**
   * Has Vitest read the stacks of errors that came with the list of tests alone: it reads those of results, under the guard
   * of frames. The others would be read in a run that merges blobs, where nothing is guarded because no worker is there.
   */
  async #readStacks(file: string): Promise<void> {
    const task = this.#taskOf(file)
    for (const { id, result, meta } of task === undefined ? [] : [task, ...tasksIn(task)])
      if (result?.errors?.some((error) => error.stacks === undefined) === true)
        await this.#setResult(id, result, { ...meta })
  }

  /** Puts the file's accesses into its meta, for a report. The meta goes through blobs as well. */
  tell(file: string, facts: TestFileFacts): void {
    const task = this.#taskOf(file)
    if (task === undefined) return
    const violations = this.#reports.get(file)?.violations ?? []
    Object.assign(task.meta, { seccomp: { violations, facts } satisfies SeccompMeta })
  }

  async leaked(file: string, leaks: readonly Leak[], result: 'warn' | 'fail'): Promise<void> {
    if (result === 'warn')
      return this.project.vitest.logger.warn(`seccomp: ${this.#shown(file)} left open at its end\n${leakText(leaks)}\n`)
    const task = this.#taskOf(file)
    if (task !== undefined)
      await this.#setResult(task.id, failedFor(task.result ?? { state: 'pass' }, leakError(leaks, this.clean)), {
        ...task.meta,
      })
  }

  async #setResult(
    ...pack: readonly [id: string, result: TaskResult | undefined, meta: Readonly<Record<string, unknown>>]
  ): Promise<void> {
    const rpc = createMethodsRPC(this.project, { cacheFs: false })
    // The pack has Vitest's own type, with our error in it.
    await rpc.onTaskUpdate([pack] as unknown as Parameters<typeof rpc.onTaskUpdate>[0], [])
  }

  #addMeta(file: string, report: FileReport): void {
    const task = this.#taskOf(file)
    if (task !== undefined) Object.assign(task.meta, report.meta)
    for (const { test } of report.violations) {
      const own = test === undefined ? undefined : this.project.vitest.state.idMap.get(test.id)
      // The worker says which test ran.
      if (own?.type === 'test' && own.file === task) Object.assign(own.meta, report.metaOf(own.id))
    }
  }

  #shown(file: string): string {
    const path = relative(this.project.config.root, file)
    return this.project.name === '' ? path : `[${this.project.name}] ${path}`
  }

  /** The result of a test that is in the file's list now. */
  #resultOf(id: string, file: string): TaskResult | undefined {
    const task = this.project.vitest.state.idMap.get(id)
    return task !== undefined && task.file === this.#taskOf(file) ? task.result : undefined
  }

  #taskOf(file: string) {
    const { vitest, name } = this.project
    const found = vitest.state.getFiles([file]).find(({ projectName }) => (projectName ?? '') === name)
    // Vitest 3 creates a task for each file at the start, and marks it as `local` until the file is collected.
    return found !== undefined && Reflect.get(found, 'local') === true ? undefined : found
  }
}

type AnyTask = ReturnType<TestProject['vitest']['state']['getFiles']>[number]['tasks'][number]

function tasksIn({ tasks }: { readonly tasks: readonly AnyTask[] }): AnyTask[] {
  return tasks.flatMap((task) => ('tasks' in task ? [task, ...tasksIn(task)] : [task]))
}

function isCall(message: unknown): message is BirpcEvent {
  return (
    message instanceof Object &&
    't' in message &&
    message.t === 'q' &&
    'm' in message &&
    'a' in message &&
    Array.isArray(message.a)
  )
}

function isPack(pack: unknown): pack is Pack {
  return Array.isArray(pack) && typeof pack[0] === 'string' && (pack[1] === undefined || pack[1] instanceof Object)
}
