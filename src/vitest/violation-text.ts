/** Violations as text: in an error of Vitest's, in the terminal, in answers to the worker. */
import { showName } from '../policy/message.js'
import type { Hint, Violation } from './violations.js'

/** An error as Vitest expects it over RPC: packages/vitest/src/utils/serialize.ts. */
export interface ReportedError {
  readonly name: string
  readonly message: string
  readonly stack: string
}

/** The place of a violation's call, if it is known: lines of a stack as V8 writes it. */
type StackOf = (violation: Violation) => string | undefined

/** From this number on, similar violations are shown as one. */
const MANY = 4
const MOST_NAMES = 5
/** The most errors with a place of their own. */
const MOST_PLACES = 5
const MOST_HINTS = 5

/** The text of violations outside a test's own result: it names the test or suite of each, if it is known. */
export function textOf(violations: readonly Violation[]): string {
  return groups(violations)
    .map((group) => {
      const { test } = group.one
      return (test === undefined ? '' : `  in: ${showName(test.name)}\n`) + told(group)
    })
    .join('\n\n')
}

function plain(violations: readonly Violation[]): string {
  return groups(violations).map(told).join('\n\n')
}

interface Group {
  readonly one: Violation
  readonly more: readonly Violation[]
}

/**
 * Groups violations, in order: those of one test that differ only in the last part of a path, or in the port, form a
 * group.
 */
function groups(violations: readonly Violation[]): Group[] {
  const alike = new Map<string, Violation[]>()
  for (const violation of violations) {
    const key = JSON.stringify([violation.test?.id, shapeOf(violation)])
    alike.set(key, [...(alike.get(key) ?? []), violation])
  }
  return [...alike.values()].flatMap((all) => {
    const [one, ...more] = all
    return one === undefined || all.length < MANY ? all.map((each) => ({ one: each, more: [] })) : [{ one, more }]
  })
}

/** A path or address in two parts: the part that several may share, and the part that differs. */
function parts({ resource }: Violation): { readonly common: string; readonly own: string } {
  const [, common = '', own = resource] = /^(\/(?:.*\/)?|(?:tcp|udp):.*:)([^/]+)$/.exec(resource) ?? []
  return { common, own }
}

function shapeOf(violation: Violation): string {
  const { common, own } = parts(violation)
  if (common === '') return violation.message
  return violation.message.replaceAll(common + own, common).replaceAll(violation.suggestion?.entry ?? own, '')
}

function told({ one, more }: Group): string {
  if (more.length === 0) return one.message
  const { common } = parts(one)
  const names = more.slice(0, MOST_NAMES).map((violation) => parts(violation).own)
  const list = `${names.join(', ')}${more.length > MOST_NAMES ? ', …' : ''}`
  return `${one.message}\n  and ${more.length} more like it ${common.endsWith(':') ? 'at' : 'in'} ${common.replace(/:$/, '')}: ${list}`
}

/** One error for each place in the code that is known, and one for the rest. */
export function errorsOf(violations: readonly Violation[], place: 'test' | 'file', stackOf: StackOf): ReportedError[] {
  const byStack = new Map<string, Violation[]>()
  for (const violation of violations) {
    const stack = stackOf(violation) ?? ''
    const key = byStack.has(stack) || byStack.size < MOST_PLACES ? stack : ''
    byStack.set(key, [...(byStack.get(key) ?? []), violation])
  }
  return [...byStack].map(([stack, those]) => errorOf(those, place, stack))
}

export function errorOf(violations: readonly Violation[], place: 'test' | 'file', frames = ''): ReportedError {
  const count = violations.length === 1 ? 'something' : `${violations.length} things`
  const message = `the test used ${count} that its manifest does not grant\n${place === 'file' ? textOf(violations) : plain(violations)}`
  return {
    name: 'SeccompViolation',
    message,
    stack: `SeccompViolation: ${message}${frames === '' ? '' : `\n${frames}`}`,
  }
}

export function hintError(hints: readonly Hint[]): ReportedError {
  const sorted = [...hints].sort((a, b) => a.rank - b.rank)
  const all = [...new Set(sorted.map(({ text }) => text))]
  const shown = all.slice(0, MOST_HINTS)
  const more = all.length > shown.length ? `\n\n  and ${all.length - shown.length} more` : ''
  const what = shown.length === 1 ? 'a file was' : 'files were'
  const message = `${what} hidden, as if not there, because no entry of the manifest covers ${shown.length === 1 ? 'it' : 'them'}\n${shown.join('\n\n')}${more}`
  return { name: 'SeccompHint', message, stack: `SeccompHint: ${message}` }
}
