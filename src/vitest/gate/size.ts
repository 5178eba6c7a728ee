/** Limits on the size of what a worker sends. Vitest walks through it, partly by recursion. */
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
 * Throws a ProtocolError if the arguments exceed the cap. `what`: the message that they are of. It searches
 * breadth-first, so that a cycle does not look deep.
 */
export function checkSize(what: string, args: readonly unknown[], cap: Cap): void {
  const seen = new Set<object>()
  let [text, values] = [0, 0]
  let level: readonly unknown[] = args
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw new ProtocolError(`${what} that is more than ${DEEPEST} levels deep`)
    const next: unknown[] = []
    for (const value of level) {
      values++
      if (typeof value === 'string') text += value.length
      else if (ArrayBuffer.isView(value)) text += value.byteLength
      else if (value instanceof Object && !seen.has(value)) {
        seen.add(value)
        const parts = partsOf(value)
        // Whoever copies a list makes values of its holes.
        if (Array.isArray(value)) values += Math.max(0, value.length - parts.length)
        // Values without parts are counted at once: most values are such.
        for (const part of parts) {
          if (typeof part === 'object' && part !== null) next.push(part)
          else {
            values++
            if (typeof part === 'string') text += part.length
          }
        }
      }
      if (text > cap.text || values + next.length > cap.values) {
        throw new ProtocolError(`${what} with more than ${cap.text} characters or ${cap.values} values`)
      }
    }
    level = next
  }
}

function partsOf(value: object): readonly unknown[] {
  if (value instanceof Map) return [...value.keys(), ...value.values()]
  if (value instanceof Set) return [...value]
  // An error's own properties are not enumerable.
  if (value instanceof Error) return [value.message, value.stack, value.cause]
  // In a message, lists have fields of their own, too.
  return Object.values(value)
}
