/**
 * Rebuilds the tasks and results that a worker reports from the fields that Vitest's runtime sends:
 * packages/runner/src/types/tasks.ts of Vitest 3, 4 and 5. Other fields are dropped.
 */
import { ProtocolError } from '../../errors.js'
import { cleanError, hasFields } from './errors-told.js'
import type { Permits } from './frames.js'
import { isAmount, isFlag, isNumber, isText, isTexts, pick, plain, type Shape, type Type } from './plain.js'
import { field, fieldsOf, isFields, listOf, textOf, type Fields } from './values.js'

const oneOf =
  (...values: readonly string[]): Type =>
  (value) =>
    typeof value === 'string' && values.includes(value)

const MODE = oneOf('run', 'skip', 'only', 'todo', 'queued')
const STATE = oneOf('run', 'skip', 'only', 'todo', 'queued', 'pass', 'fail')

const TASK: Shape = {
  id: isText,
  name: isText,
  fullName: isText,
  fullTestName: isText,
  type: oneOf('suite', 'test'),
  mode: MODE,
  each: isFlag,
  concurrent: isFlag,
  shuffle: isFlag,
  fails: isFlag,
  dynamic: isFlag,
  allowOnly: isFlag,
  retry: isNumber,
  repeats: isNumber,
  timeout: isNumber,
  tags: isTexts,
}

const FILE: Shape = {
  filepath: isText,
  collectDuration: isAmount,
  setupDuration: isAmount,
  prepareDuration: isAmount,
  environmentLoad: isAmount,
  collectFetchDuration: isAmount,
  setupFetchDuration: isAmount,
  concurrencyId: isNumber,
  workerId: isNumber,
}

const RESULT: Shape = {
  startTime: isNumber,
  duration: isAmount,
  heap: isAmount,
  retryCount: isNumber,
  repeatCount: isNumber,
  retryIndex: isNumber,
  repeatIndex: isNumber,
  pending: isFlag,
  note: isText,
}

const HOOKS: Shape = { beforeAll: STATE, afterAll: STATE, beforeEach: STATE, afterEach: STATE }
const POSITION: Shape = { line: isNumber, column: isNumber }
const RETRY: Shape = {
  count: isNumber,
  delay: isNumber,
  condition: (value) => isText(value) || value instanceof RegExp,
}
const NO_TIME = { selfTime: 0, totalTime: 0 }
const IMPORT: Shape = { selfTime: isAmount, totalTime: isAmount, external: isFlag, importer: isText }

/** Facts about a test file that come from the project, so that no worker can change them. */
interface ToldFile {
  readonly id: string
  /** Relative to the root: reports name the file by it. */
  readonly name: string
  readonly projectName: string
  /** Where reports are merged, Vitest looks for the file by the pool that ran it. */
  readonly pool: string
  readonly isEnvironment: (name: string) => boolean
}

/** Rebuilds a tree of tasks. The file and the position of each task come from the tree, not from the worker. */
export function rebuildFile(given: Fields, facts: ToldFile, permits: Permits): Fields {
  const filepath = textOf(given.filepath, "a collected file's path")
  if (given.id !== facts.id)
    throw new ProtocolError(`the test file ${filepath} with the id ${JSON.stringify(given.id)}`)
  const { viteEnvironment, importDurations } = given
  const file: Record<string, unknown> = {
    ...task(given, permits),
    ...pick(given, FILE),
    name: facts.name,
    fullName: facts.name,
    projectName: facts.projectName,
    pool: facts.pool,
    meta: rebuildFileMeta(given.meta),
    ...(typeof viteEnvironment === 'string' && facts.isEnvironment(viteEnvironment) ? { viteEnvironment } : {}),
    ...(isFields(importDurations) ? { importDurations: durations(importDurations) } : {}),
  }
  file.file = file
  const waiting: { readonly from: Fields; readonly to: Record<string, unknown> }[] = [{ from: given, to: file }]
  const seen = new Set<object>([given])
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { from, to } = next
    const children: unknown[] = []
    to.tasks = children
    for (const child of listOf(from.tasks, "a suite's tasks").map((one) => fieldsOf(one, 'a task'))) {
      if (seen.has(child)) throw new ProtocolError('a tree of tasks that is no tree')
      seen.add(child)
      if (!textOf(child.id, "a task's id").startsWith(`${facts.id}_`))
        throw new ProtocolError('a task of another file, or of no known type')
      if (Object.hasOwn(child, 'filepath')) throw new ProtocolError('a test file within a test file')
      // For Vitest, a file is not the suite of its tasks.
      const made = task(child, permits)
      made.file = file
      made.suite = to === file ? undefined : to
      children.push(made)
      if (child.type === 'suite') waiting.push({ from: child, to: made })
    }
  }
  return file
}

function task(given: Fields, permits: Permits): Record<string, unknown> {
  if (given.type !== 'suite' && given.type !== 'test')
    throw new ProtocolError('a task of another file, or of no known type')
  const { location, result, retry } = given
  const made = pick(given, TASK)
  made.name = textOf(given.name, "a task's name")
  if (isFields(retry)) made.retry = pick(retry, RETRY)
  if (isFields(location)) made.location = pick(location, POSITION)
  if (result !== undefined && result !== null) made.result = rebuildResult(result, permits)
  made.meta = rebuildMeta(given.meta)
  // Reporters count on them, whichever the running Vitest has.
  if (given.type === 'test') for (const key of BY_CALLS) made[key] = []
  return made
}

/** Fields whose values arrive by calls of their own. */
const BY_CALLS = ['annotations', 'artifacts', 'benchmarks'] as const

function durations(given: Fields): object {
  return Object.fromEntries(
    Object.entries(given)
      .filter(([, one]) => isFields(one))
      // Reporters sort by the times, and divide by the longest.
      .map(([path, one]) => [path, { ...NO_TIME, ...pick(fieldsOf(one, 'a duration'), IMPORT) }]),
  )
}

export function rebuildResult(given: unknown, permits: Permits): object {
  const fields = fieldsOf(given, "a task's result")
  const { hooks, benchmark, attempts } = fields
  const made = attempt(fields, permits)
  if (isFields(hooks)) made.hooks = pick(hooks, HOOKS)
  if (isFields(benchmark)) made.benchmark = plain(benchmark)
  // Vitest 5 prints the attempts of a test that was retried.
  if (Array.isArray(attempts)) made.attempts = attempts.map((one) => attempt(fieldsOf(one, 'an attempt'), permits))
  return made
}

function attempt(fields: Fields, permits: Permits): Record<string, unknown> {
  const made = pick(fields, RESULT)
  const errors = field(fields, 'errors') ?? undefined
  if (STATE(fields.state)) made.state = fields.state
  if (errors !== undefined) made.errors = listOf(errors, "a result's errors").map((error) => errorOf(error, permits))
  return made
}

/** Vitest's runtime makes an object of whatever is thrown, and reporters read its fields. */
function errorOf(error: unknown, permits: Permits): unknown {
  return hasFields(error) ? cleanError(error, permits) : { message: String(error) }
}

/** Numbers, of which reporters make text, and the samples that they were made of. */
const isStatistic: Type = (value) =>
  isFields(value) &&
  Object.entries(value).every(([key, one]) => key === 'samples' || (one ?? undefined) === undefined || isNumber(one))
const isBenchmarkTask: Type = (value) =>
  isFields(value) && isText(value.name) && isStatistic(value.latency) && isStatistic(value.throughput)

/** A benchmark of Vitest 5: `{ name, tasks }`. */
export function rebuildBenchmark(given: unknown): object {
  const made = fieldsOf(plain(fieldsOf(given, 'a benchmark')), 'a benchmark')
  if (isText(made.name) && listOf(made.tasks, "a benchmark's tasks").every(isBenchmarkTask)) return made
  throw new ProtocolError('a benchmark without a name, or without numbers')
}

/**
 * Drops `typecheck` from a file's meta: Vitest would list a type-checked file beside the one that ran, not in its
 * place.
 */
function rebuildFileMeta(meta: unknown): object {
  const { typecheck: _, ...own } = fieldsOf(rebuildMeta(meta), 'meta')
  return own
}

/**
 * A test's own meta, as data. The field of this package (violations and uses) is removed, because only this package
 * sets it, and so is that with the path of a screenshot, which only browsers make, and which Vitest 3 prints as a path.
 */
export function rebuildMeta(meta: unknown): object {
  if (!isFields(meta) || Object.keys(meta).length === 0) return {}
  const { seccomp: _, failScreenshotPath: __, ...own } = fieldsOf(plain(meta), 'meta')
  return own
}
