import type { ManifestProblem } from '../errors.js'
import { writtenKeys } from './lists.js'
import type { ManifestFile, ParsedManifest, ParsedOptions, PoolOptions } from './manifest.js'
import { nearest, oneOf, quote, showValue } from './nearest.js'
import { visible, visibleJson } from './visible.js'

/** The fields of a valibot issue that are used here. */
export interface Issue {
  readonly type: string
  readonly input: unknown
  readonly expected: string | null
  readonly received: string
  readonly message: string
  readonly path?: readonly { readonly key: unknown }[] | undefined
}

/** Every key of a type: a missing or an unknown one does not compile. */
type KeysOf<T> = { readonly [K in keyof T]-?: true }

const optionKeys: readonly string[] = Object.keys({
  manifest: true,
  files: true,
  mode: true,
  onViolation: true,
  onUnsupported: true,
  denied: true,
  env: true,
  report: true,
  leaks: true,
  unsafe: true,
} satisfies KeysOf<PoolOptions>)
const fileKeys = Object.keys({
  manifest: true,
  files: true,
  runner: true,
  $schema: true,
} satisfies KeysOf<ManifestFile>)
/** The keys of the options that are objects but no manifests. */
const nestedKeys: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['env', Object.keys({ pass: true } satisfies KeysOf<NonNullable<PoolOptions['env']>>)],
  ['report', Object.keys({ html: true, json: true } satisfies KeysOf<NonNullable<PoolOptions['report']>>)],
])
const manifestKeys: readonly string[] = [...writtenKeys, 'resources']

/** Translates a valibot issue into the words of the config. */
export function problemOf(issue: Issue, from?: string): ManifestProblem {
  const keys = (issue.path ?? []).map(({ key }) => key)
  const at = showPlace(keys, from)
  switch (issue.type) {
    case 'raw_transform':
      return problem(at, issue.expected ?? '', issue.received, issue.message)
    case 'never':
      return unknownKey(at, keys, from === undefined ? optionKeys : fileKeys)
    case 'picklist':
      return badChoice(at, issue)
    case 'string':
      return problem(at, 'a string', showValue(issue.input), typeof issue.input === 'number' ? `'${issue.input}'` : '')
    case 'union':
      return problem(
        at,
        "a string, or { entry: '…', why: '…' }",
        showValue(issue.input),
        typeof issue.input === 'number' ? `'${issue.input}'` : '',
      )
    case 'array':
      return problem(at, 'an array of strings', showValue(issue.input), listHint(issue.input))
    default:
      return problem(at, 'an object', showValue(issue.input), '')
  }
}

/**
 * A place in the config: `manifest.read[2]`, `files["test/db/**"].connect`; in a file, `file.json: manifest.read[2]`.
 */
export function showPlace(keys: readonly unknown[], from?: string): string {
  const text = keys.map((key) => {
    if (typeof key === 'number') return `[${key}]`
    return typeof key === 'string' && /^[a-z_$][\w$]*$/i.test(key) ? `.${key}` : `[${visibleJson(JSON.stringify(key))}]`
  })
  const place = text.join('').replace(/^\./, '')
  if (from !== undefined) return place === '' ? from : `${from}: ${place}`
  return place === '' ? 'options' : place
}

/** Problems with pairs. A pair has two ends, so exactly two names must have it, wherever they are declared. */
export function pairProblems({ manifest, files }: ParsedOptions): readonly ManifestProblem[] {
  const ends = new Map<string, { readonly names: Set<string>; readonly at: string }>()
  const collect = ({ resources }: ParsedManifest, place: readonly string[]): void => {
    for (const { name, use } of resources) {
      if (use.how !== 'pair') continue
      const known = ends.get(use.pair) ?? { names: new Set(), at: showPlace([...place, 'resources', name, 'pair']) }
      known.names.add(name)
      ends.set(use.pair, known)
    }
  }
  collect(manifest, ['manifest'])
  for (const { glob, manifest: more } of files) collect(more, ['files', glob])
  return [...ends]
    .filter(([, { names }]) => names.size !== 2)
    .map(([pair, { names, at }]) =>
      problem(
        at,
        `two resources with the pair ${quote(pair)}, one for each end`,
        oneOf([...names]).replace(/ or /, ' and '),
        names.size === 1 ? `a second resource: { pair: ${quote(pair)} }` : '',
      ),
    )
}

function unknownKey(at: string, keys: readonly unknown[], topKeys: readonly string[]): ManifestProblem {
  const key = String(keys.at(-1))
  const isTop = keys.length === 1
  const nested = keys.length === 2 ? nestedKeys.get(keys[0]) : undefined
  const known = isTop ? topKeys : (nested ?? manifestKeys)
  const near = nearest(key, known)
  const misplaced = isTop && manifestKeys.includes(key) ? `manifest: { ${key}: … }` : undefined
  const suggestion =
    misplaced ??
    (!isTop && nested === undefined && optionKeys.includes(key) ? `${key} beside manifest, not inside` : near)
  return problem(at, oneOf(known), quote(key), suggestion ?? '')
}

function badChoice(at: string, { input, expected }: Issue): ManifestProblem {
  const choices = [...(expected ?? '').matchAll(/"([^"]*)"/g)].map(([, choice = '']) => choice)
  const near = typeof input === 'string' ? nearest(input, choices) : undefined
  return problem(at, oneOf(choices), showValue(input), near === undefined ? '' : quote(near))
}

/** A hint where a string, or several separated by commas, stands in the place of a list. */
function listHint(input: unknown): string {
  if (typeof input !== 'string' || input.trim() === '' || input.includes('//')) return ''
  return `[${input
    .split(',')
    .map((part) => quote(part.trim()))
    .join(', ')}]`
}

function problem(at: string, expected: string, found: string, suggestion: string): ManifestProblem {
  return suggestion === '' ? { at, expected, found } : { at, expected, found, suggestion: visible(suggestion) }
}
