/** The rules of a policy as a straightforward loop over everything. It shares no code with the implementation. */
import picomatch from 'picomatch'
import { rawPath, type PathAccess, type PathRequest } from '../../src/policy/request.js'
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
  const exclusions = rules.filter((rule) => rule.effect === 'exclude' && excludes(rule, path))
  const literal = exclusions.filter(({ shape }) => shape !== 'glob')
  const longestGrant = Math.max(-1, ...grants.map(({ root }) => namesIn(root)))
  const longestExclusion = Math.max(-1, ...literal.map(({ root }) => namesIn(root)))
  const hasExactFile = grants.some(({ shape }) => shape === 'file')
  const isGlobExcluded = exclusions.some(({ shape }) => shape === 'glob')
  return longestGrant > longestExclusion && (!isGlobExcluded || hasExactFile)
}

const namesIn = (path: string): number => path.split('/').filter((name) => name !== '').length
/** Paths are bytes here: of those beyond ASCII, some have an upper case that is none. */
const inOneCase = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())
/** Such a name may be one of anything. */
const isShort = (name: string): boolean => name.includes('~')

/** An exclusion holds by every name that some file system has for what it covers. */
function excludes(rule: PathRule, path: string): boolean {
  const names = path.split('/').filter((one) => one !== '')
  const top = rule.root.split('/').filter((one) => one !== '')
  const isAtRoot = top.every((one, at) => {
    const own = names[at]
    return own !== undefined && (inOneCase(own) === inOneCase(one) || isShort(own))
  })
  if (!isAtRoot) return false
  if (rule.shape !== 'glob') return true
  const below = names.slice(top.length)
  const here = `/${[...top, ...below].join('/')}`
  const upper = { ...rule, root: rawPath(inOneCase(rule.root)), pattern: inOneCase(rule.pattern ?? '') }
  return covers(rule, here) || covers(upper, inOneCase(here)) || below.some(isShort)
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
