/**
 * Parses the arguments of calls. An argument of another shape did not come from Vitest's runtime, and ends the worker.
 */
import { ProtocolError } from '../../errors.js'

export interface Fields {
  readonly [key: string]: unknown
}

export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new ProtocolError(`${what} is ${kindOf(value)}, not a string`)
  return value
}

export function optionalText(value: unknown, what: string): string | undefined {
  return value === undefined || value === null ? undefined : textOf(value, what)
}

export function numberOf(value: unknown, what: string): number {
  if (typeof value !== 'number') throw new ProtocolError(`${what} is ${kindOf(value)}, not a number`)
  return value
}

export function textsOf(value: unknown, what: string): string[] {
  return listOf(value, what).map((item) => textOf(item, `an item of ${what}`))
}

export function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ProtocolError(`${what} is ${kindOf(value)}, not a list`)
  return Array.from(value)
}

export function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new ProtocolError(`${what} is ${kindOf(value)}, not an object`)
  return value
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own property of an object: `constructor` is no field unless the object itself has it. */
export function field(value: Fields, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

/** The value that a text has as JSON; undefined for one that is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : `of type ${typeof value}`
}
