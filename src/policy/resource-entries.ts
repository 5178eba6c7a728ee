/** `resources` of a manifest: the entries as written, and their parser. */
import type { Covered } from './lists.js'
import { nearest, oneOf, quote, showValue, type Problem } from './nearest.js'
import { parsePathGrant, type PathGrant } from './path-grants.js'
import { MAX_RESOURCE_NAME, RESOURCE_NAME } from './resource-names.js'
import { parseSocketGrant, type SocketGrant } from './socket-grants.js'

/** A file or directory that is opened anew each time it is acquired. A path with a slash at the end is a directory. */
interface FileEntry {
  /** A file to read from, or a directory to read in. */
  readonly read: string
}

interface WritableEntry {
  /** A file to read and write, or a directory to change things in. */
  readonly write: string
  /** Creates the file if it does not exist. Default: false. */
  readonly create?: boolean
  /** Empties the file when it is acquired. Default: false. */
  readonly truncate?: boolean
  /** Writes at the end of the file, wherever the descriptor's offset is. Default: false. */
  readonly append?: boolean
}

/** A new connection each time it is acquired. */
interface ConnectEntry {
  /** One address: `tcp:host:port`, `udp:host:port`, `unix:/path`, `unix:@name`. */
  readonly connect: string
}

/** A socket that is bound and listens before the test gets it. */
interface ListenEntry {
  /** The address: `tcp:127.0.0.1:0`, `udp:127.0.0.1:0`, `unix:<tmp>/x.sock`. Port 0: any free port. */
  readonly listen: string
  /** The number of connections that may wait. Default: 128. */
  readonly backlog?: number
  /** `worker`: one socket for each worker. `run`: one for all, until Vitest ends. Default: `worker`. */
  readonly share?: 'worker' | 'run'
}

/** One end of a connection between two test files. The other end is the other resource with the same `pair`. */
interface PairEntry {
  readonly pair: string
}

type Setting = keyof FileEntry | keyof WritableEntry | keyof ConnectEntry | keyof ListenEntry | keyof PairEntry
/** Exactly one kind, with the options of that kind. */
type Only<T> = T & { readonly [K in Exclude<Setting, keyof T>]?: never }

export type ResourceEntry =
  | Only<FileEntry>
  | Only<WritableEntry>
  | Only<ConnectEntry>
  | Only<ListenEntry>
  | Only<PairEntry>

/** A resource whose entry has been parsed, but not yet looked up. */
type ParsedUse =
  | {
      readonly how: 'open'
      readonly access: 'read' | 'write'
      readonly grant: PathGrant
      readonly create: boolean
      readonly truncate: boolean
      readonly append: boolean
    }
  | { readonly how: 'connect'; readonly grant: SocketGrant }
  | { readonly how: 'listen'; readonly grant: SocketGrant; readonly backlog: number; readonly share: 'worker' | 'run' }
  | { readonly how: 'pair'; readonly pair: string }

/** The paths and addresses that a resource opens, for callers that ask what a manifest names. */
export function coveredByUse(use: ParsedUse): readonly Covered[] {
  switch (use.how) {
    case 'open':
      return [{ kind: 'path', access: use.access, grant: use.grant }]
    case 'connect':
    case 'listen':
      return [{ kind: 'socket', access: use.how, grant: use.grant }]
    case 'pair':
      return []
    default:
      return use satisfies never
  }
}

export interface ParsedResource {
  readonly name: string
  readonly use: ParsedUse
}

/** A problem, and its place below `resources`. */
interface ResourceProblem extends Problem {
  readonly path: readonly string[]
}

const OPTIONS = {
  read: [],
  write: ['create', 'truncate', 'append'],
  connect: [],
  listen: ['backlog', 'share'],
  pair: [],
} as const satisfies Readonly<Record<string, readonly string[]>>
type UseKind = keyof typeof OPTIONS
const KINDS = Object.keys(OPTIONS)

const MAX_BACKLOG = 65_535

/** The shapes of `resources` as JSON schema, for editors. */
export function resourcesJsonSchema(): object {
  const option = (name: string): object =>
    name === 'share'
      ? { enum: ['worker', 'run'] }
      : name === 'backlog'
        ? { type: 'integer', minimum: 1, maximum: MAX_BACKLOG }
        : { type: 'boolean' }
  return {
    type: 'object',
    description: "What tests get by name, with acquire('name')",
    propertyNames: { pattern: RESOURCE_NAME.source },
    additionalProperties: {
      anyOf: Object.entries(OPTIONS).map(([kind, options]) => ({
        type: 'object',
        required: [kind],
        additionalProperties: false,
        properties: { [kind]: { type: 'string' }, ...Object.fromEntries(options.map((name) => [name, option(name)])) },
      })),
    },
  }
}

function isKind(key: string): key is UseKind {
  return Object.hasOwn(OPTIONS, key)
}

/** Parses all resources, and reports every problem. */
export function parseResources(input: object): {
  readonly resources: readonly ParsedResource[]
  readonly problems: readonly ResourceProblem[]
} {
  const resources: ParsedResource[] = []
  const problems: ResourceProblem[] = []
  for (const [name, entry] of Object.entries(input)) {
    const found = RESOURCE_NAME.test(name) ? parseEntry(entry) : [badName(name)]
    if (Array.isArray(found)) problems.push(...found.map((problem) => ({ ...problem, path: [name, ...problem.path] })))
    else resources.push({ name, use: found })
  }
  return { resources, problems }
}

function badName(name: string): ResourceProblem {
  const tidy = name.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z]+/, '')
  const expected = "a name that starts with a letter and has letters, digits, '_', '-' and '.', at most 64"
  return {
    path: [],
    expected,
    found: showValue(name),
    ...(tidy === '' ? {} : { suggestion: quote(tidy.slice(0, MAX_RESOURCE_NAME)) }),
  }
}

function at(path: readonly string[], { expected, found, suggestion }: Problem): ResourceProblem {
  return suggestion === undefined ? { path, expected, found } : { path, expected, found, suggestion }
}

function parseEntry(entry: unknown): ParsedUse | ResourceProblem[] {
  const example = "{ connect: 'tcp:127.0.0.1:5432' }"
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return [at([], { expected: `an object such as ${example}`, found: showValue(entry) })]
  }
  const settings = new Map<string, unknown>(Object.entries(entry))
  const kinds = [...settings.keys()].filter(isKind)
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) return [notOne(kinds, [...settings.keys()])]
  const problems = [...settings]
    .filter(([key]) => key !== kind)
    .flatMap(([key, value]) => optionProblem(kind, key, value))
  const text = settings.get(kind)
  if (typeof text !== 'string') return [...problems, at([kind], { expected: 'a string', found: showValue(text) })]
  const use = parseUse(kind, text, settings)
  return problems.length > 0 || Array.isArray(use) ? [...problems, ...(Array.isArray(use) ? use : [])] : use
}

function notOne(kinds: readonly UseKind[], keys: readonly string[]): ResourceProblem {
  const expected = `exactly one of ${oneOf(KINDS).replace(/ or /, ' and ')}`
  if (kinds.includes('read') && kinds.includes('write')) {
    return at([], { expected, found: oneOf(kinds), suggestion: 'write alone, which includes reading' })
  }
  if (kinds.length > 0) return at([], { expected, found: oneOf(kinds) })
  const near = keys.map((key) => nearest(key, KINDS)).find((one) => one !== undefined)
  return at([], {
    expected,
    found: keys.length === 0 ? 'an empty object' : oneOf(keys),
    ...(near === undefined ? {} : { suggestion: near }),
  })
}

function optionProblem(kind: UseKind, key: string, value: unknown): ResourceProblem[] {
  const known: readonly string[] = OPTIONS[kind]
  if (!known.includes(key)) {
    const near = nearest(key, known)
    const expected = known.length === 0 ? `nothing beside ${kind}` : oneOf(known)
    return [at([key], { expected, found: quote(key), ...(near === undefined ? {} : { suggestion: near }) })]
  }
  if (key === 'share') {
    if (value === 'worker' || value === 'run') return []
    return [at([key], { expected: oneOf(['worker', 'run']), found: showValue(value) })]
  }
  if (key === 'backlog') {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_BACKLOG) return []
    return [at([key], { expected: `a whole number from 1 to ${MAX_BACKLOG}`, found: showValue(value) })]
  }
  return typeof value === 'boolean' ? [] : [at([key], { expected: 'true or false', found: showValue(value) })]
}

function parseUse(kind: UseKind, text: string, settings: ReadonlyMap<string, unknown>): ParsedUse | ResourceProblem[] {
  switch (kind) {
    case 'read':
    case 'write':
      return parseFile(kind, text, settings)
    case 'connect':
      return parseConnect(text)
    case 'listen':
      return parseListen(text, settings)
    case 'pair':
      return RESOURCE_NAME.test(text)
        ? { how: 'pair', pair: text }
        : [at([kind], { expected: 'a name, the same for both ends', found: showValue(text) })]
    default:
      return kind satisfies never
  }
}

function parseFile(
  access: 'read' | 'write',
  text: string,
  settings: ReadonlyMap<string, unknown>,
): ParsedUse | ResourceProblem[] {
  const parsed = parsePathGrant(text)
  if (!parsed.ok) return [at([access], parsed.problem)]
  const grant = parsed.value
  if (grant.effect === 'exclude' || grant.shape === 'glob') {
    return [at([access], { expected: "the path of one file, or of a directory: 'dir/'", found: showValue(text) })]
  }
  const is = (option: string): boolean => settings.get(option) === true
  const given = OPTIONS.write.find((option) => is(option))
  if (grant.shape === 'tree' && given !== undefined) {
    return [at([given], { expected: `${given} only for a file`, found: `${showValue(text)}, a directory` })]
  }
  return { how: 'open', access, grant, create: is('create'), truncate: is('truncate'), append: is('append') }
}

const oneAddress = "one address: 'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'"

function parseConnect(text: string): ParsedUse | ResourceProblem[] {
  const parsed = parseSocketGrant(text, 'connect')
  if (!parsed.ok) return [at(['connect'], parsed.problem)]
  return isOneAddress(parsed.value)
    ? { how: 'connect', grant: parsed.value }
    : [at(['connect'], { expected: oneAddress, found: showValue(text) })]
}

function parseListen(text: string, settings: ReadonlyMap<string, unknown>): ParsedUse | ResourceProblem[] {
  const parsed = parseSocketGrant(text, 'listen')
  if (!parsed.ok) return [at(['listen'], parsed.problem)]
  const { target } = parsed.value
  if (!isOneAddress(parsed.value) || (target.family === 'inet' && target.host.kind === 'name')) {
    return [
      at(['listen'], {
        expected: "one address of this machine: 'tcp:127.0.0.1:0', 'udp:[::1]:0', 'unix:<tmp>/x.sock'",
        found: showValue(text),
      }),
    ]
  }
  const share = settings.get('share') === 'run' ? 'run' : 'worker'
  const problem = share === 'run' ? sharedProblem(text, parsed.value) : ownProblem(text, parsed.value)
  if (problem !== undefined) return [at(['listen'], problem)]
  const backlog = settings.get('backlog')
  return { how: 'listen', grant: parsed.value, share, backlog: typeof backlog === 'number' ? backlog : 128 }
}

/** Rejects a fixed address: two workers must never want the same one. */
function ownProblem(text: string, { target }: SocketGrant): Problem | undefined {
  const found = `${showValue(text)}, which two workers could want at once`
  if (target.family === 'inet') {
    return target.ports.from === 0
      ? undefined
      : { expected: "port 0, a free one for each worker, or share: 'run'", found, suggestion: "share: 'run'" }
  }
  if (target.family === 'unix' && target.path.anchor === 'tmp') return undefined
  return {
    expected: "a path below <tmp>/, which each worker has for itself, or share: 'run'",
    found,
    suggestion: "share: 'run'",
  }
}

function sharedProblem(text: string, { target }: SocketGrant): Problem | undefined {
  if (target.family !== 'unix' || (target.path.anchor !== 'tmp' && target.path.anchor !== 'file')) return undefined
  return { expected: 'a path that is the same for every test file', found: showValue(text) }
}

/** True for a single address: no network, range, glob or `*`. */
function isOneAddress({ target, source }: SocketGrant): boolean {
  if (target.family === 'abstract') return true
  if (target.family === 'unix') return target.path.shape === 'file'
  if (target.ports.from !== target.ports.to) return false
  if (target.host.kind === 'name') return true
  if (target.host.kind === 'any') return false
  const { networks } = target.host
  return isLocalhost(source) || networks.every(({ address, prefix }) => prefix === (address.includes(':') ? 128 : 32))
}

export function isLocalhost(source: string): boolean {
  return /^(?:tcp|udp):localhost:/i.test(source)
}
