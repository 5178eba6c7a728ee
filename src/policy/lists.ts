/**
 * The lists of a manifest: for each key its parser, its description for editors, what its entries cover and how they
 * are bound. The JSON schema, hints, binding and the writing of manifests derive from it; `Manifest` holds the docs.
 */
import { bindExec, bindPath, type BindContext, type Bound } from './bind-paths.js'
import { bindSocket } from './bind-sockets.js'
import { bindDeny, parseDenyGrant, type DenyGrant } from './deny.js'
import type { Manifest, ParsedManifest } from './manifest.js'
import type { Parsed } from './nearest.js'
import { parseExecGrant, parseListGrant, parsePathGrant, type ExecGrant, type PathGrant } from './path-grants.js'
import { coveredByUse } from './resource-entries.js'
import type { RuleAccess, RuleList } from './rules.js'
import { parseSocketGrant, type SocketGrant } from './socket-grants.js'
import type { SocketRule } from './sockets.js'

/** The thing that an entry covers, before anything is looked up on disk. */
export type Covered =
  | { readonly kind: 'path'; readonly access: RuleAccess; readonly grant: PathGrant }
  /** The name of a program that is looked for along PATH. */
  | { readonly kind: 'program'; readonly name: string }
  | { readonly kind: 'socket'; readonly access: SocketRule['access']; readonly grant: SocketGrant }

/** The bound rules of one list. */
interface BoundList {
  readonly paths: RuleList
  readonly sockets: readonly SocketRule[]
  /** Rules that refuse quietly, whatever other lists grant. */
  readonly denied: RuleList
  readonly problems: Bound<never>['problems']
  readonly warnings: readonly string[]
}

interface List<G> {
  /** One line for editors. */
  readonly description: string
  readonly parse: (source: string) => Parsed<G>
  readonly covers: (grant: G) => Covered
  readonly bind: (grant: G, context: BindContext, at: string) => BoundList
}

function pathList(access: RuleAccess, description: string): List<PathGrant> {
  return {
    description,
    parse: parsePathGrant,
    covers: (grant) => ({ kind: 'path', access, grant }),
    bind: (grant, context, at) => ofPaths(bindPath(grant, access, context, at)),
  }
}

function socketList(access: SocketRule['access'], description: string): List<SocketGrant> {
  return {
    description,
    parse: (source) => parseSocketGrant(source, access),
    covers: (grant) => ({ kind: 'socket', access, grant }),
    bind: (grant, context, at) => {
      const { rules, problems } = bindSocket(grant, access, context, at)
      return { ...NONE, sockets: rules, problems }
    },
  }
}

const programList: List<ExecGrant> = {
  description: "Programs that may be run: a name along PATH ('git'), or a path ('./scripts/seed.sh')",
  parse: parseExecGrant,
  covers: (grant) =>
    'program' in grant ? { kind: 'program', name: grant.program } : { kind: 'path', access: 'execute', grant },
  bind: (grant, context, at) => ofPaths(bindExec(grant, context, at)),
}

const denyList: List<DenyGrant> = {
  description: 'Paths that are refused without a violation: as if not there',
  parse: parseDenyGrant,
  covers: (grant) => ({ kind: 'path', access: 'read', grant: { ...grant, effect: 'exclude' } }),
  bind: (grant, context, at) => {
    const { rules, problems } = bindDeny(grant, context, at)
    return { ...NONE, denied: rules, problems }
  },
}

const NONE: BoundList = { paths: [], sockets: [], denied: [], problems: [], warnings: [] }

function ofPaths({ rules, problems, warnings = [] }: Bound<RuleList[number]>): BoundList {
  return { ...NONE, paths: rules, problems, warnings }
}

/** The type of a parsed entry, for each list. */
export interface Grants {
  readonly list: PathGrant
  readonly read: PathGrant
  readonly write: PathGrant
  readonly exec: ExecGrant
  readonly connect: SocketGrant
  readonly listen: SocketGrant
  readonly deny: DenyGrant
}

/** The keys of lists. `use` is not one: it names presets, whose entries are added to these lists. */
export type ListKey = Exclude<keyof Manifest, 'resources' | 'use'>

/** The origin of an entry: the index of the preset in `use`; none for an entry that is written in its list. */
interface Origin {
  readonly preset?: number
}

/** The lists of a manifest whose entries have been parsed. */
export type ParsedLists<Some extends ListKey = ListKey> = { readonly [K in Some]: readonly (Grants[K] & Origin)[] }

/** The lists, in the order in which manifests are written. */
export const LISTS: { readonly [K in ListKey]: List<Grants[K]> } = {
  list: {
    ...pathList('list', "Directories whose names may be seen, and nothing in them: 'dir/', a glob, '!…' an exclusion"),
    parse: parseListGrant,
  },
  read: pathList('read', "What may be read: 'dir/' a tree, 'file' one file, a glob, '!…' an exclusion"),
  write: pathList('write', 'What may be created, changed, renamed and removed. Includes reading'),
  exec: programList,
  connect: socketList('connect', "Addresses: 'tcp:host:port', 'udp:host:port', 'unix:/path', 'unix:@name'"),
  listen: socketList('listen', 'Addresses to listen on, as in connect. Port 0: any free port'),
  deny: denyList,
}

// Object.keys loses the key type; by its type, the object has no other keys.
export const listKeys = Object.keys(LISTS) as readonly ListKey[]

/** A key whose entries are written one by one. */
export type WrittenKey = ListKey | 'use'

export const writtenKeys: readonly WrittenKey[] = [...listKeys, 'use']

/** True if the entry is written in its list, and does not come from a preset. */
export function isOwn({ preset }: Origin): boolean {
  return preset === undefined
}

function placeOf({ preset }: Origin, key: ListKey, index: number): string {
  return preset === undefined ? `${key}[${index}]` : `use[${preset}]`
}

/** Binds one list of a manifest. `at` is the manifest's place in the config. */
export function bindList<K extends ListKey>(
  key: K,
  manifest: ParsedLists<K>,
  context: BindContext,
  at: string,
): BoundList {
  const { bind }: List<Grants[K]> = LISTS[key]
  const grants: readonly (Grants[K] & Origin)[] = manifest[key]
  const bound = grants.map((grant, index) => bind(grant, context, `${at}.${placeOf(grant, key, index)}`))
  return {
    paths: bound.flatMap(({ paths }) => paths),
    sockets: bound.flatMap(({ sockets }) => sockets),
    denied: bound.flatMap(({ denied }) => denied),
    problems: bound.flatMap(({ problems }) => problems),
    warnings: bound.flatMap(({ warnings }) => warnings),
  }
}

function coveredByList<K extends ListKey>(key: K, manifest: ParsedLists<K>): readonly Covered[] {
  const { covers }: List<Grants[K]> = LISTS[key]
  const grants: readonly Grants[K][] = manifest[key]
  return grants.map(covers)
}

/** Everything that a manifest names: the entries of all lists, and the targets of its resources. */
export function coveredBy(manifest: ParsedManifest): readonly Covered[] {
  return [
    ...listKeys.flatMap((key) => coveredByList(key, manifest)),
    ...manifest.resources.flatMap(({ use }) => coveredByUse(use)),
  ]
}
