/** Symbolic links in places where a run writes: refused, where a plugin or test may have put one there. */
import { isWithin } from '../../policy/canonical.js'
import { quote } from '../../policy/nearest.js'
import { compilePolicy, decide, type PathRule, type RuleList } from '../../policy/policy.js'
import { bytePath, showPath, type BytePath } from '../../policy/request.js'
import { implies } from '../../policy/rules.js'
import { spell, type Places } from '../../policy/spell.js'
import { UsageError } from '../command.js'

/**
 * Refuses places of this run, and perhaps of no other, where they lead through a link that an earlier run may have left.
 */
export function refuseLinksOfRun(rules: readonly PathRule[], writable: readonly RuleList[]): void {
  const policy = compilePolicy({ mode: 'enforce', lists: writable, sockets: [] })
  for (const { source, aliases } of rules)
    for (const path of aliases)
      if (decide(policy, { kind: 'path', access: 'write', path }).allowed)
        throw new UsageError(
          `${quote(source)} leads through ${showPath(path)}, and a plugin or test may have put that link there: remove it`,
        )
}

/**
 * Refuses places for reports that lead through a link below the root. No run of this root may put one there, but one of a
 * root above may, if it may write there. Where the link leads to what an entry names by its own name, it is the user's.
 */
export function refuseLinksToOutputs(rules: readonly PathRule[], places: Places, own: readonly RuleList[]): void {
  const straight = own.map((list) => list.filter(({ effect, aliases }) => effect === 'exclude' || aliases.length === 0))
  const policy = compilePolicy({ mode: 'enforce', lists: straight, sockets: [] })
  for (const { source, aliases, root, shape } of rules) {
    // The shortest is the first link on the way.
    const [link] = aliases
      .filter((path) => isWithin(path, bytePath(places.root)))
      .toSorted((a, b) => a.length - b.length)
    if (link === undefined) continue
    if (!decide(policy, { kind: 'path', access: shape === 'tree' ? 'move' : 'write', path: root }).allowed)
      throw new UsageError(
        `${quote(source)} leads through ${showPath(link)} to ${showPath(root)}, and a plugin or test of another run may have put that link there: ` +
          `remove it, or add write: [${quote(spell(places, root, shape === 'tree' ? '/' : ''))}] to runner in the manifest file`,
      )
  }
}

/**
 * The directories of reports and caches in which no entry lets anybody write: there, links are as little for Vitest to make.
 * Of a glob, the directory that it starts from.
 */
export function linklessOf(places: readonly PathRule[], lists: readonly RuleList[]): readonly BytePath[] {
  const written = lists.flat().filter(({ effect, access }) => effect === 'grant' && implies(access, 'content'))
  const isNamed = (place: BytePath): boolean =>
    written.some(({ root }) => isWithin(root, place) || isWithin(place, root))
  return places.flatMap(({ shape, root }) => (shape !== 'file' && !isNamed(root) ? [root] : []))
}
