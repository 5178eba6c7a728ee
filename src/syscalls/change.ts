/** Calls that make, remove, move or alter what a path means. Every path involved needs `write`. */
import { Errno } from '../abi/errno.js'
import { S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from '../abi/mode.js'
import {
  AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, RENAME_EXCHANGE, RENAME_WHITEOUT,
} from '../abi/path-flags.js'
import { bendsEntries } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'
import {
  blob, constant, int, long, path, pathAt, pathAtOrNull, string, struct, unsigned, type PathArg,
} from './args.js'
import { GONE, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { done, onOwn } from './look.js'
import { onDescriptorPath, onPath, onTwoPaths, type Wanted } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, EntryKind } from './ports.js'
import { absolute, resolve, type Located } from './resolve.js'

const family = 'change'
const answer = 'performed beneath a write grant'
const NO_FLAGS = constant(0)
const FROM_CWD = constant(AT_FDCWD)
const REMOVEDIR = constant(AT_REMOVEDIR)
const XATTR_NAME = 256
/** XATTR_SIZE_MAX: include/uapi/linux/limits.h. */
const XATTR_SIZE = 65_536

const WRITE: Wanted = { access: 'write', last: 'entry' }
const CREATE: Wanted = { access: 'write', last: 'entry', ifThere: Errno.EEXIST, makes: true }

interface Dots {
  readonly dot: Errno
  readonly dotdot: Errno
  readonly root: Errno
}
const EXISTS: Dots = { dot: Errno.EEXIST, dotdot: Errno.EEXIST, root: Errno.EEXIST }
const BUSY: Dots = { dot: Errno.EBUSY, dotdot: Errno.EBUSY, root: Errno.EBUSY }
const UNLINK: Dots = { dot: Errno.EISDIR, dotdot: Errno.EISDIR, root: Errno.EISDIR }
const RMDIR: Dots = { dot: Errno.EINVAL, dotdot: Errno.ENOTEMPTY, root: Errno.EBUSY }

/**
 * `.`, `..` and `/` at the end name no entry that could be made or removed; fs/namei.c has an errno for each. What comes
 * before them has to be there first.
 */
function dots(call: Call, where: PathArg, errnos: Dots): Fail | undefined {
  const [, before = '', last = ''] = /^(.*?)([^/]*)\/*$/s.exec(where.text) ?? []
  if (last !== '.' && last !== '..' && (last !== '' || where.text === '')) return undefined
  const text = absolute(call.target, { ...where, text: `${before}.` })
  const parent = failed(text) ? text : resolve(call.kernel, call.target, text, 'follow')
  if (failed(parent)) return parent
  if (parent.kind === undefined) return Fail.of(Errno.ENOENT)
  return Fail.of(last === '.' ? errnos.dot : last === '..' ? errnos.dotdot : errnos.root)
}

function withUmask(call: Call, act: (umask: number) => Outcome<true>): Reply {
  const umask = call.target.umask()
  return failed(umask) ? umask : done(act(umask))
}

function mkdirCall(call: Call, { where, mode }: { where: PathArg; mode: number }): Reply {
  return dots(call, where, EXISTS)
    ?? onPath(call, where, CREATE, (place) => withUmask(call, (umask) => call.kernel.mkdir(place, mode, umask)))
}

const NODES: readonly number[] = [0, S_IFREG, S_IFIFO, S_IFSOCK]

function mknodCall(call: Call, { where, mode }: { where: PathArg; mode: number }): Reply {
  if (!NODES.includes(mode & S_IFMT)) {
    call.record({ kind: 'forbidden', violation: true, why: 'a test cannot make a device node' })
    return Fail.of(Errno.EPERM)
  }
  return dots(call, where, EXISTS)
    ?? onPath(call, where, CREATE, (place) => withUmask(call, (umask) => call.kernel.mknod(place, mode, umask)))
}

function unlinkCall(call: Call, { where, flags }: { where: PathArg; flags: number }): Reply {
  if ((flags & ~AT_REMOVEDIR) !== 0) return Fail.of(Errno.EINVAL)
  return dots(call, where, flags === 0 ? UNLINK : RMDIR)
    ?? onPath(call, where, WRITE, (place) => done(call.kernel.unlink(place, flags)))
}

function renameCall(call: Call, { from, to, flags }: { from: PathArg; to: PathArg; flags: number }): Reply {
  if ((flags & RENAME_WHITEOUT) !== 0) return Fail.of(Errno.EPERM)
  const bad = dots(call, from, BUSY) ?? dots(call, to, BUSY)
  if (bad !== undefined) return bad
  const ends = [locateAgain(call, from), locateAgain(call, to)] as const
  const [source, target] = ends
  if (failed(source)) return source
  if (failed(target)) return target
  // A directory takes what is below it along, which needs more than the right to write either name. The broker serves one
  // request of a worker at a time, so no rename of the same worker comes between this look and the rename.
  const isMove = source.kind === 'directory' || ((flags & RENAME_EXCHANGE) !== 0 && target.kind === 'directory')
  const wanted = (counterpart: BytePath): Wanted => (isMove ? { access: 'move', last: 'entry', counterpart } : WRITE)
  return onTwoPaths(call, from, wanted(target.path), to, { ...wanted(source.path), makes: true },
    (old, fresh) => keepsAnchor(call, fresh, source.kind)
      ?? ((flags & RENAME_EXCHANGE) === 0 ? undefined : keepsAnchor(call, old, target.kind))
      ?? done(call.kernel.rename(old, fresh, flags)))
}

function locateAgain(call: Call, where: PathArg): Outcome<Located> {
  const text = absolute(call.target, where)
  return failed(text) ? text : resolve(call.kernel, call.target, text, 'entry')
}

function linkCall(call: Call, { from, to, flags }: { from: PathArg; to: PathArg; flags: number }): Reply {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return Fail.of(Errno.EINVAL)
  // Naming an unnamed file needs a capability that the broker may have and the worker must not use: linkat(2).
  if ((flags & AT_EMPTY_PATH) !== 0 && from.text === '') return Fail.of(Errno.ENOENT)
  const source: Wanted = {
    access: 'write', last: (flags & AT_SYMLINK_FOLLOW) === 0 ? 'entry' : 'follow',
    descriptor: () => Fail.of(Errno.EXDEV),
  }
  const existing = locateAgain(call, from)
  // A link below /proc is what its text is, on a file system of its own.
  if (!failed(existing) && existing.path.startsWith('/proc/')) return Fail.of(Errno.EXDEV)
  return dots(call, to, EXISTS)
    ?? onTwoPaths(call, from, source, to, CREATE, (old, name) => {
      const kind = call.kernel.kindOf(old.path)
      // Spelled canonically but a link that was to be followed: the walk finds what it leads to.
      if (kind === 'link' && (flags & AT_SYMLINK_FOLLOW) !== 0) return Fail.of(Errno.ELOOP)
      return isTaken(call, name) ?? keepsAnchor(call, name, failed(kind) ? undefined : kind) ?? done(call.kernel.link(old, name))
    })
}

function symlinkCall(call: Call, { target, where }: { target: string; where: PathArg }): Reply {
  if (target === '') return Fail.of(Errno.ENOENT)
  return dots(call, where, EXISTS) ?? onPath(call, where, CREATE, (place) =>
    isTaken(call, place) ?? keepsAnchor(call, place, 'link') ?? done(call.kernel.symlink(target, place)))
}

/** What is resolved when the next run starts must not come to lead elsewhere. */
function keepsAnchor(call: Call, place: Place, becomes: EntryKind | undefined): Fail | undefined {
  if (becomes !== 'link' && becomes !== 'directory') return undefined
  if (!bendsEntries(call.policy, place.decided, becomes) || call.policy.mode === 'audit') return undefined
  call.record({ kind: 'forbidden', violation: true, why: 'a symbolic link in the place of a granted path, or above it, would change what the manifest grants next time' })
  return Fail.of(Errno.EACCES)
}

/** For calls that only make new entries: where something is, they fail for that alone. */
function isTaken(call: Call, place: Place): Fail | undefined {
  return failed(call.kernel.kindOf(place.path)) ? undefined : Fail.of(Errno.EEXIST)
}

/**
 * Only `user.` attributes: the others are the system's, and need capabilities that a broker that runs as root has and a worker
 * must not use (xattr(7); security.capability makes a program privileged).
 */
function ordinary(name: string, change: Change): Change {
  return name.startsWith('user.') ? change : () => Fail.of(Errno.EPERM)
}

type Change = (fd: Descriptor) => Outcome<true>

/** Changes an attribute of what a path means. */
function attribute(call: Call, where: PathArg, flags: number, change: Change): Reply {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return Fail.of(Errno.EINVAL)
  if (where.text === '' && (flags & AT_EMPTY_PATH) !== 0 && where.dirfd !== AT_FDCWD) {
    return onHeld(call, where.dirfd, change)
  }
  const last = (flags & AT_SYMLINK_NOFOLLOW) === 0 ? 'follow' as const : 'keep' as const
  const text = where.text === '' && (flags & AT_EMPTY_PATH) !== 0 ? '.' : where.text
  const wanted: Wanted = { access: 'write', last, descriptor: (fd) => onHeld(call, fd, change) }
  return onPath(call, { ...where, text }, wanted, (place) => {
    const handle = call.kernel.handle(place, last)
    if (failed(handle)) return handle
    if (place.path.startsWith('/proc/') && !call.target.stillWaiting()) {
      handle.close()
      return GONE
    }
    const reply = done(change(handle))
    handle.close()
    return reply
  })
}

/** Changes an attribute through a descriptor, which needs the same grant as through the path of its file. */
function onHeld(call: Call, fd: number, change: Change, access: 'content' | 'write' = 'write'): Reply {
  return onOwn(call, fd, (held) => {
    const text = call.kernel.textOf(held)
    const facts = call.kernel.facts(held)
    if (failed(text)) return text
    if (failed(facts)) return facts
    return onDescriptorPath(call, text, facts.links, access, () => done(change(held)))
  })
}

const NANOS_PER_MICRO = 1000n

/** struct utimbuf or struct timeval[2] as struct timespec[2]. EINVAL for microseconds out of range: utimes(2). */
function timespecs(bytes: Uint8Array | undefined, unit: 'seconds' | 'micros'): Outcome<Uint8Array | undefined> {
  if (bytes === undefined) return undefined
  const from = new DataView(bytes.buffer, bytes.byteOffset)
  const result = new Uint8Array(32)
  const to = new DataView(result.buffer)
  for (const [index, at] of unit === 'seconds' ? [[0, 0], [1, 8]] as const : [[0, 0], [1, 16]] as const) {
    to.setBigInt64(index * 16, from.getBigInt64(at, true), true)
    if (unit === 'seconds') continue
    const micros = from.getBigInt64(at + 8, true)
    if (micros < 0n || micros >= 1_000_000n) return Fail.of(Errno.EINVAL)
    to.setBigInt64(index * 16 + 8, micros * NANOS_PER_MICRO, true)
  }
  return result
}

function timesCall(unit: 'seconds' | 'micros') {
  return (call: Call, { where, times }: { where: PathArg | undefined; times: Uint8Array | undefined; dirfd?: number }): Reply => {
    const converted = timespecs(times, unit)
    if (failed(converted)) return converted
    if (where === undefined) return Fail.of(Errno.EFAULT)
    return attribute(call, where, 0, (fd) => call.kernel.utimens(fd, converted))
  }
}

const truncateLength = long(1)
const xattrName = (index: number) => string(index, XATTR_NAME, Errno.ERANGE)
const names = { from: path(0), to: path(1), flags: NO_FLAGS }
const namesAt = { from: pathAt(0, 1), to: pathAt(2, 3) }

function chmodRow(name: 'chmod' | 'fchmodat' | 'fchmodat2', args: {
  where: ReturnType<typeof path>; mode: ReturnType<typeof unsigned>; flags: ReturnType<typeof int>
}): Row {
  return defineSyscall({
    name, family, answer, args,
    handle: (call, { where, mode, flags }) => attribute(call, where, flags, (fd) => call.kernel.chmod(fd, mode)),
  })
}

function chownRow(name: 'chown' | 'lchown' | 'fchownat', args: {
  where: ReturnType<typeof path>; owner: ReturnType<typeof unsigned>; group: ReturnType<typeof unsigned>
  flags: ReturnType<typeof int>
}): Row {
  return defineSyscall({
    name, family, answer, args,
    handle: (call, { where, owner, group, flags }) =>
      attribute(call, where, flags, (fd) => call.kernel.chown(fd, owner, group)),
  })
}

function xattrRows(setName: 'setxattr' | 'lsetxattr', removeName: 'removexattr' | 'lremovexattr', follow: number): Row[] {
  return [
    defineSyscall({
      name: setName, family, answer,
      args: { where: path(0), name: xattrName(1), content: blob(2, 3, XATTR_SIZE), flags: int(4) },
      handle: (call, { where, name, content, flags }) =>
        attribute(call, where, follow, ordinary(name, (fd) => call.kernel.setxattr(fd, name, content, flags))),
    }),
    defineSyscall({
      name: removeName, family, answer, args: { where: path(0), name: xattrName(1) },
      handle: (call, { where, name }) => attribute(call, where, follow, ordinary(name, (fd) => call.kernel.removexattr(fd, name))),
    }),
  ]
}

const throughDescriptor = 'performed on the descriptor, where the path of its file has a write grant'

export const changeFamily: readonly Row[] = [
  defineSyscall({ name: 'mkdir', family, answer, args: { where: path(0), mode: unsigned(1) }, handle: mkdirCall }),
  defineSyscall({ name: 'mkdirat', family, answer, args: { where: pathAt(0, 1), mode: unsigned(2) }, handle: mkdirCall }),
  defineSyscall({ name: 'mknod', family, answer, args: { where: path(0), mode: unsigned(1) }, handle: mknodCall }),
  defineSyscall({ name: 'mknodat', family, answer, args: { where: pathAt(0, 1), mode: unsigned(2) }, handle: mknodCall }),
  defineSyscall({ name: 'unlink', family, answer, args: { where: path(0), flags: NO_FLAGS }, handle: unlinkCall }),
  defineSyscall({ name: 'unlinkat', family, answer, args: { where: pathAt(0, 1), flags: int(2) }, handle: unlinkCall }),
  defineSyscall({ name: 'rmdir', family, answer, args: { where: path(0), flags: REMOVEDIR }, handle: unlinkCall }),
  defineSyscall({ name: 'rename', family, answer, args: names, handle: renameCall }),
  defineSyscall({ name: 'renameat', family, answer, args: { ...namesAt, flags: NO_FLAGS }, handle: renameCall }),
  defineSyscall({ name: 'renameat2', family, answer, args: { ...namesAt, flags: unsigned(4) }, handle: renameCall }),
  defineSyscall({ name: 'link', family, answer, args: names, handle: linkCall }),
  defineSyscall({ name: 'linkat', family, answer, args: { ...namesAt, flags: int(4) }, handle: linkCall }),
  defineSyscall({
    name: 'symlink', family, answer, args: { target: string(0, 4096, Errno.ENAMETOOLONG), where: path(1) }, handle: symlinkCall,
  }),
  defineSyscall({
    name: 'symlinkat', family, answer, args: { target: string(0, 4096, Errno.ENAMETOOLONG), where: pathAt(1, 2) }, handle: symlinkCall,
  }),
  chmodRow('chmod', { where: path(0), mode: unsigned(1), flags: NO_FLAGS }),
  chmodRow('fchmodat', { where: pathAt(0, 1), mode: unsigned(2), flags: NO_FLAGS }),
  chmodRow('fchmodat2', { where: pathAt(0, 1), mode: unsigned(2), flags: int(3) }),
  chownRow('chown', { where: path(0), owner: unsigned(1), group: unsigned(2), flags: NO_FLAGS }),
  chownRow('lchown', { where: path(0), owner: unsigned(1), group: unsigned(2), flags: constant(AT_SYMLINK_NOFOLLOW) }),
  chownRow('fchownat', { where: pathAt(0, 1), owner: unsigned(2), group: unsigned(3), flags: int(4) }),
  defineSyscall({ name: 'utime', family, answer, args: { where: path(0), times: struct(1, 16), dirfd: FROM_CWD }, handle: timesCall('seconds') }),
  defineSyscall({ name: 'utimes', family, answer, args: { where: path(0), times: struct(1, 32), dirfd: FROM_CWD }, handle: timesCall('micros') }),
  defineSyscall({
    name: 'futimesat', family, answer, args: { where: pathAtOrNull(0, 1), times: struct(2, 32), dirfd: int(0) }, handle: timesCall('micros'),
  }),
  defineSyscall({
    name: 'utimensat', family, answer, args: { dirfd: int(0), where: pathAtOrNull(0, 1), times: struct(2, 32), flags: int(3) },
    handle: (call, { dirfd, where, times, flags }) => {
      const change: Change = (fd) => call.kernel.utimens(fd, times)
      // utimensat(2): a NULL path is futimens(3).
      return where === undefined ? onHeld(call, dirfd, change) : attribute(call, where, flags, change)
    },
  }),
  defineSyscall({
    name: 'truncate', family, answer, args: { where: path(0), length: truncateLength },
    handle: (call, { where, length }) =>
      onPath(call, where, { access: 'content', last: 'follow' }, (place) => done(call.kernel.truncateAt(place, length))),
  }),
  ...xattrRows('setxattr', 'removexattr', 0),
  ...xattrRows('lsetxattr', 'lremovexattr', AT_SYMLINK_NOFOLLOW),
  defineSyscall({
    name: 'fchmod', family, answer: throughDescriptor, args: { fd: int(0), mode: unsigned(1) },
    handle: (call, { fd, mode }) => onHeld(call, fd, (held) => call.kernel.chmod(held, mode)),
  }),
  defineSyscall({
    name: 'fchown', family, answer: throughDescriptor, args: { fd: int(0), owner: unsigned(1), group: unsigned(2) },
    handle: (call, { fd, owner, group }) => onHeld(call, fd, (held) => call.kernel.chown(held, owner, group)),
  }),
  defineSyscall({
    name: 'ftruncate', family, answer: throughDescriptor, args: { fd: int(0), length: truncateLength },
    handle: (call, { fd, length }) => onHeld(call, fd, (held) => call.kernel.truncate(held, length), 'content'),
  }),
  defineSyscall({
    name: 'fsetxattr', family, answer: throughDescriptor,
    args: { fd: int(0), name: xattrName(1), content: blob(2, 3, XATTR_SIZE), flags: int(4) },
    handle: (call, { fd, name, content, flags }) => onHeld(call, fd, ordinary(name, (held) => call.kernel.setxattr(held, name, content, flags))),
  }),
  defineSyscall({
    name: 'fremovexattr', family, answer: throughDescriptor, args: { fd: int(0), name: xattrName(1) },
    handle: (call, { fd, name }) => onHeld(call, fd, ordinary(name, (held) => call.kernel.removexattr(held, name))),
  }),
]
