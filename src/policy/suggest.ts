import { isWithin, parentOf, textOf } from './canonical.js'
import type { ListKey } from './manifest.js'
import { quote } from './nearest.js'
import { parseExecGrant, parsePathGrant } from './path-grants.js'
import { bytePath, type AccessRequest, type BytePath, type DenialReason, type PathRequest } from './request.js'
import { showAddress } from './words.js'

/** What is needed to write a path as a person would. Directories are absolute and canonical. */
export interface SuggestContext {
  readonly root: string
  readonly workspace: string
  readonly home: string
  readonly tmp?: string
  /** The directories of PATH: a program in one of them is suggested by its name. */
  readonly searchPath?: readonly string[]
  /** The path as the test spelled it, where it differs from the canonical one. */
  readonly asked?: BytePath
  /** Whether the path is a directory, where the caller knows: its entry needs a slash. */
  readonly directory?: boolean
}

export interface Suggestion {
  readonly key: ListKey
  /** One entry of that list, or the exclusion that has to go. */
  readonly entry: string
  /** What to write in the config: `read: ['test/data.json']`. */
  readonly line: string
}

/** The entry that would have allowed it. */
export function suggest(context: SuggestContext, request: AccessRequest, reason: DenialReason): Suggestion {
  if (request.kind === 'socket') {
    const { access: key, address } = request
    return toAdd(key, address.family === 'unix' ? `unix:${spell(context, address.path, '', 'socket')}` : showAddress(address))
  }
  const key = keyOf(request)
  const isTree = context.directory === true || request.access === 'move'
  const entry = programName(context, request) ?? pathEntry(context, request, isTree ? '/' : '')
  const exclusion = 'exclusion' in reason ? reason.exclusion : undefined
  const isSame = exclusion !== undefined && exclusion.slice(1).replace(/\/$/, '') === entry.replace(/\/$/, '')
  // An entry as long as the exclusion, or a move, cannot win over it: only taking the exclusion away helps.
  const mustGo = reason.why === 'moves-excluded' || isSame || (exclusion !== undefined && isTree)
  return exclusion !== undefined && mustGo ? toRemove(key, exclusion) : toAdd(key, entry)
}

function toAdd(key: ListKey, entry: string): Suggestion {
  return { key, entry, line: `${key}: [${quote(entry)}]` }
}

function toRemove(key: ListKey, entry: string): Suggestion {
  return { key, entry, line: `remove ${quote(entry)} from ${key}` }
}

function keyOf({ access }: PathRequest): ListKey {
  if (access === 'execute') return 'exec'
  return access === 'write' || access === 'move' || access === 'content' ? 'write' : 'read'
}

function programName({ searchPath = [], asked }: SuggestContext, { access, path }: PathRequest): string | undefined {
  // As it was asked for: `sh` is another program elsewhere, and still the one that is meant.
  const spelled = [asked, path].find((one) => one !== undefined && searchPath.some((dir) => bytePath(dir) === parentOf(one)))
  if (access !== 'execute' || spelled === undefined) return undefined
  const name = textOf(spelled.slice(spelled.lastIndexOf('/') + 1))
  const parsed = parseExecGrant(name)
  return parsed.ok && 'program' in parsed.value && parsed.value.effect === 'grant' ? name : undefined
}

/** A path that `exec` would take for the name of a program gets a slash in it. */
function pathEntry(context: SuggestContext, { access, path }: PathRequest, slash: '' | '/'): string {
  const entry = spell(context, path, slash)
  const parsed = access === 'execute' ? parseExecGrant(entry) : undefined
  return parsed?.ok === true && 'program' in parsed.value ? `./${entry}` : entry
}

/** The shortest stable spelling. Never `<file>/`: it would mean another file for the next test. */
function spell(context: SuggestContext, path: BytePath, slash: '' | '/', what: 'path' | 'socket' = 'path'): string {
  const bases = [
    { prefix: '<tmp>/', dir: context.tmp }, { prefix: '', dir: context.root },
    { prefix: '<workspace>/', dir: context.workspace }, { prefix: '<home>/', dir: context.home },
  ]
  for (const { prefix, dir } of bases) {
    // A home or workspace of `/` would only hide that the path is absolute.
    if (dir === undefined || (dir === '/' && prefix !== '') || !isWithin(path, bytePath(dir))) continue
    const below = path.slice(dir === '/' ? 1 : bytePath(dir).length + 1)
    // Names in a temporary directory are random: the directory is what can be granted.
    if (below === '' || (prefix === '<tmp>/' && what === 'path')) return prefix === '' ? './' : prefix
    return prefix === '' ? relative(asEntry(below) + slash) : prefix + asEntry(below) + slash
  }
  return asEntry(path) + (path === '/' ? '' : slash)
}

/** A relative entry; `./` keeps one from being read as something else (`!a`, `~/a`, `<tmp>/a`, `tcp:a`). */
function relative(entry: string): string {
  const parsed = parsePathGrant(entry)
  const isItself = parsed.ok && parsed.value.anchor === 'root' && parsed.value.effect === 'grant'
  return isItself ? entry : `./${entry}`
}

/** What an entry cannot say literally is left to a glob: `[[]` for a bracket, `?` for other glob characters. */
function asEntry(path: string): string {
  return textOf(path)
    .replace(/[*?{}\]\\]|^\s|\s$/g, '?')
    .replaceAll('[', '[[]')
    // Bytes that are not UTF-8 have no text; a bracket here would open a group; a name may look like a placeholder.
    .replace(/\uFFFD+/g, '*')
    .replace(/(?<=[?*+@!])\(+/g, (brackets) => '?'.repeat(brackets.length))
    .replace(/<(?=(?:root|workspace|tmp|home|file)>)/g, '?')
}
