/** Limits on the size of a call's arguments. Vitest walks through its arguments, partly by recursion. */
import { ProtocolError } from '../../errors.js'

export interface Cap {
  /** Characters of all strings plus bytes of all buffers. */
  readonly text: number
  /** The number of values: objects, strings, numbers. */
  readonly values: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const CAPS = {
  /** A few names. */
  small: { text: 64 * KIB, values: 64 },
  /** The name of a module. A `data:` URL contains the whole module. */
  specifier: { text: 8 * MIB, values: 256 },
  /** Lists of names. */
  names: { text: 16 * MIB, values: 200_000 },
  /** Trees of tasks, results with their diffs, logs, attachments. */
  large: { text: 256 * MIB, values: 4_000_000 },
} satisfies { readonly [name: string]: Cap }

/** The deepest level of a value. Recursion over deeper ones could end the parent by a stack overflow. */
const DEEPEST = 256

/**
 * Throws a ProtocolError if the arguments exceed the cap. It searches breadth-first, so that a cycle does not look
 * deep.
 */
export function checkSize(method: string, args: readonly unknown[], cap: Cap): void {
  const seen = new Set<object>()
  let [text, values] = [0, 0]
  let level: readonly unknown[] = args
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST)
      throw new ProtocolError(`a call of ${method} whose arguments are more than ${DEEPEST} levels deep`)
    const next: unknown[] = []
    for (const value of level) {
      values++
      if (typeof value === 'string') text += value.length
      else if (ArrayBuffer.isView(value)) text += value.byteLength
      else if (value instanceof Object && !seen.has(value)) {
        seen.add(value)
        // Values without parts are counted at once: most values are such.
        for (const part of partsOf(value)) {
          if (typeof part === 'object' && part !== null) next.push(part)
          else {
            values++
            if (typeof part === 'string') text += part.length
          }
        }
      }
      if (text > cap.text || values + next.length > cap.values) {
        throw new ProtocolError(`a call of ${method} with more than ${cap.text} characters or ${cap.values} values`)
      }
    }
    level = next
  }
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return [...value.keys(), ...value.values()]
  if (value instanceof Set || Array.isArray(value)) return value
  // An error's own properties are not enumerable.
  if (value instanceof Error) return [value.message, value.stack, value.cause]
  return Object.values(value)
}
