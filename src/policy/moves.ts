/**
 * Decides on moves. Moving a directory moves everything below it, also what the worker may not touch, and a rename is
 * atomic, so the contents must be judged from the rules alone: everything at and below both ends must be covered alike.
 */
import { isCanonical, isWithin, textOf } from './canonical.js'
import { mayBeWithin } from './fold.js'
import type { IndexedRule, IndexMatch, PathIndex } from './path-index.js'
import type { BytePath, DenialReason, PathRequest } from './request.js'
import { beats, implies, type PathRule } from './rules.js'

/** The reason why a path that may be written may still not be moved, or not be moved onto. */
export function moveRefusal(index: PathIndex, request: PathRequest, found: IndexMatch): DenialReason | undefined {
  const trees = found.covering.filter((entry) => holdsBelow(entry, found.covering))
  const nearest = trees[0]
  if (nearest === undefined) return { why: 'moves-uncovered', grant: grantOf(found) }
  const exclusions = [...found.exclusionsBelow, ...found.exclusionGlobsAbove]
  // A list grants the tree and excludes nothing in it: nothing hidden can be in there.
  if (trees.some(({ list }) => exclusions.every((exclusion) => exclusion.list !== list))) return undefined
  const obstacle = exclusions.find((exclusion) => !keepsItsReach(index, exclusion, request))
  if (obstacle?.rule.isProtected === true) return { why: 'protected', place: obstacle.rule.root }
  return obstacle && { why: 'moves-excluded', exclusion: obstacle.rule.source }
}

/** True if an entry grants writing to a whole tree here, unbeaten by an exclusion of its list. */
function holdsBelow({ rule, list }: IndexedRule, covering: readonly IndexedRule[]): boolean {
  if (rule.effect !== 'grant' || !isOfTrees(rule) || !implies(rule.access, 'move')) return false
  return !covering.some((other) => other.list === list && beats(other.rule, rule))
}

/**
 * True if a rule covers whatever lies below a match, as a glob with a slash at its end does. The text that `!(a)` matches
 * depends on what follows.
 */
function isOfTrees({ shape, pattern = '' }: PathRule): boolean {
  return shape === 'tree' || (shape === 'glob' && pattern.endsWith('/') && !pattern.includes('!('))
}

function grantOf({ covering }: IndexMatch): string {
  return covering.find(({ rule }) => rule.effect === 'grant' && implies(rule.access, 'move'))?.rule.source ?? ''
}

/** True if a move between the two ends uncovers nothing that the exclusion hides, and hides nothing else. */
function keepsItsReach(index: PathIndex, exclusion: IndexedRule, { path, counterpart }: PathRequest): boolean {
  if (counterpart === undefined || !isCanonical(counterpart)) return false
  if (!isSteady(exclusion, path, counterpart)) return false
  return index.lists
    .flatMap(({ entries }) => entries)
    .every((entry) => {
      if (isSteady(entry, path, counterpart)) return true
      const ownList = entry.list === exclusion.list
      if (entry.rule.effect === 'exclude') return ownList || !touches(entry.rule, path)
      return (ownList && entry.rule.shape !== 'file') || !touches(entry.rule, counterpart)
    })
}

/** True if a rule covers a path below one end exactly if it covers the same path below the other end. */
function isSteady({ rule, heads }: IndexedRule, path: BytePath, counterpart: BytePath): boolean {
  const isAtRoot = path === rule.root || counterpart === rule.root
  if (isAtRoot && (rule.shape !== 'tree' || rule.effect !== 'grant')) return false
  if (!isWithin(path, rule.root) || !isWithin(counterpart, rule.root)) return false
  if (rule.shape !== 'glob') return rule.shape === 'tree'
  const below = (end: BytePath): string => textOf(end.slice(rule.root === '/' ? 1 : rule.root.length + 1))
  return heads?.every((matches) => !matches(below(path)) && !matches(below(counterpart))) === true
}

/** True if a rule may cover something at or below the path. */
function touches(rule: PathRule, path: BytePath): boolean {
  // An exclusion holds under every name that some file system takes for the same.
  if (rule.effect === 'exclude') return mayBeWithin(rule.root, path) || mayBeWithin(path, rule.root)
  const reachesBelow = rule.shape !== 'file'
  return isWithin(rule.root, path) || (reachesBelow && isWithin(path, rule.root))
}
