import leven from 'leven'
import type { ManifestProblem } from '../errors.js'
import { visibleJson } from './visible.js'

/** A problem without its place in the config, which the caller knows. */
export type Problem = Omit<ManifestProblem, 'at'>

/** A parser's result: the value, or the problem with the text. A parser never throws. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem }

export function valid<T>(value: T): Parsed<T> {
  return { ok: true, value }
}

export function invalid(expected: string, found: unknown, suggestion?: string): Parsed<never> {
  const problem = { expected, found: showValue(found) }
  return { ok: false, problem: suggestion === undefined ? problem : { ...problem, suggestion } }
}

/** The candidate that a person most likely meant; undefined where none is similar. */
export function nearest(text: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: leven(text.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  const isNear = best !== undefined && best.distance <= Math.ceil(Math.max(text.length, best.candidate.length) / 2)
  return isNear ? best.candidate : undefined
}

/** A choice in words: `'read' or 'write'`, `'a', 'b' or 'c'`. */
export function oneOf(values: readonly string[]): string {
  const quoted = values.map(quote)
  return [quoted.slice(0, -1).join(', '), ...quoted.slice(-1)].filter((part) => part !== '').join(' or ')
}

/** A string as written in a config. */
export function quote(text: string): string {
  const body = visibleJson(JSON.stringify(text)).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${body}'`
}

/**
 * A config value in a few words. It shows only strings, numbers and the like, never the content of an object or the
 * password in a URL, because error messages end up in public logs.
 */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return showText(value)
  if (value === null || ['undefined', 'number', 'boolean', 'bigint'].includes(typeof value)) return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

const LONGEST_SHOWN = 80

function showText(text: string): string {
  if (text === '') return "'' (an empty string)"
  const safe = text.replace(/\/\/[^@\s]*@/g, '//…@')
  return quote(safe.length > LONGEST_SHOWN ? `${safe.slice(0, LONGEST_SHOWN)}…` : safe)
}
