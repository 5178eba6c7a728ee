import { isCanonical, segmentsOf, textOf } from './canonical.js'
import { compileAboveGlob, compileGlob, compileTreeGlob, isPositionIndependent } from './glob.js'
import type { BytePath } from './request.js'
import type { PathRule, RuleList } from './rules.js'

/** A rule with what matching needs. */
export interface Entry {
  readonly rule: PathRule
  /** Which list it stands in. */
  readonly list: number
  /** Whether it covers a path whose part below `rule.root` is `below`. */
  readonly covers: (below: string) => boolean
  /** For a glob that grants: whether a match may lie below the directory at `below`. */
  readonly mayLieBelow?: (below: string) => boolean
  /** For a glob: whether a match stays one wherever below the base it is moved. */
  readonly positionIndependent: boolean
}

/**
 * A tree of path segments. A lookup goes down from `/` and ends where no rule lies deeper, so its cost depends on the
 * depth of the rules, not on their number, nor on the length of a hostile path.
 */
interface Node {
  readonly children: Map<string, Node>
  readonly entries: Entry[]
  /** The first rule whose grant or alias lies at or below: what makes this node visible. */
  visibleBy: PathRule | undefined
  /** Exclusions rooted at or below. */
  readonly exclusionsBelow: Entry[]
}

export interface PathIndex {
  readonly top: Node
  readonly entries: readonly Entry[]
}

export function buildPathIndex(lists: readonly RuleList[]): PathIndex {
  const top = emptyNode()
  const entries = lists.flatMap((rules, list) => rules.map((rule) => entryOf(rule, list)))
  for (const entry of entries) {
    const { rule } = entry
    const nodes = nodesAlong(top, rule.root)
    nodes.at(-1)?.entries.push(entry)
    if (rule.effect === 'exclude') for (const node of nodes) node.exclusionsBelow.push(entry)
    if (rule.effect === 'exclude') continue
    for (const seen of [nodes, ...rule.aliases.map((alias) => nodesAlong(top, alias))].flat()) seen.visibleBy ??= rule
  }
  return { top, entries }
}

/** What the index knows about one path. */
export interface Found {
  /** All rules that cover the path. */
  readonly covering: readonly Entry[]
  /** Exclusion globs based above the path, whether or not they cover the path itself. */
  readonly exclusionGlobsAbove: readonly Entry[]
  /** Globs that grant and may have a match below the path, if that is a directory. */
  readonly globsThrough: readonly Entry[]
  readonly exclusionsBelow: readonly Entry[]
  readonly visibleBy: PathRule | undefined
}

/** `path` must be canonical. `directory`: it is known to be one, and which globs lead through it is wanted. */
export function find(index: PathIndex, path: BytePath, directory = false): Found {
  const covering: Entry[] = []
  const exclusionGlobsAbove: Entry[] = []
  const globsThrough: Entry[] = []
  const segments = segmentsOf(path)
  let node: Node | undefined = index.top
  let start = 1
  for (let depth = 0; node !== undefined; depth++) {
    if (node.entries.length > 0) {
      const below = textOf(path.slice(start))
      for (const entry of node.entries) {
        if (entry.covers(below)) covering.push(entry)
        if (below !== '' && isExclusionGlob(entry)) exclusionGlobsAbove.push(entry)
        if (directory && entry.mayLieBelow?.(below) === true) globsThrough.push(entry)
      }
    }
    const next: string | undefined = segments[depth]
    if (next === undefined) {
      return {
        covering,
        exclusionGlobsAbove,
        globsThrough,
        exclusionsBelow: node.exclusionsBelow,
        visibleBy: node.visibleBy,
      }
    }
    node = node.children.get(next)
    start += next.length + 1
  }
  return { covering, exclusionGlobsAbove, globsThrough, exclusionsBelow: [], visibleBy: undefined }
}

function isExclusionGlob({ rule }: Entry): boolean {
  return rule.effect === 'exclude' && rule.shape === 'glob'
}

function entryOf(rule: PathRule, list: number): Entry {
  if (!isCanonical(rule.root) || !rule.aliases.every(isCanonical)) {
    throw new TypeError(`${rule.at}: a bound rule has a path that is not canonical: ${JSON.stringify(rule.root)}`)
  }
  if (rule.shape === 'glob') {
    const rest = patternBelowRoot(rule)
    const covers = rule.effect === 'exclude' ? compileTreeGlob(rest) : compileGlob(rest)
    const above = rule.effect === 'grant' ? { mayLieBelow: compileAboveGlob(rest) } : {}
    return { rule, list, covers, ...above, positionIndependent: isPositionIndependent(rest) }
  }
  // An exclusion of one name also hides what a directory of that name may hold later.
  const isTree = rule.shape === 'tree' || rule.effect === 'exclude'
  return { rule, list, covers: (below) => isTree || below === '', positionIndependent: false }
}

function patternBelowRoot({ pattern = '', root, at }: PathRule): string {
  const prefix = root === '/' ? '/' : `${textOf(root)}/`
  if (!pattern.startsWith(prefix)) throw new TypeError(`${at}: the pattern ${pattern} does not start with ${prefix}`)
  return pattern.slice(prefix.length)
}

/** The nodes from `/` to `path`, made where they are missing. */
function nodesAlong(top: Node, path: BytePath): Node[] {
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

function emptyNode(): Node {
  return { children: new Map(), entries: [], visibleBy: undefined, exclusionsBelow: [] }
}
