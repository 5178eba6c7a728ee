/** The only way from a path to an action: resolve, decide, act on the decided place, refuse otherwise. */
import { Errno } from '../abi/errno.js'
import type { SocketAccess } from '../policy/access.js'
import { parentOf } from '../policy/canonical.js'
import { allowed, type OutcomeOf } from '../policy/event.js'
import { auditGrant, decide, maySeeInto, quietly } from '../policy/policy.js'
import type {
  AccessRequest,
  BytePath,
  DenialReason,
  PathAccess,
  PathRequest,
  SocketRequest,
} from '../policy/request.js'
import { showPath, rawPath } from '../policy/request.js'
import type { PathArg } from './args.js'
import type { Call, Reply } from './call.js'
import { Fail, failed, type Outcome } from './outcome.js'
import { Place, toPolicySpelling } from './place.js'
import type { EntryKind } from './ports.js'
import { absolute, isClean, resolve, type LastLink, type Located, type WalkState } from './resolve.js'

/** Attempts at a walk, if the tree changes under it. */
const ATTEMPTS = 4

export interface Wanted {
  readonly access: PathAccess
  readonly last: LastLink
  /** The call makes an entry, so a missing one is no reason for ENOENT. */
  readonly makes?: boolean
  /** For `move`: the other end's canonical path. */
  readonly counterpart?: BytePath
  /** The call reads only the names of a directory: there, `list` is enough for `read`. */
  readonly lists?: boolean
  /** The path is the address of a unix socket: `connect` or `listen` entries decide. */
  readonly socket?: SocketAccess
  /** The errno of a call that only makes new entries, if one exists: EEXIST comes before EACCES. */
  readonly ifThere?: Errno
  /** The access that is enough for an existing file: a call that may create needs `write` only if it does create. */
  readonly ifThereAccess?: PathAccess
  /** Acts on a path that ends in `/proc/self/fd/N` of an object without a path. Without this, the call is refused. */
  readonly descriptor?: (call: Call, fd: number) => Reply
}

/** The result of the walk, for actions that depend on it. Undefined on the short way, where nothing was looked up. */
export type Found = Located | undefined

/**
 * Acts on one path. `act` gets a place that the policy granted, and returns ELOOP if a symbolic link is in the way;
 * then the path is walked, and decided again by its real meaning.
 */
export function onPath(call: Call, arg: PathArg, wanted: Wanted, act: (place: Place, found: Found) => Reply): Reply {
  const text = absolute(call, arg)
  if (failed(text)) return text
  const direct = alreadyCanonical(call, text, wanted)
  if (direct !== undefined) {
    const reply = act(direct, undefined)
    if (!tryAgain(reply)) return reply
  }
  return walkAndAct(call, text, wanted, act)
}

/** Acts on two paths at once, as rename and link do. */
export function onTwoPaths(
  call: Call,
  from: PathArg,
  fromWanted: Wanted,
  to: PathArg,
  toWanted: Wanted,
  act: (from: Place, to: Place) => Reply,
): Reply {
  return onPath(call, from, fromWanted, (source) => onPath(call, to, toWanted, (target) => act(source, target)))
}

/** The place of a path that is spelled canonically and granted as spelled. Most of Node's calls take this short way. */
function alreadyCanonical(call: Call, text: string, wanted: Wanted): Place | undefined {
  if (!isClean(text) || isCallerRelative(text)) return undefined
  const judged = judge(call, wanted, wanted.access, rawPath(text))
  // Only the walk refuses: this spelling may be a link to a granted file.
  return judged.allowed ? placeOf(call, judged, 0, false, false) : undefined
}

/**
 * Locates a path in one look, without a walk: most paths that Node looks for do not exist, and most of the others have
 * no link on the way.
 */
function kindWithoutSymlinks(call: Call, text: string, { makes }: Wanted): Located | undefined {
  if (!isClean(text) || isCallerRelative(text)) return undefined
  const path = rawPath(text)
  const asked = askable(call, path)
  // Only the walk can tell if a name on the way may be asked for.
  if (asked === undefined || (asked !== path && call.policy.mode === 'audit')) return undefined
  const there = call.kernel.kindWithoutSymlinks?.(asked)
  if (there === undefined || failed(there)) return undefined
  // It matters only to a call that makes an entry if the last name or an earlier one is missing.
  if (there === 'nothing') return makes === true ? undefined : { path, kind: undefined, trailingSlash: false }
  if (asked === path) return { path, kind: there, trailingSlash: false }
  return there === 'directory' ? { path, kind: undefined, trailingSlash: false, unseen: true } : undefined
}

/** The part of the path that the disk may be asked for: up to the first directory that the policy does not show. */
function askable(call: Call, path: BytePath): BytePath | undefined {
  let asked = path
  let directory = parentOf(path)
  while (!maySeeInto(call.policy, directory)) {
    if (directory === '/') return undefined
    asked = directory
    directory = parentOf(directory)
  }
  return mayLook(call, asked) || !call.kernel.mountsOnDemand(directory) ? asked : undefined
}

/** True for names below /proc and /dev, whose meaning depends on the caller; only the walk knows the caller. */
function isCallerRelative(text: string): boolean {
  return text.startsWith('/proc') || text.startsWith('/dev')
}

type Judged =
  | { readonly allowed: true; readonly granted: Place['granted']; readonly request: AccessRequest }
  | { readonly allowed: false; readonly reason: DenialReason; readonly request: PathRequest | SocketRequest }

function judge(call: Call, wanted: Wanted, access: PathAccess, path: BytePath, there?: EntryKind): Judged {
  const asPath = requestOf(wanted, access, path, there)
  if (wanted.socket === undefined) {
    const verdict = decide(call.policy, asPath)
    return verdict.allowed
      ? { allowed: true, granted: verdict.granted, request: asPath }
      : { allowed: false, reason: verdict.reason, request: asPath }
  }
  const request: SocketRequest = { kind: 'socket', access: wanted.socket, address: { family: 'unix', path } }
  const own = wanted.socket === 'connect' ? call.own.boundAt(path) : undefined
  // A process that may rename could have given the name of an own socket to another one.
  if (own !== undefined && call.kernel.identityOf(path) === own.file)
    return { allowed: true, granted: own.granted, request }
  const verdict = decide(call.policy, request)
  if (verdict.allowed || wanted.socket === 'connect') return { ...verdict, request }
  // Binding makes a file: a worker that may write there may also make a socket.
  const byPath = decide(call.policy, asPath)
  return byPath.allowed ? { ...byPath, request: asPath } : { ...verdict, request }
}

function placeOf(
  call: Call,
  judged: Judged & { allowed: true },
  pid: number,
  trailingSlash: boolean,
  isLink: boolean,
): Place {
  call.record(allowed(judged.request, judged.granted))
  return new Place(judged.granted, pid, trailingSlash, isLink)
}

function walkAndAct(call: Call, text: string, wanted: Wanted, act: (place: Place, found: Located) => Reply): Reply {
  const { last } = wanted
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const way: WalkState = { at: '' }
    const found = kindWithoutSymlinks(call, text, wanted) ?? resolve(call, text, last, way)
    const pid = call.target.pid()
    if (failed(pid)) return pid
    if (way.unseen !== undefined)
      recordUnseen(call, wanted, way.unseen, failed(found) ? way.unseen : toPolicySpelling(found.path, pid), found)
    if (failed(found) && way.changed === true && attempt < ATTEMPTS - 1) continue
    if (failed(found)) return hideOutside(call, wanted, found, toPolicySpelling(rawPath(way.at), pid))
    if (found.descriptor !== undefined) {
      return wanted.descriptor === undefined ? Fail.of(Errno.EACCES) : wanted.descriptor(call, found.descriptor)
    }
    const path = toPolicySpelling(found.path, pid)
    const enough = found.kind === undefined ? undefined : lesserAccess(call, wanted, path, found.kind)
    const judged = judge(call, wanted, enough ?? wanted.access, path, found.kind)
    const reply = judged.allowed
      ? act(placeOf(call, judged, pid, found.trailingSlash, found.kind === 'link'), found)
      : (refusePath(call, wanted, judged.reason, judged.request, found, rawPath(text)) ??
        act(
          new Place(
            auditGrant<PathRequest | SocketRequest>(call.policy, judged.request),
            pid,
            found.trailingSlash,
            found.kind === 'link',
          ),
          found,
        ))
    if (!tryAgain(reply)) return reply
    // The caller wanted to keep the link, and gets ELOOP for it: open(2), O_NOFOLLOW.
    if (found.kind === 'link' && last !== 'follow') return reply
  }
  return Fail.of(Errno.ELOOP)
}

/**
 * In audit mode, records a path that enforcing would have refused without a look. Whatever comes of it here, a manifest
 * needs an entry that shows the way. A refusal of the path that it means is recorded where that is decided.
 */
function recordUnseen(call: Call, wanted: Wanted, path: BytePath, means: BytePath, found: Outcome<Located>): void {
  const there = failed(found) ? undefined : found.kind
  if (!failed(found) && means === path && (there !== undefined || wanted.makes === true)) return
  const judged = judge(call, wanted, wanted.access, path, there)
  if (judged.allowed) return
  const { request, reason } = judged
  if (request.kind === 'path' && quietly(call.policy, request.path) !== undefined) return
  const seen = there === undefined ? {} : { there }
  call.record(
    isQuiet(request) ? { outcome: 'hidden', request, ...seen } : { outcome: 'denied', request, reason, ...seen },
  )
}

/**
 * The access that is enough for an existing file: `list` for a directory, or `ifThereAccess` if only that is granted.
 */
function lesserAccess(
  call: Call,
  { access, ifThereAccess, lists }: Wanted,
  path: BytePath,
  there: EntryKind,
): PathAccess | undefined {
  if (lists === true && there === 'directory') return 'list'
  if (ifThereAccess === undefined || decide(call.policy, { kind: 'path', access, path }).allowed) return undefined
  return decide(call.policy, { kind: 'path', access: ifThereAccess, path }).allowed ? ifThereAccess : undefined
}

function requestOf(
  { counterpart }: Wanted,
  access: PathAccess,
  path: BytePath,
  there: EntryKind | undefined,
): PathRequest {
  if (access === 'look' && there === 'directory') return { kind: 'path', access, path, directory: true }
  return counterpart === undefined ? { kind: 'path', access, path } : { kind: 'path', access, path, counterpart }
}

function tryAgain(reply: Reply): boolean {
  return failed(reply) && reply.errno === Errno.ELOOP
}

/** Hides a failure at a place that does not exist for the worker: its errno would tell something about that place. */
function hideOutside(call: Call, { access }: Wanted, fail: Fail, at: BytePath): Reply {
  const hidden = (access === 'look' || call.denied === 'hide') && at !== '' && !mayLook(call, at)
  return hidden ? Fail.of(Errno.ENOENT) : fail
}

/**
 * Refuses a path. A look gets ENOENT and is no violation, and neither is a missing file. Returns undefined in audit
 * mode, which records the refusal and lets the call pass.
 */
function refusePath(
  call: Call,
  wanted: Wanted,
  reason: DenialReason,
  request: PathRequest | SocketRequest,
  found: Located,
  text: BytePath,
): Fail | undefined {
  const path = request.kind === 'path' ? request.path : found.path
  const quiet = quietly(call.policy, path)
  if (quiet !== undefined) {
    const { source, at } = quiet
    call.record({
      outcome: 'hidden',
      request,
      by: { source, at },
      ...(found.kind === undefined ? {} : { there: found.kind }),
    })
    // A place that may not be looked at must not tell if it exists.
    const mayBeThere = found.kind !== undefined || found.unseen === true
    // To a call that makes an entry, ENOENT says that its directory is missing: Node's recursive mkdir would try to
    // make that for ever.
    const isForbidden = wanted.makes === true || (quiet.quiet === 'forbidden' && mayBeThere)
    return Fail.of(isForbidden ? Errno.EACCES : Errno.ENOENT)
  }
  if (wanted.ifThere !== undefined && found.kind !== undefined && mayLook(call, path)) {
    call.record({ outcome: 'hidden', request, there: found.kind })
    return Fail.of(wanted.ifThere)
  }
  // open(2): O_DIRECTORY on a file that is no directory.
  if (request.access === 'list' && found.kind !== undefined && found.kind !== 'directory') {
    call.record({ outcome: 'hidden', request, there: found.kind })
    return call.policy.mode === 'audit' ? undefined : Fail.of(call.denied === 'hide' ? Errno.ENOENT : Errno.ENOTDIR)
  }
  if (isQuiet(request) || (found.kind === undefined && wanted.makes !== true && found.unseen !== true)) {
    call.record({
      outcome: 'hidden',
      request,
      ...(found.kind === undefined ? {} : { there: found.kind }),
      ...(found.unseen === true ? { unseen: true } : {}),
    })
    return call.policy.mode === 'audit' && found.kind !== undefined ? undefined : Fail.of(Errno.ENOENT)
  }
  return refuse(call, request, reason, {
    ...(text === found.path ? {} : { asked: text }),
    ...(found.kind === undefined ? {} : { there: found.kind }),
  })
}

/** Sockets of the system's name services, which libc tries in passing and can do without. */
const NAME_SERVICES = /^\/(?:var\/)?run\/(?:nscd\/socket|systemd\/resolve\/|systemd\/userdb\/|avahi-daemon\/socket)/

function isQuiet(request: PathRequest | SocketRequest): boolean {
  if (request.kind === 'path') return request.access === 'look'
  return request.access === 'connect' && request.address.family === 'unix' && NAME_SERVICES.test(request.address.path)
}

/** The reason why no entry can allow it; undefined if one can. */
function whyNever(reason: DenialReason): string | undefined {
  if (reason.why === 'port-of-runner')
    return "the port is Vitest's own: whoever connects, or is taken for it, can have it read, write and run files"
  if (reason.why === 'protected')
    return `the run depends on ${showPath(reason.place)}: it is loaded before a filter, or says what is granted`
  return undefined
}

/** Records the violation. Returns the errno for the test; undefined in audit mode. */
export function refuse(
  call: Call,
  request: AccessRequest,
  reason: DenialReason,
  more: Pick<OutcomeOf<'denied'>, 'asked' | 'there' | 'starts'> = {},
): Fail | undefined {
  const never = whyNever(reason)
  if (never !== undefined) call.record({ outcome: 'forbidden', why: never, violation: true })
  else call.record({ outcome: 'denied', request, reason, ...more })
  if (call.policy.mode === 'audit') return undefined
  return Fail.of(call.denied === 'hide' && request.kind === 'path' ? Errno.ENOENT : Errno.EACCES)
}

/**
 * Decides a change that comes in through a descriptor, by the path of its file: holding a descriptor is no right to
 * change the file. A file without any name left (memfd, pipe, unlinked) may be changed by its holder.
 */
export function onDescriptorPath(
  call: Call,
  text: BytePath,
  links: number,
  access: 'content' | 'write',
  act: () => Reply,
): Reply {
  if (!text.startsWith('/')) return act()
  const deleted = links === 0 && text.endsWith(' (deleted)')
  if (deleted && text.startsWith('/memfd:')) return act()
  const pid = call.target.pid()
  if (failed(pid)) return pid
  const path = toPolicySpelling(deleted ? rawPath(text.slice(0, -' (deleted)'.length)) : text, pid)
  const request: PathRequest = { kind: 'path', access, path }
  const verdict = decide(call.policy, request)
  if (!verdict.allowed) return refuse(call, request, verdict.reason) ?? act()
  call.record(allowed(request, verdict.granted))
  return act()
}

/** True if the policy lets the target look at this path. Decides nothing else and records nothing. */
function mayLook(call: Call, path: BytePath): boolean {
  return decide(call.policy, { kind: 'path', access: 'look', path }).allowed
}
