/**
 * Protected places: no grant may change them, whatever its list; they stay as readable as they were. Only a run that
 * also confines its runner has them: there, the files that are loaded before a filter and the files that define the
 * grants must stay as they were when the run began.
 */
import { mayBeWithin } from './fold.js'
import type { BytePath } from './request.js'
import { implies, type PathRule, type RuleList } from './rules.js'

/** The protected places. Canonical paths, whether or not they exist. */
export interface Protected {
  /** Directories with everything below them. */
  readonly trees: readonly BytePath[]
  readonly files: readonly BytePath[]
  /** Directories with everything below them, except what an entry names there. */
  readonly unlessNamed: readonly BytePath[]
}

/**
 * The lists without grants to change what is protected. A grant inside a protected place becomes a grant for reading.
 */
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
