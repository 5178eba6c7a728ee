/**
 * Rebuilds values of a worker's messages from known fields of known types. V8 deserializes neither functions nor
 * getters, so a message is data. But a `toString` that is a number, or a name that is a list, makes the code that
 * prints it throw.
 */
import { types } from 'node:util'
import { CAPS } from './size.js'
import { isFields, type Fields } from './values.js'

export type Type = (value: unknown) => boolean

export const isText: Type = (value) => typeof value === 'string'
export const isNumber: Type = (value) => typeof value === 'number'
/** A number that can be added to those of others: of milliseconds, of snapshots. */
export const isAmount: Type = (value) => typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
export const isFlag: Type = (value) => typeof value === 'boolean'
export const isTexts: Type = (value) => Array.isArray(value) && value.every(isText)

export interface Shape {
  readonly [field: string]: Type
}

/** The fields of a shape that exist and have the right type. */
export function pick(from: Fields, shape: Shape): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  // A plain loop, as in all copying here: a file with thousands of tests has thousands of tasks.
  for (const key of Object.keys(shape))
    if (Object.hasOwn(from, key) && shape[key]?.(from[key]) === true) found[key] = from[key]
  return found
}

/** Fields that JavaScript itself reads when it prints, compares or awaits an object. */
const SPOKEN_TO: ReadonlySet<string> = new Set([
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'inspect',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'prototype',
  'then',
  'toJSON',
  'toLocaleString',
  'toString',
  'valueOf',
])

/** A few objects that hold each other twice are without end in JSON, so what is there several times counts each time. */
const MOST_VALUES = CAPS.large.values
const CHARACTERS_OF_A_VALUE = 16

/**
 * Copies a message into objects of this process's own, without fields that JavaScript itself reads. What JSON has no
 * form for becomes text, because reports in JSON contain it: big integers, and an object within itself.
 */
export function plain(value: unknown): unknown {
  const known = new Map<object, object>()
  /** How much each of them holds. */
  const sizes = new Map<object, number>()
  let size = 0
  /** The objects around the one that is being copied. */
  const around = new Set<object>()
  const copy = (one: unknown): unknown => {
    if (typeof one === 'bigint' || types.isBigIntObject(one)) return String(one)
    size += typeof one === 'string' ? 1 + one.length / CHARACTERS_OF_A_VALUE : 1
    if (typeof one !== 'object' || one === null) return one
    if (around.has(one)) return '[Circular]'
    const before = known.get(one)
    if (before !== undefined) {
      const more = sizes.get(one) ?? 0
      if (size + more > MOST_VALUES) return '[Repeated]'
      size += more
      return before
    }
    around.add(one)
    const start = size
    const made = copied(one)
    sizes.set(one, size - start)
    around.delete(one)
    return made
  }
  const copied = (one: object): unknown => {
    if (one instanceof BigInt64Array || one instanceof BigUint64Array) return Array.from(one, String)
    if (Array.isArray(one)) {
      const list: unknown[] = []
      known.set(one, list)
      for (const item of one) list.push(copy(item))
      return list
    }
    if (!isFields(one) || !isPlain(one)) return one
    const made: Record<string, unknown> = {}
    known.set(one, made)
    for (const [key, item] of Object.entries(one)) if (!SPOKEN_TO.has(key)) made[key] = copy(item)
    return made
  }
  return copy(value)
}

/** True for plain objects. V8 itself made a Map, a Date or a buffer, whose methods come from its own class. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
