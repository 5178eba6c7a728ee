import { posix } from 'node:path'
import type { ManifestProblem } from '../errors.js'
import { isWithin, textOf } from './canonical.js'
import { quote, type Problem } from './nearest.js'
import type { ExecGrant, PathGrant } from './path-grants.js'
import { bytePath, rawPath, showPath, type BytePath } from './request.js'
import type { PathRule, RuleAccess } from './rules.js'
import { visible } from './visible.js'

/**
 * The result of looking up a path on disk. `real` is canonical; for a missing path it is the canonical path of its
 * deepest existing ancestor, plus the rest.
 */
export type Looked =
  | { readonly kind: 'file' | 'dir' | 'other' | 'missing'; readonly real: BytePath; readonly way?: LinkTrail }
  | { readonly kind: 'dangling'; readonly target: string }
  | { readonly kind: 'unreadable'; readonly errno: string }

/** The places that a path passes through where it leads through symbolic links. Canonical. */
export interface LinkTrail {
  /** The links themselves. */
  readonly links: readonly BytePath[]
  /** The directories that a `..` in a link's text leaves again, and the ends of links that lead nowhere. */
  readonly left: readonly BytePath[]
}

const STRAIGHT: LinkTrail = { links: [], left: [] }

/** All facts about this machine and this run that the meaning of a manifest depends on. Directories are absolute. */
export interface BindContext {
  readonly root: string
  readonly workspace: string
  readonly home: string
  /** The private temporary directory of the worker. */
  readonly tmp?: string
  /** The directory of the test file. */
  readonly file?: string
  readonly lookup: (path: BytePath) => Looked
  /** The directories of PATH, in which bare program names are looked for. */
  readonly searchPath: readonly string[]
  /** The addresses that host names resolved to. A name that is missing here covers no address. */
  readonly addresses?: ReadonlyMap<string, readonly string[]>
}

/** The result of binding one entry: its rules, or its problems. */
export interface Bound<T> {
  readonly rules: readonly T[]
  readonly problems: readonly ManifestProblem[]
  /** Sentences about places that do not exist on this machine. They are harmless as long as no test uses them. */
  readonly warnings?: readonly string[]
}

export function failedAt(at: string, problem: Problem): Bound<never> {
  const { suggestion } = problem
  const shown = suggestion === undefined ? {} : { suggestion: visible(suggestion) }
  return { rules: [], problems: [{ at, ...problem, ...shown }] }
}

/** The place that an entry names, before and after its symbolic links were resolved. */
interface LocatedEntry {
  readonly root: BytePath
  readonly pattern?: string
  readonly alias?: BytePath
  readonly way: LinkTrail
}

/** The entry's spelling before its links were resolved, and each place on the way. */
export function aliasesOf({ alias, way }: Pick<LocatedEntry, 'alias' | 'way'>): readonly BytePath[] {
  return [...new Set([...(alias === undefined ? [] : [alias]), ...way.links, ...way.left])]
}

/** Resolves the fixed part of an entry, once. `expects` is the kind of thing that may be there. */
export function locate(grant: PathGrant, context: BindContext, expects: 'path' | 'socket'): LocatedEntry | Problem {
  const start = grant.anchor === '/' ? '/' : context[grant.anchor]
  if (start === undefined) return missingPlaceholder(grant)
  const spelled = bytePath(posix.join(start, grant.path).replace(/(.)\/$/, '$1'))
  const looked = lookUp(context, spelled)
  const problem = problemWith(grant, spelled, looked, expects)
  if (problem !== undefined) return problem
  const root = 'real' in looked ? looked.real : spelled
  const how = { way: wayOf(looked), ...(root === spelled ? {} : { alias: spelled }) }
  if (grant.rest === undefined) return { root, ...how }
  return { root, pattern: `${root === '/' ? '' : textOf(root)}/${grant.rest}`, ...how }
}

function wayOf(looked: Looked): LinkTrail {
  return 'way' in looked && looked.way !== undefined ? looked.way : STRAIGHT
}

export function bindPath(grant: PathGrant, access: RuleAccess, context: BindContext, at: string): Bound<PathRule> {
  const located = locate(grant, context, 'path')
  if ('found' in located) return failedAt(at, located)
  return { rules: rulesOf(grant, access, located, at), problems: [] }
}

function rulesOf(
  grant: Pick<PathGrant, 'effect' | 'shape' | 'source' | 'why'>,
  access: RuleAccess,
  located: LocatedEntry,
  at: string,
): PathRule[] {
  const { effect, source, why } = grant
  const { root, alias, way } = located
  // A grant to look at or to list a directory covers the directory itself, and nothing in it.
  const isAlone = effect === 'grant' && (access === 'look' || access === 'list')
  const shape = isAlone && grant.shape === 'tree' ? ('file' as const) : grant.shape
  const pattern = isAlone ? located.pattern?.replace(/\/+$/, '') : located.pattern
  const base = { effect, access, shape, aliases: aliasesOf(located), source, at, ...(why === undefined ? {} : { why }) }
  const rule = pattern === undefined ? { ...base, root } : { ...base, root, pattern }
  if (effect === 'grant') return [rule]
  // An exclusion covers its target and also each link on the way, because a test could unlink and replace the link.
  const links = new Set([...(alias === undefined ? [] : [alias]), ...way.links])
  return [
    rule,
    ...[...links].map((link) => ({ ...base, shape: 'file' as const, root: link, aliases: [], isWay: true as const })),
  ]
}

/** Binds a program's name to the first file of that name along PATH. */
export function bindExec(grant: ExecGrant, context: BindContext, at: string): Bound<PathRule> {
  if (!('program' in grant)) return bindPath(grant, 'execute', context, at)
  const passed: BytePath[] = []
  for (const dir of context.searchPath.filter((one) => one.startsWith('/'))) {
    const spelled = bytePath(posix.join(dir, grant.program))
    const looked = context.lookup(spelled)
    if (looked.kind === 'file') {
      const located = { root: looked.real, way: wayOf(looked), ...(looked.real === spelled ? {} : { alias: spelled }) }
      const rules = rulesOf({ ...grant, shape: 'file' }, 'execute', located, at)
      return { rules: [...rules, ...searched(passed, grant, at)], problems: [] }
    }
    passed.push(spelled, ...('real' in looked ? [looked.real, ...wayOf(looked).links] : []))
  }
  const near = context.lookup(bytePath(posix.join(context.root, grant.program))).kind === 'file'
  const expected = 'a program that is found along PATH, or a path with a slash in it'
  if (near) return failedAt(at, { expected, found: quote(grant.source), suggestion: `./${grant.program}` })
  const warnings = [`${at}: no program ${quote(grant.program)} along PATH`]
  return { rules: searched(passed, grant, at), problems: [], warnings }
}

const SEARCHED = 'where programs are looked for, along PATH'

/**
 * The rule for the places along PATH that a program was not found at. It keeps them from becoming links: such a link
 * would be the program of that name in the next run, and what it leads to could be read.
 */
function searched(places: readonly BytePath[], { source }: ExecGrant, at: string): readonly PathRule[] {
  const [root, ...aliases] = new Set(places)
  if (root === undefined) return []
  return [{ effect: 'grant', access: 'look', shape: 'file', root, aliases, source, at, reason: SEARCHED }]
}

/** Looks a path up, but never /proc/self: it means the worker, and this is another process. */
function lookUp(context: BindContext, spelled: BytePath): Looked {
  const isOwn = isWithin(spelled, rawPath('/proc/self')) || isWithin(spelled, rawPath('/proc/thread-self'))
  return isOwn ? { kind: 'missing', real: spelled } : context.lookup(spelled)
}

function missingPlaceholder({ anchor, source }: PathGrant): Problem {
  const why = anchor === 'file' ? 'there is a test file' : 'there is a worker'
  return { expected: `<${anchor}> only where ${why}`, found: quote(source) }
}

function problemWith(
  { shape, source }: PathGrant,
  spelled: BytePath,
  looked: Looked,
  expects: 'path' | 'socket',
): Problem | undefined {
  const shown = `${quote(source)} (${showPath(spelled)})`
  switch (looked.kind) {
    case 'missing':
      return undefined
    case 'dangling':
      return {
        expected: 'a path that leads somewhere',
        found: `${shown}, a symbolic link to ${quote(looked.target)}, which does not exist`,
      }
    case 'unreadable':
      return { expected: 'a path that can be looked up', found: `${shown}: ${looked.errno}` }
    case 'dir':
      if (shape !== 'file') return undefined
      if (expects === 'socket') return { expected: 'the path of a socket', found: `${shown}, a directory` }
      return { expected: 'a slash after a directory', found: `${shown}, a directory`, suggestion: `${source}/` }
    default:
      if (shape === 'file') return undefined
      return {
        expected: shape === 'glob' ? 'a directory before the glob' : 'no slash after a file',
        found: `${shown}, not a directory`,
        ...(shape === 'glob' ? {} : { suggestion: source.replace(/\/+$/, '') }),
      }
  }
}
