import { parentOf } from './canonical.js'
import { foldPath, hasAlias, mayBeSame, mayBeWithin } from './fold.js'
import { buildPathIndex, type PathIndex } from './path-index.js'
import { rawPath, type BytePath } from './request.js'
import type { Mode, PathRule, PolicyData, RuleList } from './rules.js'
import { buildSocketIndex, type SocketIndex } from './socket-index.js'
import type { SocketTarget } from './sockets.js'
import { Verdicts } from './verdicts.js'

/** A compiled policy. Compile it once from plain data; only `decide` looks inside. */
export interface Policy {
  readonly mode: Mode
  readonly paths: PathIndex
  /** Only the entries of `deny`. */
  readonly denied: PathIndex
  readonly sockets: SocketIndex
  readonly anchors: Anchors
  /** Symbolic links on the way to an excluded place. */
  readonly waysOfExclusions: readonly BytePath[]
  /** See `PolicyData`. */
  readonly linkless: readonly BytePath[]
  readonly verdicts: Verdicts
  /** A second policy that must allow a request as well. */
  readonly ceiling: Policy | undefined
  /** See `PolicyData`. */
  readonly terminal: BytePath | undefined
  readonly interpreters: ReadonlySet<BytePath> | undefined
}

/**
 * Compiles a policy. Throws a TypeError for a malformed rule (a path that is not canonical, a glob that does not
 * compile): that is a bug in the code that bound it, and must stop the start, not surface as a decision.
 */
export function compilePolicy(data: PolicyData): Policy {
  const { denied = [] } = data
  return {
    mode: data.mode,
    paths: buildPathIndex(withoutDenied(data)),
    denied: buildPathIndex([denied]),
    sockets: buildSocketIndex(data.sockets, data.runnerPorts, denied),
    anchors: new Anchors(data),
    waysOfExclusions: waysOfExclusions(data),
    linkless: data.linkless ?? [],
    verdicts: new Verdicts(),
    ceiling: data.ceiling === undefined ? undefined : compilePolicy({ mode: data.mode, ...data.ceiling }),
    terminal: data.terminal,
    interpreters: data.interpreters === undefined ? undefined : new Set(data.interpreters),
  }
}

/** The lists as they count: what an entry of `deny` names is excluded from each. */
export function withoutDenied({ lists, denied = [] }: Pick<PolicyData, 'lists' | 'denied'>): readonly RuleList[] {
  return denied.length === 0 ? lists : lists.map((list) => [...list, ...denied])
}

/**
 * The places of the entries. They are folded, because an entry may be reached by another name that some file system
 * takes for the same. They are made when they are first asked for: few tests make a link or a directory.
 */
class Anchors {
  #above: ReadonlySet<string> | undefined
  #all: ReadonlySet<string> | undefined

  constructor(readonly data: PolicyData) {}

  /** Every directory above an anchor. */
  get above(): ReadonlySet<string> {
    this.#above ??= new Set(Array.from(ancestorsOf(anchorsOf(this.data)), foldPath))
    return this.#above
  }

  /** All anchors, and every directory above one. */
  get all(): ReadonlySet<string> {
    this.#all ??= new Set([...this.above, ...anchorsOf(this.data).map(foldPath)])
    return this.#all
  }
}

/** Every path that an entry names, both canonical and as it was spelled. */
export function anchorsOf({
  lists,
  sockets,
  resources = [],
  anchors = [],
  denied = [],
  ceiling,
}: Omit<PolicyData, 'mode'>): readonly BytePath[] {
  const named = resources.flatMap(({ use }) => ('rule' in use ? [use.rule] : []))
  const rules = [...lists.flat(), ...denied, ...sockets, ...named]
  const above = ceiling === undefined ? [] : anchorsOf(ceiling)
  return [...anchors, ...above, ...rules.flatMap((rule) => placesOf('target' in rule ? rule.target : rule))]
}

/** The symbolic links on the way to every place that is excluded. */
export function waysOfExclusions({
  lists,
  ways = [],
  denied = [],
  ceiling,
}: Pick<PolicyData, 'lists' | 'ways' | 'denied' | 'ceiling'>): readonly BytePath[] {
  const links = [...lists.flat(), ...denied].filter(({ isWay }) => isWay === true)
  return [...ways, ...(ceiling === undefined ? [] : waysOfExclusions(ceiling)), ...links.map(({ root }) => root)]
}

function placesOf(rule: PathRule | SocketTarget): readonly BytePath[] {
  return 'root' in rule ? [rule.root, ...rule.aliases] : []
}

function ancestorsOf(paths: Iterable<BytePath>): ReadonlySet<BytePath> {
  const above = new Set<BytePath>()
  for (const path of paths) {
    for (let at = path, parent = parentOf(at); parent !== at && !above.has(parent); at = parent, parent = parentOf(at))
      above.add(parent)
  }
  return above
}

/**
 * True if a new link or directory at this path could change the meaning of a manifest entry in the next run. A link
 * does so at the place of an entry or above it; a directory does so above an entry, because it may bring a link along.
 */
export function wouldRedirectGrant(policy: Policy, path: BytePath, brings: 'link' | 'directory'): boolean {
  const places = brings === 'link' ? policy.anchors.all : policy.anchors.above
  if (places.has(foldPath(path))) return true
  return hasAlias(path) && [...places].some((place) => mayBeSame(path, rawPath(place)))
}

/** True for a path below a directory that holds no symbolic link. */
export function isLinkless({ linkless }: Policy, path: BytePath): boolean {
  return linkless.some((directory) => mayBeWithin(path, directory))
}

/**
 * True if the entry or tree that is removed is or contains a link on the way to an excluded place. Without that link
 * the exclusion would mean another place in the next run, whichever list it stands in.
 */
export function wouldRedirectExclusion(policy: Policy, path: BytePath, takes: 'entry' | 'tree'): boolean {
  return policy.waysOfExclusions.some((link) => (takes === 'entry' ? mayBeSame(path, link) : mayBeWithin(link, path)))
}
