/**
 * Finds the strings by which a package.json or a tsconfig.json leads to further files. Pure. It reads tokens rather than
 * values, because readers differ: in comments, in commas at the end, and in the one that counts of two equal keys.
 */
import { jsonIn } from './values.js'

export interface Leads {
  readonly keys: readonly string[]
  readonly values: readonly string[]
}

export const NO_LEADS: Leads = { keys: [], values: [] }

/** The fields of a package.json that lead to no file. Any other may: Vite's `resolve.mainFields` names them. */
const NO_FILES =
  /^(?:name|version|description|keywords|license|author|contributors|maintainers|repository|bugs|homepage|funding|type|private|files|bin|man|directories|workspaces|sideEffects|types|typings|typesVersions|scripts|config|publishConfig|engines|os|cpu|libc|packageManager|browserslist|(?:dev|peer|optional|bundle)?dependencies(?:meta)?)$/i

export const leadsOfPackage = (text: string): Leads => leadsOf(text, (field) => !NO_FILES.test(field))
export const leadsOfTsconfig = (text: string): Leads =>
  leadsOf(text, (field) => field === 'extends' || field === 'references')

/** A string, a sign, or a comment of any of the three kinds, which ends with the line or with its own end. */
const TOKEN = /"(?:[^"\\]|\\[^])*"|[[\]{}:]|(?:\/\/|#)[^\n]*|\/\*[^]*?\*\//g

function leadsOf(text: string, isWanted: (field: string) => boolean): Leads {
  const tokens = [...text.matchAll(TOKEN)].map(([token]) => token).filter((token) => !/^[/#]/.test(token))
  const keys: string[] = []
  const values: string[] = []
  let [depth, isIn] = [0, false]
  for (const [at, token] of tokens.entries()) {
    if (token === '{' || token === '[') depth++
    if (token === '}' || token === ']') depth--
    const said = token.startsWith('"') ? decoded(token) : undefined
    if (said === undefined) continue
    const isKey = tokens[at + 1] === ':'
    if (isKey && depth === 1) isIn = isWanted(said)
    if (isIn) (isKey ? keys : values).push(said)
  }
  return { keys, values }
}

/** A string's value; undefined for one that no reader of JSON takes. */
function decoded(token: string): string | undefined {
  const value = jsonIn(token)
  return typeof value === 'string' ? value : undefined
}

/** True for Node's subpath patterns, and for the folders that came before them. */
export function isPattern(value: string): boolean {
  return value.includes('*') || value.endsWith('/')
}

/** The values that are patterns, with each part of a name in the place of `*` that some key may give. */
export function matching({ keys, values }: Leads, name: string): readonly string[] {
  const below = `./${name.replace(/^(?:@[^/]*\/)?[^/]*\/?/, '')}`
  const parts = new Set(keys.flatMap((key) => [name, below].flatMap((each) => partOf(each, starred(key)))))
  return values.filter(isPattern).flatMap((value) => [...parts].map((part) => starred(value).replaceAll('*', part)))
}

function starred(text: string): string {
  return text.endsWith('/') ? `${text}*` : text
}

function partOf(name: string, pattern: string): readonly string[] {
  const [start = '', end] = pattern.split('*')
  const isMatch = end !== undefined && name.length >= start.length + end.length
  return isMatch && name.startsWith(start) && name.endsWith(end)
    ? [name.slice(start.length, name.length - end.length)]
    : []
}
