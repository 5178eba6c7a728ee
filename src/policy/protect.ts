/**
 * Places that no grant may change, whatever its list says: they stay as readable as they were. Only for a run whose runner is confined as well:
 * there what is loaded before a filter, and what says what is granted, must be as it was when the run began.
 */
import { mayBeWithin } from './fold.js'
import type { BytePath } from './request.js'
import { implies, type PathRule, type RuleList } from './rules.js'

/** Canonical paths, whether something is there or not. */
export interface Protected {
  /** Directories with all that lies in them. */
  readonly trees: readonly BytePath[]
  readonly files: readonly BytePath[]
  /** Directories with all that lies in them, but for what an entry names in there. */
  readonly unlessNamed: readonly BytePath[]
}

/** The lists without the right to change what is protected. A grant for something within it becomes one for reading. */
export function protect(lists: readonly RuleList[], protectedPlaces: Protected): readonly RuleList[] {
  const exclusions = [
    ...[...protectedPlaces.trees, ...protectedPlaces.unlessNamed].map((root) => exclusion(root, 'tree')),
    ...protectedPlaces.files.map((root) => exclusion(root, 'file')),
  ]
  return lists.flatMap((list) => {
    if (!list.some(changes)) return [list]
    const reading = list.map((rule) => (mayChange(rule) ? { ...rule, access: 'read' as const } : rule))
    const changing = list.filter((rule) => !(changes(rule) && isInside(rule.root, protectedPlaces)))
    return [[...changing, ...exclusions], reading]
  })
}

function exclusion(root: BytePath, shape: 'tree' | 'file'): PathRule {
  return {
    effect: 'exclude',
    access: 'write',
    shape,
    root,
    aliases: [],
    source: 'what the run depends on',
    at: 'base',
    isProtected: true,
    reason: 'what is loaded before the filter, and what says what is granted',
  }
}

function changes(rule: PathRule): boolean {
  return rule.effect === 'grant' && mayChange(rule)
}

function mayChange({ access }: PathRule): boolean {
  return implies(access, 'content')
}

function isInside(path: BytePath, { trees, files }: Protected): boolean {
  return [...trees, ...files].some((place) => mayBeWithin(path, place))
}
