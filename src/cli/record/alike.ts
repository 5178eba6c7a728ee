/** Shortens what lies under the same name in directories side by side: `samples/*` + `/input.txt`. */
import { rawPath, type BytePath } from '../../policy/request.js'
import { ANY } from '../../policy/spell.js'
import { MANY, namesOf, union, type Item } from './collapse.js'

/** The same name, `rest`, in `count` directories of `dir`. */
export interface Alike {
  readonly dir: BytePath
  /** The names below each of the directories; none if these themselves are meant. */
  readonly rest: readonly string[]
  readonly shape: Item['shape']
  readonly count: number
}

interface AlikeRules {
  /** True if ANY may stand for the directories. */
  readonly mayStandFor: (alike: Alike) => boolean
  /** True if a tree may replace paths in it. */
  readonly mayTree: (dir: BytePath) => boolean
}

/** Puts ANY in the place of names, from the last one to the first. The result covers every item. */
export function alike(items: readonly Item[], rules: AlikeRules): readonly Item[] {
  const deepest = Math.max(0, ...items.map(({ path }) => namesOf(path).length))
  let left = items
  for (let at = deepest - 1; at >= 0; at--) left = shortened(left, at, rules)
  return left
}

/** An item below one of several directories side by side. */
interface Sibling {
  readonly item: Item
  readonly name: string
  readonly rest: readonly string[]
}

function shortened(items: readonly Item[], at: number, rules: AlikeRules): readonly Item[] {
  const apart: Item[] = []
  const byDir = new Map<BytePath, Sibling[]>()
  for (const item of items) {
    const names = namesOf(item.path)
    const [name] = names.slice(at)
    if (name === undefined || names.slice(0, at + 1).some((one) => one.includes(ANY))) apart.push(item)
    else {
      const dir = rawPath(`/${names.slice(0, at).join('/')}`)
      byDir.set(dir, [...(byDir.get(dir) ?? []), { item, name, rest: names.slice(at + 1) }])
    }
  }
  return [...apart, ...[...byDir].flatMap(([dir, all]) => shortenedIn(dir, all, rules))]
}

function shortenedIn(dir: BytePath, all: readonly Sibling[], { mayStandFor, mayTree }: AlikeRules): readonly Item[] {
  const made: Item[] = []
  let left = all
  for (const { shape, rest } of patternsOf(all)) {
    const found = left.filter((one) => (shape === 'tree' ? isBelow(one, rest) : isFile(one, rest)))
    const names = new Set(found.map(({ name }) => name))
    const whole = new Set(found.filter((one) => one.rest.length === rest.length).map(({ name }) => name))
    if (names.size < MANY || !mayStandFor({ dir, rest, shape, count: names.size })) continue
    if (![...names].every((name) => whole.has(name) || mayTree(at(dir, name, rest)))) continue
    made.push({ path: at(dir, ANY, rest), shape, users: union(found.map(({ item }) => item)) })
    left = left.filter((one) => !found.includes(one))
  }
  return [...left.map(({ item }) => item), ...made]
}

/** The names below the directories that there is an item of: first trees, the largest of them first. */
function patternsOf(all: readonly Sibling[]): readonly Pick<Alike, 'shape' | 'rest'>[] {
  const patterns = new Map(all.map(({ item: { shape }, rest }) => [shape + rest.join('/'), { shape, rest }]))
  const rank = ({ shape, rest }: Pick<Alike, 'shape' | 'rest'>): number => (shape === 'tree' ? rest.length : Infinity)
  return [...patterns.values()].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)))
}

function isFile({ item, rest }: Sibling, names: readonly string[]): boolean {
  return item.shape === 'file' && rest.length === names.length && rest.every((name, index) => name === names[index])
}

function isBelow({ item, rest }: Sibling, names: readonly string[]): boolean {
  return names.every((name, index) => name === rest[index]) && (item.shape === 'tree' || rest.length > names.length)
}

function at(dir: BytePath, name: string, rest: readonly string[]): BytePath {
  return rawPath([dir === '/' ? '' : dir, name, ...rest].join('/'))
}

/** True if a path is among those that a path with ANY stands for, or the same. */
export function standsFor(path: BytePath, one: BytePath): boolean {
  const [names, others] = [namesOf(path), namesOf(one)]
  return names.length === others.length && names.every((name, at) => isMatch(name, others[at] ?? ''))
}

/** True if a name is one that `pattern`, a name with ANY, stands for. */
export function isMatch(pattern: string, name: string): boolean {
  if (!pattern.includes(ANY)) return pattern === name
  const parts = pattern.split(ANY)
  const [first = '', last = ''] = [parts[0], parts.at(-1)]
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let from = first.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, from)
    if (found < 0) return false
    from = found + part.length
  }
  return from <= name.length - last.length
}
