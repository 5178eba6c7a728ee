/**
 * The one road from a path to an action: resolve, decide, act on the decided place, refuse otherwise.
 */
import { Errno } from '../abi/errno.js'
import { auditGrant, decide, type Verdict } from '../policy/policy.js'
import type { BytePath, DenialReason, PathAccess, PathRequest } from '../policy/request.js'
import { rawPath } from '../policy/request.js'
import type { PathArg } from './args.js'
import type { Call, Reply } from './call.js'
import { Fail, failed } from './outcome.js'
import { Place, toPolicySpelling } from './place.js'
import { absolute, isClean, resolve, type LastLink, type Located } from './resolve.js'

/** How often a walk is repeated when the tree changes under it. */
const ATTEMPTS = 4

export interface Wanted {
  readonly access: PathAccess
  readonly last: LastLink
  /** For `move`: the other end's canonical path. */
  readonly counterpart?: BytePath
  /** The errno of a call that only makes new things, where something is there: EEXIST comes before EACCES. */
  readonly ifThere?: Errno
  /** What is enough where something is there: a call that may create only needs `write` if it does create. */
  readonly ifThereAccess?: PathAccess
  /** The way ends in `/proc/self/fd/N` of something that has no path. Without this, it is refused. */
  readonly descriptor?: (fd: number) => Reply
}

/** What the walk found, for actions that depend on it. Undefined on the short way, where nothing was looked up. */
export type Found = Located | undefined

/**
 * Acts on one path. `act` gets a place that the policy granted and returns ELOOP where a symbolic link stands in the
 * way; then the path is walked, and decided again on what it really means.
 */
export function onPath(call: Call, arg: PathArg, wanted: Wanted, act: (place: Place, found: Found) => Reply): Reply {
  const text = absolute(call.target, arg)
  if (failed(text)) return text
  const direct = alreadyCanonical(call, text, wanted)
  if (direct !== undefined) {
    const reply = act(direct, undefined)
    if (!tryAgain(reply)) return reply
  }
  return walkAndAct(call, text, wanted, (place, found) => act(place, found))
}

/** Acts on two paths at once, as rename and link do. */
export function onTwoPaths(
  call: Call, from: PathArg, fromWanted: Wanted, to: PathArg, toWanted: Wanted, act: (from: Place, to: Place) => Reply,
): Reply {
  return onPath(call, from, fromWanted, (source) => onPath(call, to, toWanted, (target) => act(source, target)))
}

/** The place of a path that is spelled canonically and granted as spelled. Most calls of Node's take this way. */
function alreadyCanonical(call: Call, text: string, wanted: Wanted): Place | undefined {
  // Below /proc and /dev names mean the one who asks; only the walk knows whom.
  if (!isClean(text) || text.startsWith('/proc') || text.startsWith('/dev')) return undefined
  const request = requestOf(wanted, wanted.access, rawPath(text))
  // Refusals are for the walk to make: this spelling may be a link to something granted.
  if (!decide(call.policy, request).allowed) return undefined
  const verdict = decideIn(call, request)
  if (!verdict.allowed) return undefined
  return new Place(verdict.granted, 0, false)
}

function walkAndAct(call: Call, text: string, wanted: Wanted, act: (place: Place, found: Located) => Reply): Reply {
  const { last } = wanted
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = resolve(call.kernel, call.target, text, last)
    if (failed(found)) return hideOutside(call, found)
    const pid = call.target.pid()
    if (failed(pid)) return pid
    if (found.descriptor !== undefined) {
      return wanted.descriptor === undefined ? Fail.of(Errno.EACCES) : wanted.descriptor(found.descriptor)
    }
    const path = toPolicySpelling(found.path, pid)
    const enough = found.kind === undefined ? undefined : lesserGrant(call, wanted, path)
    const request = requestOf(wanted, enough ?? wanted.access, path)
    const verdict = decideIn(call, request)
    if (!verdict.allowed) return refusePath(call, wanted, verdict.reason, request, found, rawPath(text))
    const reply = act(new Place(verdict.granted, pid, found.trailingSlash), found)
    if (!tryAgain(reply)) return reply
    // A link that was to be kept is what the caller gets to know as ELOOP: open(2), O_NOFOLLOW.
    if (found.kind === 'link' && last === 'keep') return reply
  }
  return Fail.of(Errno.ELOOP)
}

/** `ifThereAccess`, where the full access is not granted and the lesser one is. */
function lesserGrant(call: Call, { access, ifThereAccess }: Wanted, path: BytePath): PathAccess | undefined {
  if (ifThereAccess === undefined || decide(call.policy, { kind: 'path', access, path }).allowed) return undefined
  return decide(call.policy, { kind: 'path', access: ifThereAccess, path }).allowed ? ifThereAccess : undefined
}

function requestOf({ counterpart }: Wanted, access: PathAccess, path: BytePath): PathRequest {
  return counterpart === undefined ? { kind: 'path', access, path } : { kind: 'path', access, path, counterpart }
}

function tryAgain(reply: Reply): boolean {
  return failed(reply) && reply.errno === Errno.ELOOP
}

export function decideIn(call: Call, request: PathRequest): Verdict {
  const verdict = decide(call.policy, request)
  if (verdict.allowed) {
    call.record({ kind: 'used', request })
    return verdict
  }
  if (call.policy.mode !== 'audit') return verdict
  call.record({ kind: 'violation', request, reason: verdict.reason })
  return { allowed: true, granted: auditGrant(call.policy, request) }
}

/** Resolution failed half way: what lies outside stays as unknown as it was. */
function hideOutside(call: Call, fail: Fail): Reply {
  return call.denied === 'hide' && fail.errno === Errno.EACCES ? Fail.of(Errno.ENOENT) : fail
}

/** Design, section 6: a look gets ENOENT and no violation, and so does whatever is not there. */
function refusePath(
  call: Call, wanted: Wanted, reason: DenialReason, request: PathRequest, found: Located, text: BytePath,
): Reply {
  if (wanted.ifThere !== undefined && found.kind !== undefined && mayLook(call, request.path)) {
    call.record({ kind: 'quiet', request })
    return Fail.of(wanted.ifThere)
  }
  const creates = request.access === 'write' || request.access === 'move'
  if (request.access === 'look' || (found.kind === undefined && !creates)) {
    call.record({ kind: 'quiet', request })
    return Fail.of(Errno.ENOENT)
  }
  call.record({
    kind: 'violation', request, reason,
    ...(text === found.path ? {} : { asked: text }),
  })
  return Fail.of(call.denied === 'hide' ? Errno.ENOENT : Errno.EACCES)
}

/**
 * Decides a change that comes in through a descriptor, on the path of the file behind it: holding a descriptor is no
 * right to change what it refers to. A file without any name left (memfd, pipe, unlinked) can be changed by its holder.
 */
export function onDescriptorPath(call: Call, text: BytePath, links: number, act: () => Reply): Reply {
  if (!text.startsWith('/')) return act()
  const deleted = links === 0 && text.endsWith(' (deleted)')
  if (deleted && text.startsWith('/memfd:')) return act()
  const pid = call.target.pid()
  if (failed(pid)) return pid
  const path = toPolicySpelling(deleted ? rawPath(text.slice(0, -' (deleted)'.length)) : text, pid)
  const request: PathRequest = { kind: 'path', access: 'write', path }
  const verdict = decideIn(call, request)
  if (verdict.allowed) return act()
  call.record({ kind: 'violation', request, reason: verdict.reason })
  return Fail.of(Errno.EACCES)
}

/** True if the policy lets the target look at this path. Decides nothing else and records nothing. */
export function mayLook(call: Call, path: BytePath): boolean {
  return decide(call.policy, { kind: 'path', access: 'look', path }).allowed
}
