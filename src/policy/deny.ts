/**
 * `deny`: paths that are refused quietly. An entry is an exclusion from every list, and a refusal by it is no
 * violation.
 */
import { bindPath, type BindContext, type Bound } from './bind-paths.js'
import { exclusionMistake } from './glob.js'
import { invalid, valid, type Parsed } from './nearest.js'
import { parsePathGrant, secretNamesGrant, SECRETS, type PathGrant } from './path-grants.js'
import { find, type PathIndex } from './path-index.js'
import type { BytePath } from './request.js'
import type { PathRule } from './rules.js'

/**
 * The look of a refused path to the test: as if it did not exist (ENOENT), or as a path that it may not use (EACCES).
 */
type QuietAs = 'absent' | 'forbidden'

export type DenyGrant = PathGrant & { readonly as?: QuietAs | undefined }

export function parseDenyGrant(source: string): Parsed<PathGrant> {
  if (source.startsWith('!'))
    return invalid('a path without !: what a longer entry grants is not refused', source, source.replace(/^!+/, ''))
  if (source === SECRETS) return valid(secretNamesGrant(source, 'grant'))
  const parsed = parsePathGrant(source)
  const mistake = parsed.ok && parsed.value.rest !== undefined ? exclusionMistake(parsed.value.rest) : undefined
  return mistake === undefined ? parsed : invalid(`a glob that can be read (${mistake})`, source)
}

export function bindDeny({ as = 'absent', ...grant }: DenyGrant, context: BindContext, at: string): Bound<PathRule> {
  const { rules, problems } = bindPath({ ...grant, effect: 'exclude' }, 'read', context, at)
  return { rules: rules.map((rule) => ({ ...rule, quiet: as })), problems }
}

/** The entry of `deny` that refuses a path; undefined where the refusal is a violation. */
export function quietly({ denied }: { readonly denied: PathIndex }, path: BytePath): PathRule | undefined {
  const rules = find(denied, path).covering.map(({ rule }) => rule)
  return rules.toSorted((a, b) => b.root.length - a.root.length)[0]
}
