import { isWithin, parentOf, textOf } from './canonical.js'
import { dangerOfEntry, dangerOfRequest } from './dangers.js'
import type { HostUse } from './event.js'
import type { ListKey } from './lists.js'
import { LIST_FOR } from './manifest.js'
import { quote } from './nearest.js'
import { parseExecGrant } from './path-grants.js'
import { bytePath, type AccessRequest, type BytePath, type DenialReason, type PathRequest } from './request.js'
import { spell, type Places } from './spell.js'
import { hostEntry, showAddress } from './words.js'

/** The facts about a refusal, besides the request itself. */
export interface SuggestContext extends Places {
  /** The directories of PATH: a program in one of them is suggested by its name. */
  readonly searchPath?: readonly string[]
  /** The path as the test spelled it, where it differs from the canonical one. */
  readonly asked?: BytePath
  readonly host?: HostUse
  /** True if the path is known to be a directory: its entry needs a slash. */
  readonly directory?: boolean
}

export interface Suggestion {
  readonly key: ListKey
  /** One entry of that list, or the exclusion to remove. */
  readonly entry: string
  /** The line for the config: `read: ['test/data.json']`. */
  readonly line: string
  /** The reason why nobody should write the line without having thought about it: see dangers.ts. */
  readonly danger?: string
}

/** Suggests the entry that would have allowed the request. */
export function suggest(context: SuggestContext, request: AccessRequest, reason: DenialReason): Suggestion {
  const plain = narrowest(context, request, reason)
  const danger =
    dangerOfRequest(request, context, plain.entry.endsWith('/')) ??
    (context.host === undefined ? undefined : dangerOfEntry('connect', plain.entry, context))
  return danger === undefined ? plain : { ...plain, danger }
}

function narrowest(context: SuggestContext, request: AccessRequest, reason: DenialReason): Suggestion {
  if (context.host !== undefined) return toAdd('connect', hostEntry(context.host, request))
  if (request.kind === 'socket') {
    const { access, address } = request
    return toAdd(
      LIST_FOR[access],
      address.family === 'unix' ? `unix:${spell(context, address.path, '', 'socket')}` : showAddress(address),
    )
  }
  const { tmp } = context
  // Names in the temporary directory are random, so only the whole directory can be granted.
  const isInTmp =
    request.access === 'list' &&
    tmp !== undefined &&
    request.path !== bytePath(tmp) &&
    isWithin(request.path, bytePath(tmp))
  const key = isInTmp ? 'read' : LIST_FOR[request.access]
  const isTree = context.directory === true || request.access === 'move' || request.access === 'list'
  const entry = programName(context, request) ?? pathEntry(context, request, isTree ? '/' : '')
  const exclusion = 'exclusion' in reason ? reason.exclusion : undefined
  const isSame = exclusion !== undefined && exclusion.slice(1).replace(/\/$/, '') === entry.replace(/\/$/, '')
  // An entry that is no longer than the exclusion, as for a temporary directory or a move, cannot win over it. Only
  // removing the exclusion helps.
  const isInTheWay = reason.why === 'moves-excluded' || isSame || entry.endsWith('/')
  // A directory that `read` excludes may still be listed, where `list` grants it.
  const mustGo = isInTheWay && (key !== 'list' || (reason.why === 'excluded' && reason.from === 'list'))
  return exclusion !== undefined && mustGo ? toRemove(key, exclusion) : toAdd(key, entry)
}

function toAdd(key: ListKey, entry: string): Suggestion {
  return { key, entry, line: lineToAdd(key, entry) }
}

export function lineToAdd(key: ListKey, entry: string): string {
  return `${key}: [${quote(entry)}]`
}

function toRemove(key: ListKey, entry: string): Suggestion {
  return { key, entry, line: `remove ${quote(entry)} from ${key}` }
}

/** The bare name of a program that lies along PATH; undefined for any other path. */
export function programName(
  { searchPath = [], asked }: Pick<SuggestContext, 'searchPath' | 'asked'>,
  { access, path }: PathRequest,
): string | undefined {
  // The name that was asked for counts: `sh` may be a link to a program of another name, but `sh` is what the test
  // means.
  const spelled = [asked, path].find(
    (one) => one !== undefined && searchPath.some((dir) => bytePath(dir) === parentOf(one)),
  )
  if (access !== 'execute' || spelled === undefined) return undefined
  const name = textOf(spelled.slice(spelled.lastIndexOf('/') + 1))
  const parsed = parseExecGrant(name)
  return parsed.ok && 'program' in parsed.value && parsed.value.effect === 'grant' ? name : undefined
}

/** The entry for a path. A path that `exec` would take for the name of a program gets a slash in it. */
function pathEntry(context: SuggestContext, { access, path }: PathRequest, slash: '' | '/'): string {
  const entry = spell(context, path, slash)
  const parsed = access === 'execute' ? parseExecGrant(entry) : undefined
  return parsed?.ok === true && 'program' in parsed.value ? `./${entry}` : entry
}
