/** The rules of a policy as a straightforward loop over everything. It shares no code with the implementation. */
import picomatch from 'picomatch'
import type { PathAccess, PathRequest } from '../../src/policy/request.js'
import type { PathRule, RuleList } from '../../src/policy/rules.js'

const enough: Record<string, PathAccess[]> = {
  look: ['look'],
  list: ['look', 'list'],
  read: ['look', 'list', 'read'],
  content: ['look', 'list', 'read', 'content'],
  write: ['look', 'list', 'read', 'content', 'write'],
  execute: ['look', 'list', 'read', 'execute'],
}

export function naivelyAllowed(lists: readonly RuleList[], { access, path }: PathRequest): boolean {
  return lists.some((rules) => listAllows(rules, access, path)) || (access === 'look' && naivelyVisible(lists, path))
}

function listAllows(rules: RuleList, access: PathAccess, path: string): boolean {
  const covering = rules.filter((rule) => covers(rule, path))
  const grants = covering.filter((rule) => rule.effect === 'grant' && enough[rule.access]?.includes(access))
  const exclusions = covering.filter((rule) => rule.effect === 'exclude')
  const literal = exclusions.filter(({ shape }) => shape !== 'glob')
  const longestGrant = Math.max(-1, ...grants.map(({ root }) => root.length))
  const longestExclusion = Math.max(-1, ...literal.map(({ root }) => root.length))
  const hasExactFile = grants.some(({ shape }) => shape === 'file')
  const isGlobExcluded = exclusions.some(({ shape }) => shape === 'glob')
  return longestGrant > longestExclusion && (!isGlobExcluded || hasExactFile)
}

function naivelyVisible(lists: readonly RuleList[], path: string): boolean {
  return lists
    .flat()
    .some(
      (rule) =>
        rule.effect === 'grant' &&
        [rule.root, ...rule.aliases].some((seen) => seen === path || path === '/' || seen.startsWith(`${path}/`)),
    )
}

function covers(rule: PathRule, path: string): boolean {
  const top = rule.root === '/' ? '' : rule.root
  const isBelow = path === rule.root || path.startsWith(`${top}/`)
  const isWhole = rule.shape === 'tree' || rule.effect === 'exclude'
  if (rule.shape !== 'glob') return path === rule.root || (isBelow && isWhole)
  const glob = rule.pattern ?? ''
  if (path === rule.root) return glob === `${Buffer.from(top, 'latin1').toString()}/**`
  const trunk = glob.replace(/\/$/, '')
  const patterns = rule.effect === 'exclude' || trunk !== glob ? [trunk, `${trunk}/**`] : [glob]
  return isBelow && patterns.some((one) => matches(one, path))
}

function matches(pattern: string, path: string): boolean {
  // Without the leading slash: picomatch has `/**/a` match `/b/a`, but not `/a`.
  const text = Buffer.from(path, 'latin1').toString().slice(1)
  return picomatch.isMatch(text, pattern.slice(1), { dot: true, windows: false })
}
