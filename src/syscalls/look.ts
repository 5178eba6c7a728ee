/** Calls that look at a path and write the result into the target's memory. */
import { Errno } from '../abi/errno.js'
import { F_OK, R_OK, W_OK } from '../abi/mode.js'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, IN_DONT_FOLLOW } from '../abi/path-flags.js'
import { allowed } from '../policy/event.js'
import { decide } from '../policy/policy.js'
import { constant, int, path, pathAt, pathAtOrNull, string, unsigned, word, type PathArg } from './args.js'
import { done, DONE, value, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { onHandle } from './handle.js'
import { onPath, refuse } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, Kernel } from './ports.js'
import { ownLink } from './resolve.js'

const family = 'look'
const answer = 'performed on a handle beneath a grant, result written to memory'
const NO_FLAGS = constant(0)
const NOFOLLOW = constant(AT_SYMLINK_NOFOLLOW)
/** XATTR_NAME_MAX and the NUL: include/uapi/linux/limits.h. */
const XATTR_NAME = 256

type Look = (kernel: Kernel, fd: Descriptor) => Outcome<Uint8Array>

function writeResult(call: Call, pointer: number, result: Outcome<Uint8Array>): Reply {
  if (failed(result)) return result
  const written = call.target.writeBytes(pointer, result)
  return failed(written) ? written : DONE
}

function look(call: Call, where: PathArg, flags: number, pointer: number, see: Look): Reply {
  return onHandle(call, where, 'look', flags, (fd) => writeResult(call, pointer, see(call.kernel, fd)))
}

const stat: Look = (kernel, fd) => kernel.stat(fd)
const STAT_FLAGS = 0x100 | 0x800 | 0x1000 | 0x6000

function statCall(call: Call, args: { where: PathArg; flags: number; to: number }): Reply {
  if ((args.flags & ~STAT_FLAGS) !== 0) return Fail.of(Errno.EINVAL)
  return look(call, args.where, args.flags, args.to, stat)
}

/** access(2): the file's mode says what the kernel would allow, and the policy what it allows of that. */
function accessCall(call: Call, { where, mode, flags }: { where: PathArg; mode: number; flags: number }): Reply {
  if ((mode & ~7) !== 0) return Fail.of(Errno.EINVAL)
  return onHandle(call, where, 'look', flags, (fd, place) => {
    const answered = call.kernel.access(fd, mode, flags)
    // A descriptor that the target holds is as usable as when it was opened.
    if (failed(answered) || mode === F_OK || place === undefined) return done(answered)
    if ((mode & (W_OK | R_OK)) === 0 || call.policy.mode === 'audit') return DONE
    const facts = call.kernel.facts(fd)
    if (failed(facts)) return facts
    const needs = (mode & W_OK) !== 0 ? 'write' : facts.kind === 'directory' ? 'list' : 'read'
    return decide(call.policy, { kind: 'path', access: needs, path: place.decided }).allowed
      ? DONE
      : Fail.of(Errno.EACCES)
  })
}

function readlinkCall(call: Call, { where, to, size }: { where: PathArg; to: number; size: number }): Reply {
  if (size <= 0) return Fail.of(Errno.EINVAL)
  const give = (text: Outcome<string>): Reply => {
    if (failed(text)) return text
    const bytes = Buffer.from(text, 'latin1').subarray(0, size)
    const written = call.target.writeBytes(to, bytes)
    return failed(written) ? written : value(bytes.length)
  }
  // readlinkat(2): an empty path means a dirfd that was opened with O_PATH | O_NOFOLLOW.
  const flags = AT_SYMLINK_NOFOLLOW | (where.dirfd === AT_FDCWD ? 0 : AT_EMPTY_PATH)
  return onHandle(call, where, 'look', flags, (fd, place) =>
    give((place === undefined ? undefined : ownLink(call.target, place.path)) ?? call.kernel.readlink(fd)),
  )
}

function getxattrCall(flags: number) {
  return (call: Call, { where, name, to, size }: { where: PathArg; name: string; to: number; size: number }): Reply =>
    onHandle(
      call,
      where,
      'look',
      flags,
      (fd, place) =>
        (name.startsWith('user.') && place !== undefined ? keepsContent(call, fd, place) : undefined) ??
        giveAttribute(call, to, call.kernel.getxattr(fd, name, size)),
    )
}

/** Refuses content of a file that may only be looked at. The user's attributes are content to the kernel: xattr(7). */
function keepsContent(call: Call, fd: Descriptor, { decided: path }: Place): Fail | undefined {
  const facts = call.kernel.facts(fd)
  if (failed(facts)) return facts
  const request = { kind: 'path', access: facts.kind === 'directory' ? 'list' : 'read', path } as const
  const verdict = decide(call.policy, request)
  if (!verdict.allowed) return refuse(call, request, verdict.reason, { there: facts.kind })
  call.record(allowed(request, verdict.granted))
  return undefined
}

function listxattrCall(flags: number) {
  return (call: Call, { where, to, size }: { where: PathArg; to: number; size: number }): Reply =>
    onHandle(call, where, 'look', flags, (fd) => giveAttribute(call, to, call.kernel.listxattr(fd, size)))
}

function giveAttribute(call: Call, to: number, result: Outcome<Uint8Array | number>): Reply {
  if (failed(result)) return result
  if (typeof result === 'number') return value(result)
  const written = call.target.writeBytes(to, result)
  return failed(written) ? written : value(result.length)
}

function watchCall(call: Call, { inotify, where, mask }: { inotify: number; where: PathArg; mask: number }): Reply {
  const last = (mask & IN_DONT_FOLLOW) === 0 ? ('follow' as const) : ('keep' as const)
  return onPath(call, where, { access: 'read', last, lists: true }, (place) => {
    const handle = call.kernel.handle(place, last)
    if (failed(handle)) return handle
    // The decision was made for a directory: a file that has taken its place must not be watched.
    const facts = place.granted.request.access === 'list' ? call.kernel.facts(handle) : undefined
    if (facts !== undefined && (failed(facts) || facts.kind !== 'directory')) {
      handle.close()
      return failed(facts) ? facts : Fail.of(Errno.ELOOP)
    }
    const held = call.target.descriptor(inotify)
    if (failed(held)) {
      handle.close()
      return held
    }
    const watch = call.kernel.watch(held, handle, mask)
    held.close()
    handle.close()
    return failed(watch) ? watch : value(watch)
  })
}

const xattrName = (index: number) => string(index, XATTR_NAME, Errno.ERANGE)

export const lookFamily: readonly Row[] = [
  defineSyscall({
    name: 'stat',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), to: word(1), flags: NO_FLAGS },
    handle: statCall,
  }),
  defineSyscall({
    name: 'lstat',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), to: word(1), flags: NOFOLLOW },
    handle: statCall,
  }),
  defineSyscall({
    name: 'newfstatat',
    family,
    operation: 'look',
    answer,
    args: { where: pathAt(0, 1), to: word(2), flags: int(3) },
    handle: statCall,
  }),
  defineSyscall({
    name: 'statx',
    family,
    operation: 'look',
    answer,
    args: { dirfd: int(0), where: pathAtOrNull(0, 1), flags: int(2), mask: unsigned(3), to: word(4) },
    handle: (call, { dirfd, where, flags, mask, to }) => {
      if ((flags & ~STAT_FLAGS) !== 0 || mask >= 0x80000000) return Fail.of(Errno.EINVAL)
      if (where === undefined && (flags & AT_EMPTY_PATH) === 0) return Fail.of(Errno.EFAULT)
      return look(call, where ?? { text: '', dirfd }, flags, to, (kernel, fd) => kernel.statx(fd, flags, mask))
    },
  }),
  defineSyscall({
    name: 'statfs',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), to: word(1) },
    handle: (call, { where, to }) => look(call, where, 0, to, (kernel, fd) => kernel.statfs(fd)),
  }),
  defineSyscall({
    name: 'access',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), mode: int(1), flags: NO_FLAGS },
    handle: accessCall,
  }),
  defineSyscall({
    name: 'faccessat',
    family,
    operation: 'look',
    answer,
    args: { where: pathAt(0, 1), mode: int(2), flags: NO_FLAGS },
    handle: accessCall,
  }),
  defineSyscall({
    name: 'faccessat2',
    family,
    operation: 'look',
    answer,
    args: { where: pathAt(0, 1), mode: int(2), flags: int(3) },
    handle: accessCall,
  }),
  defineSyscall({
    name: 'readlink',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), to: word(1), size: int(2) },
    handle: readlinkCall,
  }),
  defineSyscall({
    name: 'readlinkat',
    family,
    operation: 'look',
    answer,
    args: { where: pathAt(0, 1), to: word(2), size: int(3) },
    handle: readlinkCall,
  }),
  defineSyscall({
    name: 'getxattr',
    family,
    operation: 'read-attribute',
    answer,
    args: { where: path(0), name: xattrName(1), to: word(2), size: word(3) },
    handle: getxattrCall(0),
  }),
  defineSyscall({
    name: 'lgetxattr',
    family,
    operation: 'read-attribute',
    answer,
    args: { where: path(0), name: xattrName(1), to: word(2), size: word(3) },
    handle: getxattrCall(AT_SYMLINK_NOFOLLOW),
  }),
  defineSyscall({
    name: 'listxattr',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), to: word(1), size: word(2) },
    handle: listxattrCall(0),
  }),
  defineSyscall({
    name: 'llistxattr',
    family,
    operation: 'look',
    answer,
    args: { where: path(0), to: word(1), size: word(2) },
    handle: listxattrCall(AT_SYMLINK_NOFOLLOW),
  }),
  defineSyscall({
    name: 'inotify_add_watch',
    family,
    operation: 'watch',
    answer: "watched on the target's own inotify descriptor",
    args: { inotify: int(0), where: path(1), mask: unsigned(2) },
    handle: watchCall,
  }),
  defineSyscall({
    name: 'chdir',
    family,
    operation: 'change-directory',
    answer: 'decided, then continued: a working directory grants nothing',
    args: { where: path(0) },
    handle: (call, { where }) =>
      onPath(call, where, { access: 'look', last: 'follow' }, (place) => {
        // The handle shows if a link is in the way: then the walk decides on its end.
        const handle = call.kernel.handle(place, 'follow')
        if (failed(handle)) return handle
        handle.close()
        return { kind: 'continue', reason: 'own-state' }
      }),
  }),
]
