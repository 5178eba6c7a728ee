import { isCanonical, segmentsOf, textOf } from './canonical.js'
import { foldName, mayBeAlias } from './fold.js'
import { compileAboveGlob, compileExclusionGlob, compileGlob, compileNameExclusion, compileHeads } from './glob.js'
import { SECRETS_GLOB, SECRETS_NAME } from './path-grants.js'
import type { BytePath } from './request.js'
import type { PathRule, RuleList } from './rules.js'

/** A rule with the functions that match it. */
export interface IndexedRule {
  readonly rule: PathRule
  /** The list that the rule stands in. */
  readonly list: RuleList
  /** The number of segments of the rule's root. */
  readonly depth: number
  /** True if the rule covers a path whose part below `rule.root` is `below`. */
  readonly covers: (below: string) => boolean
  /** For a glob that grants: true if a match may lie below the directory at `below`. */
  readonly mayLieBelow?: (below: string) => boolean
  /** For a glob of names at any depth: its beginnings, which tell whether a match moves with its directory. */
  readonly heads?: readonly ((below: string) => boolean)[] | undefined
}

/**
 * A node of a tree of path segments. A lookup starts at `/` and ends where no rule lies deeper, so its cost depends on
 * the depth of the rules, not on their number nor on the length of a hostile path.
 */
interface IndexNode {
  readonly children: Map<string, IndexNode>
  readonly entries: IndexedRule[]
  /** The first rule whose root or alias lies at or below this node, which makes the node visible. */
  visibleBy: PathRule | undefined
}

/**
 * A node of the tree of exclusions. Its segments are folded: an exclusion holds under every name that some file system
 * takes for the same.
 */
interface ExclusionNode {
  readonly children: Map<string, ExclusionNode>
  readonly entries: IndexedRule[]
  /** The exclusions whose root is this node or lies below it. */
  readonly below: IndexedRule[]
}

/** One list of rules, ready for lookups. */
interface ListIndex {
  readonly top: IndexNode
  readonly exclusions: ExclusionNode
  readonly entries: readonly IndexedRule[]
}

export interface PathIndex {
  /** In order, without empty lists. */
  readonly lists: readonly ListIndex[]
}

/** Lists are compiled once: most are the same for each test file of a project. */
const compiled = new WeakMap<RuleList, ListIndex>()

export function buildPathIndex(lists: readonly RuleList[]): PathIndex {
  return { lists: [...new Set(lists)].filter((list) => list.length > 0).map(listIndex) }
}

function listIndex(list: RuleList): ListIndex {
  const known = compiled.get(list)
  if (known !== undefined) return known
  const top = emptyNode()
  const exclusions: ExclusionNode = { children: new Map(), entries: [], below: [] }
  const entries = list.map((rule) => entryOf(rule, list))
  for (const entry of entries) {
    const { rule } = entry
    if (rule.effect === 'exclude') {
      exclude(exclusions, entry)
      continue
    }
    const nodes = nodesAlong(top, rule.root)
    nodes.at(-1)?.entries.push(entry)
    for (const seen of [nodes, ...rule.aliases.map((alias) => nodesAlong(top, alias))].flat()) seen.visibleBy ??= rule
  }
  const made = { top, exclusions, entries }
  compiled.set(list, made)
  return made
}

function exclude(top: ExclusionNode, entry: IndexedRule): void {
  let node = top
  node.below.push(entry)
  for (const segment of segmentsOf(entry.rule.root)) {
    const key = foldName(segment)
    const child = node.children.get(key) ?? { children: new Map(), entries: [], below: [] }
    node.children.set(key, child)
    node = child
    node.below.push(entry)
  }
  node.entries.push(entry)
}

/** The rules that concern one path. */
export interface IndexMatch {
  /** All rules that cover the path, whatever they grant. */
  readonly covering: readonly IndexedRule[]
  /** Exclusion globs that start above the path, even if they do not cover the path itself. */
  readonly exclusionGlobsAbove: readonly IndexedRule[]
  /** Globs that grant and may have a match below the path, if that is a directory. */
  readonly globsThrough: readonly IndexedRule[]
  readonly exclusionsBelow: readonly IndexedRule[]
  readonly visibleBy: PathRule | undefined
}

/**
 * Looks up a path, which must be canonical. `directory`: the path is known to be one, and the globs that lead through
 * it are wanted. Of what covers it, grants come first, by the depth of their roots, and then exclusions, list by list.
 */
export function find(index: PathIndex, path: BytePath, directory = false): IndexMatch {
  const segments = segmentsOf(path)
  const found: Collected = {
    grants: [],
    globsThrough: [],
    visibleBy: undefined,
    exclusions: [],
    globsAbove: [],
    below: [],
  }
  for (const { top, exclusions } of index.lists) {
    findGrants(top, path, segments, directory, found)
    if (exclusions.below.length > 0) findExclusions(exclusions, segments, found)
  }
  const { grants, exclusions, globsAbove, globsThrough, below, visibleBy } = found
  const covering = inOrder(grants)
  return {
    covering: exclusions.length === 0 ? covering : [...covering, ...exclusions],
    exclusionGlobsAbove: globsAbove,
    globsThrough: inOrder(globsThrough),
    exclusionsBelow: below,
    visibleBy,
  }
}

interface Collected {
  readonly grants: IndexedRule[]
  readonly globsThrough: IndexedRule[]
  visibleBy: PathRule | undefined
  readonly exclusions: IndexedRule[]
  readonly globsAbove: IndexedRule[]
  readonly below: IndexedRule[]
}

/** Sorts entries by depth; those of one depth stay as they are. */
function inOrder(entries: IndexedRule[]): readonly IndexedRule[] {
  return entries.length < 2 ? entries : entries.sort((a, b) => a.depth - b.depth)
}

function findGrants(
  top: IndexNode,
  path: BytePath,
  segments: readonly string[],
  directory: boolean,
  found: Collected,
): void {
  let node: IndexNode | undefined = top
  let start = 1
  for (let depth = 0; node !== undefined; depth++) {
    if (node.entries.length > 0) {
      const below = textOf(path.slice(start))
      for (const entry of node.entries) {
        if (entry.covers(below)) found.grants.push(entry)
        if (directory && entry.mayLieBelow?.(below) === true) found.globsThrough.push(entry)
      }
    }
    const next: string | undefined = segments[depth]
    if (next === undefined) break
    node = node.children.get(next)
    start += next.length + 1
  }
  found.visibleBy ??= node?.visibleBy
}

function findExclusions(top: ExclusionNode, segments: readonly string[], found: Collected): void {
  let nodes: readonly ExclusionNode[] = [top]
  for (let depth = 0; nodes.length > 0; depth++) {
    const below = nodes.some(({ entries }) => entries.length > 0) ? textOf(segments.slice(depth).join('/')) : ''
    for (const { entries } of nodes)
      for (const entry of entries) {
        if (entry.covers(below)) found.exclusions.push(entry)
        if (below !== '' && entry.rule.shape === 'glob') found.globsAbove.push(entry)
      }
    const next = segments[depth]
    if (next === undefined) break
    nodes = nodesAt(nodes, next)
  }
  for (const node of nodes) for (const entry of node.below) found.below.push(entry)
}

function nodesAt(nodes: readonly ExclusionNode[], segment: string): readonly ExclusionNode[] {
  const parents = nodes.filter(({ children }) => children.size > 0)
  if (parents.length === 0) return parents
  if (mayBeAlias(segment)) return parents.flatMap(({ children }) => [...children.values()])
  const name = foldName(segment)
  const found: ExclusionNode[] = []
  for (const { children } of parents) {
    const child = children.get(name)
    if (child !== undefined) found.push(child)
  }
  return found
}

function entryOf(rule: PathRule, list: RuleList): IndexedRule {
  if (!isCanonical(rule.root) || !rule.aliases.every(isCanonical)) {
    throw new TypeError(`${rule.at}: a bound rule has a path that is not canonical: ${JSON.stringify(rule.root)}`)
  }
  const depth = segmentsOf(rule.root).length
  if (rule.shape === 'glob') {
    const rest = patternBelowRoot(rule)
    const covers = rule.effect === 'exclude' ? exclusionOf(rest) : compileGlob(rest)
    const heads = compileHeads(rest)
    // An exclusion also covers what is below a match, and other names for it.
    const above =
      rule.effect === 'grant'
        ? { mayLieBelow: compileAboveGlob(rest), heads }
        : { heads: heads?.length === 0 ? heads : undefined }
    return { rule, list, depth, covers, ...above }
  }
  // An exclusion of a single name also hides everything that a directory of that name may hold later.
  const isTree = rule.shape === 'tree' || rule.effect === 'exclude'
  return { rule, list, depth, covers: (below) => isTree || below === '' }
}

function exclusionOf(rest: string): IndexedRule['covers'] {
  const name = rest === SECRETS_GLOB ? SECRETS_NAME : /^\*\*\/([\w.-]+)\/?$/.exec(rest)?.[1]
  return name === undefined ? compileExclusionGlob(rest) : compileNameExclusion(name)
}

function patternBelowRoot({ pattern = '', root, at }: PathRule): string {
  const prefix = root === '/' ? '/' : `${textOf(root)}/`
  if (!pattern.startsWith(prefix)) throw new TypeError(`${at}: the pattern ${pattern} does not start with ${prefix}`)
  return pattern.slice(prefix.length)
}

/** The nodes from `/` to `path`. Missing ones are created. */
function nodesAlong(top: IndexNode, path: BytePath): IndexNode[] {
  const nodes = [top]
  let node = top
  for (const segment of segmentsOf(path)) {
    const child = node.children.get(segment) ?? emptyNode()
    node.children.set(segment, child)
    nodes.push(child)
    node = child
  }
  return nodes
}

function emptyNode(): IndexNode {
  return { children: new Map(), entries: [], visibleBy: undefined }
}
