/** Errors that a worker tells, made safe to print: Vitest follows their stacks, and those of their causes. */
import { withoutFrames } from './frames.js'
import type { Fields } from './values.js'

const MOST_NESTED = 50

/** Fields from which Vitest would make frames as well, or that it takes for frames already checked. */
const LOCATIONS = ['stacks', 'fileName', 'sourceURL'] as const

/** The error as Vitest gets it. An object is changed in place: it came by message and is nobody else's. */
export function cleanError(error: unknown, permits: (file: string) => boolean): unknown {
  // Vitest takes the text of a thrown string for its stack.
  if (typeof error === 'string') return withoutFrames(error, permits)
  const seen = new Set<object>()
  const waiting: unknown[] = [error]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (!hasFields(next) || seen.has(next)) continue
    seen.add(next)
    if (seen.size > MOST_NESTED) cut(next)
    else waiting.push(...cleanOne(next, seen, permits))
  }
  return error
}

/** To Vitest anything with a stack is an error. Of what a message carries, lists keep their own fields, too. */
export function hasFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

/** Returns what the error holds that is an error itself. */
function cleanOne(error: Fields, seen: ReadonlySet<object>, permits: (file: string) => boolean): unknown[] {
  const { stack, cause, errors } = error
  if (typeof stack === 'string') put(error, 'stack', withoutFrames(stack, permits))
  for (const key of LOCATIONS) if (Object.hasOwn(error, key)) Reflect.deleteProperty(error, key)
  // Vitest follows causes without end.
  if (seen.has(Object(cause))) Reflect.deleteProperty(error, 'cause')
  else if (typeof cause === 'string') put(error, 'cause', withoutFrames(cause, permits))
  return [cause, ...(Array.isArray(errors) ? errors.slice(0, MOST_NESTED) : [])]
}

function cut(error: object): void {
  for (const key of ['stack', 'cause', 'errors', ...LOCATIONS]) Reflect.deleteProperty(error, key)
}

/** As a plain property, whatever the error's own was. */
function put(target: object, key: string, value: unknown): void {
  Reflect.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: Object.getOwnPropertyDescriptor(target, key)?.enumerable ?? true,
    configurable: true,
  })
}
