/**
 * The violations of the test files that one worker runs. The worker reports its own results, and they pass through
 * here, where violations fail them. So nothing that the worker says later can undo a failure.
 */
import type { CallSite } from '../policy/event.js'
import { framesOf, isInCode, isRefusalOf, unwrapped } from './own-errors.js'
import { errorsOf, hintError, type ReportedError } from './violation-text.js'
import { withTest, type Hint, type SeccompMeta, type Violation } from './violations.js'

/** The result with one more error, and failed. */
export function failedFor(result: TaskResult, error: ReportedError): TaskResult {
  return { ...result, state: 'fail', errors: [...(result.errors ?? []), error] }
}

function messageOf(error: unknown): string | undefined {
  return error instanceof Object && 'message' in error && typeof error.message === 'string' ? error.message : undefined
}

/** A task's update, `[id, result, meta]`: packages/runner/src/types/tasks.ts, TaskResultPack. */
export type Pack = readonly [id: string, result: TaskResult | undefined, meta: Readonly<Record<string, unknown>>]

export interface TaskResult {
  readonly state: string
  readonly errors?: readonly unknown[]
  /** Vitest 5 prints a test's errors from here. */
  readonly attempts?: readonly Omit<TaskResult, 'attempts'>[]
}

const FINAL = new Set(['pass', 'fail', 'skip'])

export class FileReport {
  readonly #violations: Violation[] = []
  /** Violations whose text a test's own result already contains. */
  readonly #inTests = new Set<Violation>()
  /** Violations whose text some result already contains. */
  readonly #told = new Set<Violation>()
  /** The messages of the errors that results got here. */
  readonly #texts = new Set<string>()
  readonly #hints: Hint[] = []
  readonly #stacks = new Map<Violation, string>()
  #reported = 0

  /** `clean` removes from a stack what could make Vitest open a file that it may not open. */
  constructor(readonly clean: (stack: string) => string) {}

  add(violation: Violation): void {
    this.#violations.push(violation)
  }

  /** Adds to a violation the place of its call, which the worker reports after it. */
  traced(violation: Violation, trace: CallSite): void {
    const index = this.#violations.findIndex(
      (own) => own.message === violation.message && own.test?.id === violation.test?.id,
    )
    const own = this.#violations[index]
    if (own === undefined || this.#told.has(own)) return
    const told = withTest(own, trace)
    this.#violations[index] = told
    this.#stacks.set(told, trace.stack)
  }

  hint(hint: Hint): void {
    this.#hints.push(hint)
  }

  /** Adds hints to a failure that may be the result of a hidden file. */
  #hinted(id: string, pack: Pack): Pack {
    const [task, result, meta] = pack
    const own = this.#hints.filter(({ test }) => test === id)
    const failedItself = result?.state === 'fail' && (result.errors ?? []).length > 0
    return own.length === 0 || !failedItself ? pack : [task, this.#failed(result, [hintError(own)]), meta]
  }

  get violations(): readonly Violation[] {
    return this.#violations
  }

  /** The violations since the last call. */
  unreported(): readonly Violation[] {
    const fresh = this.#violations.slice(this.#reported)
    this.#reported = this.#violations.length
    return fresh
  }

  /**
   * Leaves violations to the file whose test does not tell them in the end: a worker can take a result back, by another
   * one or by another list of tests. Returns true if there are any.
   */
  untold(resultOf: (test: string) => TaskResult | undefined): boolean {
    const untold = [...this.#inTests].filter(({ test }) => {
      const result = resultOf(test?.id ?? '')
      return result?.state !== 'fail' || !result.errors?.some((error) => this.#texts.has(messageOf(error) ?? ''))
    })
    for (const violation of untold) this.#inTests.delete(violation)
    return untold.length > 0
  }

  get meta(): { seccomp: SeccompMeta } | Record<string, never> {
    return this.#violations.length === 0 ? {} : { seccomp: { violations: this.#violations } }
  }

  metaOf(test: string): { seccomp: SeccompMeta } {
    return { seccomp: { violations: this.#of(test) } }
  }

  #of(id: string): Violation[] {
    return this.#violations.filter(({ test }) => test?.id === id)
  }

  /** Corrects a test's result. */
  test(pack: Pack): Pack {
    const [id, result, meta] = pack
    const own = this.#of(id)
    if (own.length === 0 || result === undefined || !FINAL.has(result.state)) return this.#hinted(id, pack)
    for (const violation of own) this.#inTests.add(violation)
    return this.#hinted(id, [id, this.#corrected(result, own, 'test'), { ...meta, ...this.metaOf(id) }])
  }

  /**
   * Corrects the file's result: failed for any violation, with the text of those that no test's result contains. Vitest's
   * runner may report the same result twice, and the later one replaces the earlier.
   */
  file(pack: Pack): Pack {
    const [id, result, meta] = pack
    if (this.#violations.length === 0) return this.#hinted('', pack)
    const withMeta = { ...meta, ...this.meta }
    if (result === undefined || !FINAL.has(result.state)) return [id, result, withMeta]
    const rest = this.#violations.filter((violation) => !this.#inTests.has(violation))
    return this.#hinted('', [
      id,
      rest.length === 0 ? { ...result, state: 'fail' } : this.#corrected(result, rest, 'file'),
      withMeta,
    ])
  }

  /** The result, failed for these violations. An error that only repeats one of the refusals is replaced by ours. */
  #corrected(result: TaskResult, violations: readonly Violation[], place: 'test' | 'file'): TaskResult {
    for (const violation of violations) {
      this.#told.add(violation)
      const own = result.errors?.find((error) => unwrapped(error).some((one) => isRefusalOf(one, violation)))
      if (own !== undefined && !isInCode(this.#stacks.get(violation))) this.#stacks.set(violation, framesOf(own))
    }
    const isOurs = (error: unknown): boolean =>
      this.#texts.has(messageOf(error) ?? '') ||
      unwrapped(error).every((one) => violations.some((violation) => isRefusalOf(one, violation)))
    const without = <R extends Omit<TaskResult, 'attempts'>>(one: R): R => ({
      ...one,
      errors: (one.errors ?? []).filter((error) => !isOurs(error)),
    })
    const errors = errorsOf(violations, place, (violation) => this.#stacks.get(violation))
    for (const { message } of errors) this.#texts.add(message)
    return this.#failed(
      { ...without(result), ...(result.attempts === undefined ? {} : { attempts: result.attempts.map(without) }) },
      errors,
    )
  }

  #failed(result: TaskResult, errors: readonly ReportedError[]): TaskResult {
    const known = new Set((result.errors ?? []).map(messageOf))
    const added = errors
      .filter(({ message }) => !known.has(message))
      .map((error) => ({ ...error, stack: this.clean(error.stack) }))
    const withErrors = <R extends Omit<TaskResult, 'attempts'>>(one: R): R => ({
      ...one,
      state: 'fail',
      errors: [...(one.errors ?? []), ...added],
    })
    const last = result.attempts?.at(-1)
    return last === undefined
      ? withErrors(result)
      : { ...withErrors(result), attempts: [...(result.attempts ?? []).slice(0, -1), withErrors(last)] }
  }
}
