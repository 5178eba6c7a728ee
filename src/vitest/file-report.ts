/**
 * The violations of the test files that one worker runs, and how they come to fail them. The worker reports its own
 * results; on their way they pass here, so nothing that the worker says later can undo a failure.
 */
import type { Violation } from './violations.js'
import { errorOf, hintError, type Hint, type ReportedError, type SeccompMeta } from './violations.js'

/** `[id, result, meta]`: packages/runner/src/types/tasks.ts, TaskResultPack. */
export type Pack = readonly [id: string, result: Result | undefined, meta: Readonly<Record<string, unknown>>]

export interface Result {
  readonly state: string
  readonly errors?: readonly unknown[]
  /** Vitest 5: what it prints of a test comes from here. */
  readonly attempts?: readonly Omit<Result, 'attempts'>[]
}

const FINAL = new Set(['pass', 'fail', 'skip'])

export class FileReport {
  readonly #violations: Violation[] = []
  /** Violations whose text already went out with a test's own result. */
  readonly #shown = new Set<Violation>()
  readonly #hints: Hint[] = []
  #reported = 0

  add(violation: Violation): void {
    this.#violations.push(violation)
  }

  hint(hint: Hint): void {
    this.#hints.push(hint)
  }

  /** A failure that may come from a file that seemed not to be there. */
  #hinted(id: string, pack: Pack): Pack {
    const [task, result, meta] = pack
    const own = this.#hints.filter(({ test }) => test === id)
    const failedItself = result?.state === 'fail' && (result.errors ?? []).length > 0
    return own.length === 0 || !failedItself ? pack : [task, failed(result, hintError(own)), meta]
  }

  get violations(): readonly Violation[] {
    return this.#violations
  }

  /** Those that came since this was last asked. */
  unreported(): readonly Violation[] {
    const fresh = this.#violations.slice(this.#reported)
    this.#reported = this.#violations.length
    return fresh
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

  /** A test's result as it should have been. */
  test(pack: Pack): Pack {
    const [id, result, meta] = pack
    const own = this.#of(id)
    if (own.length === 0 || result === undefined || !FINAL.has(result.state)) return this.#hinted(id, pack)
    for (const violation of own) this.#shown.add(violation)
    return this.#hinted(id, [id, failed(result, errorOf(own, 'test')), { ...meta, ...this.metaOf(id) }])
  }

  /** The file's result as it should have been: failed for any violation, with the text of those that no test showed. */
  file(pack: Pack): Pack {
    const [id, result, meta] = pack
    if (this.#violations.length === 0) return this.#hinted('', pack)
    const withMeta = { ...meta, ...this.meta }
    if (result === undefined || !FINAL.has(result.state)) return [id, result, withMeta]
    const rest = this.#violations.filter((violation) => !this.#shown.has(violation))
    for (const violation of rest) this.#shown.add(violation)
    return this.#hinted('', [id, rest.length === 0 ? { ...result, state: 'fail' } : failed(result, errorOf(rest, 'file')), withMeta])
  }
}

function failed(result: Result, error: ReportedError): Result {
  const { attempts = [], errors = [] } = result
  const known = errors.some((other) => other instanceof Object && 'message' in other && other.message === error.message)
  if (known) return { ...result, state: 'fail' }
  const last = attempts.at(-1)
  const withError = { ...result, state: 'fail', errors: [...errors, error] }
  if (last === undefined) return withError
  const attempt = { ...last, state: 'fail', errors: [...last.errors ?? [], error] }
  return { ...withError, attempts: [...attempts.slice(0, -1), attempt] }
}
