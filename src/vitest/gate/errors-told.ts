/**
 * Rebuilds the errors that a worker reports, so that they are safe to print: Vitest follows their stacks and those of
 * their causes. packages/vitest/src/node/printError.ts, packages/utils/src/error.ts.
 */
import { withoutFrames, type Permits } from './frames.js'
import { isFlag, isNumber, isText, pick, plain, type Shape, type Type } from './plain.js'
import { isFields, type Fields } from './values.js'

const MOST_NESTED = 50
const LONGEST_KEY = 200

/**
 * The code of an error for which Vitest marks the task in its `taskId` as skipped, whichever call or response brings it:
 * packages/vitest/src/node/state.ts, catchError. Only check-tasks.ts lets it through.
 */
export const PENDING = 'VITEST_PENDING'

const either =
  (...types: readonly Type[]): Type =>
  (value) =>
    types.some((is) => is(value))

/** The fields that Vitest's printer and its reporters read. All other fields of an error are only shown, as data. */
const KNOWN: Shape = {
  name: isText,
  nameStr: isText,
  message: isText,
  type: isText,
  code: (value) => (isText(value) && value !== PENDING) || isNumber(value),
  diff: isText,
  actual: either(isText, (value) => value === null),
  expected: either(isText, (value) => value === null),
  showDiff: isFlag,
  ok: isFlag,
  operator: isText,
  codeFrame: isText,
  frame: isText,
  note: isText,
  VITEST_TEST_NAME: isText,
  VITEST_TEST_PATH: isText,
  VITEST_AFTER_ENV_TEARDOWN: isFlag,
}

/**
 * Fields that are handled separately, from which Vitest would make frames, or that it takes for frames already checked or
 * for the id of a task.
 */
const OWN: ReadonlySet<string> = new Set([
  'stack',
  'cause',
  'errors',
  '__vitest_rollup_error__',
  '__vitest_error_context__',
  'stacks',
  'fileName',
  'sourceURL',
  'line',
  'column',
  'lineNumber',
  'columnNumber',
  'diffOptions',
  'runnerError',
  'taskId',
  'toString',
])

/** The fields of a bundler's error. Vitest prints each on a line of its own. */
const ROLLUP: Shape = { plugin: isText, id: isText, frame: isText }
const LOCATION: Shape = { line: isNumber, column: isNumber }

/** The error as Vitest gets it. */
export function cleanError(error: unknown, permits: Permits): unknown {
  // For a thrown string, Vitest takes its text for the stack.
  if (typeof error === 'string') return withoutFrames(error, permits)
  return rebuilt(error, permits, new Set())
}

/**
 * True for anything that Vitest may treat as an error: anything with a stack is one. In a message, lists keep their own
 * fields, too.
 */
export function hasFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function rebuilt(error: unknown, permits: Permits, seen: Set<object>): unknown {
  if (!hasFields(error)) return plain(error)
  seen.add(error)
  // Message and name of an error are not enumerable.
  const names = Object.getOwnPropertyNames(error).filter((key) => key.length <= LONGEST_KEY)
  const others = names.filter((key) => !OWN.has(key) && !Object.hasOwn(KNOWN, key) && !/^\d+$|^length$/.test(key))
  const inherited = error instanceof Error ? { name: error.name } : {}
  const { stack, cause, errors } = error
  const isDeep = seen.size > MOST_NESTED
  // Vitest follows causes without a limit.
  const isFollowed = hasFields(cause) && !seen.has(cause) && !isDeep
  return withoutMarkup({
    ...Object.fromEntries(others.map((key) => [key, plain(error[key])])),
    ...pick(inherited, KNOWN),
    ...pick(error, KNOWN),
    ...(typeof stack === 'string' && !isDeep ? { stack: withoutFrames(stack, permits) } : {}),
    ...(typeof cause === 'string' ? { cause: withoutFrames(cause, permits) } : {}),
    ...(isFollowed ? { cause: rebuilt(cause, permits, seen) } : {}),
    ...(Array.isArray(errors) && !isDeep ? { errors: several(errors, permits, seen) } : {}),
    ...rollup(error.__vitest_rollup_error__),
  })
}

const ESCAPE = '\u001b'

/**
 * The error without what becomes HTML in the page with the results (`--ui`, and the HTML report, before Vitest 5): the
 * name of an error with colours, and its message if only the stack has some. That page has the key to Vitest's API.
 */
function withoutMarkup(error: Fields): object {
  const { name, message, stack } = error
  const [isColoured, isStackColoured] = [message, stack].map((text) => isText(text) && String(text).includes(ESCAPE))
  return {
    ...error,
    ...(isText(name) && (isColoured || isStackColoured) ? { name: String(name).replaceAll('<', '‹') } : {}),
    ...(isStackColoured && !isColoured ? { stack: String(stack).replaceAll(ESCAPE, '') } : {}),
  }
}

function several(errors: readonly unknown[], permits: Permits, seen: Set<object>): unknown[] {
  return errors
    .slice(0, MOST_NESTED)
    .filter((error) => !hasFields(error) || !seen.has(error))
    .map((error) => (typeof error === 'string' ? withoutFrames(error, permits) : rebuilt(error, permits, seen)))
}

function rollup(given: unknown): object {
  if (!isFields(given)) return {}
  const { loc } = given
  return {
    __vitest_rollup_error__: {
      ...pick(given, ROLLUP),
      ...(isFields(loc) ? { loc: pick(loc, LOCATION) } : {}),
    },
  }
}
