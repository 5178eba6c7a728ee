/** Calls that make, remove and move the entries that paths name. Every path involved needs `write`. */
import { Errno } from '../abi/errno.js'
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from '../abi/mode.js'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../abi/path-flags.js'
import { mayBeWithin } from '../policy/fold.js'
import { isLinkless, wouldRedirectGrant, wouldRedirectExclusion } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'
import { alone, bothAlone, whenAwake } from './alone.js'
import { constant, int, path, pathAt, string, unsigned, type PathArg } from './args.js'
import { done, no, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { onHeld } from './handle.js'
import { onPath, onTwoPaths, type Wanted } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { EntryKind, NameHeld } from './ports.js'
import { absolute, resolve, type LastLink, type Located } from './resolve.js'

const family = 'change'
const answer = 'performed beneath a write grant'
const NO_FLAGS = constant(0)
const REMOVEDIR = constant(AT_REMOVEDIR)

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
 * Refuses `.`, `..` and `/` at the end, which name no entry that could be made or removed; fs/namei.c has an errno for
 * each. The path before them must exist first.
 */
function dots(call: Call, where: PathArg, errnos: Dots): Fail | undefined {
  const [, before = '', last = ''] = /^(.*?)([^/]*)\/*$/s.exec(where.text) ?? []
  if (last !== '.' && last !== '..' && (last !== '' || where.text === '')) return undefined
  const text = absolute(call, { ...where, text: `${before}.` })
  const parent = failed(text) ? text : resolve(call, text, 'follow')
  if (failed(parent)) return parent
  if (parent.kind === undefined) return Fail.of(Errno.ENOENT)
  return Fail.of(last === '.' ? errnos.dot : last === '..' ? errnos.dotdot : errnos.root)
}

function withUmask(call: Call, act: (umask: number) => Outcome<true>): Reply {
  const umask = call.target.umask()
  return failed(umask) ? umask : done(act(umask))
}

function mkdirCall(call: Call, args: { where: PathArg; mode: number }): Reply {
  const { where, mode } = args
  return (
    dots(call, where, EXISTS) ??
    onPath(call, where, CREATE, (place) =>
      alone(
        call,
        place,
        (name) => withUmask(call, (umask) => call.kernel.mkdir(name, mode, umask)),
        () => mkdirCall(call, args),
      ),
    )
  )
}

const NODES: readonly number[] = [0, S_IFREG, S_IFIFO, S_IFSOCK]
const DEVICES: readonly number[] = [S_IFCHR, S_IFBLK]

function mknodCall(call: Call, args: { where: PathArg; mode: number }): Reply {
  const { where, mode } = args
  const type = mode & S_IFMT
  // fs/namei.c, may_mknod: a directory is made by mkdir, and an unknown type is invalid.
  if (!NODES.includes(type) && !DEVICES.includes(type)) return Fail.of(type === S_IFDIR ? Errno.EPERM : Errno.EINVAL)
  if (DEVICES.includes(type)) {
    call.record({ outcome: 'forbidden', violation: true, why: 'a test cannot make a device node' })
    return Fail.of(Errno.EPERM)
  }
  return (
    dots(call, where, EXISTS) ??
    onPath(call, where, CREATE, (place) =>
      whenAwake(
        call,
        place,
        () => withUmask(call, (umask) => call.kernel.mknod(place, mode, umask)),
        () => mknodCall(call, args),
      ),
    )
  )
}

function unlinkCall(call: Call, args: { where: PathArg; flags: number }): Reply {
  const { where, flags } = args
  if ((flags & ~AT_REMOVEDIR) !== 0) return Fail.of(Errno.EINVAL)
  return (
    dots(call, where, flags === 0 ? UNLINK : RMDIR) ??
    onPath(
      call,
      where,
      WRITE,
      (place) =>
        keepsWay(call, place, 'entry') ??
        keepsTmp(call, place) ??
        whenAwake(
          call,
          place,
          () => done(call.kernel.unlink(place, flags)),
          () => unlinkCall(call, args),
        ),
    )
  )
}

interface RenameArgs {
  readonly from: PathArg
  readonly to: PathArg
  readonly flags: number
}

/** Attempts at a move, which is decided anew each time that the files change between the look and the move. */
const ATTEMPTS = 4

function renameCall(call: Call, args: RenameArgs): Reply {
  let reply = renameOnce(call, args)
  for (let attempt = 1; attempt < ATTEMPTS && isStale(reply); attempt++) reply = renameOnce(call, args)
  return reply
}

function isStale(reply: Reply): boolean {
  return failed(reply) && reply.errno === Errno.ELOOP
}

function renameOnce(call: Call, args: RenameArgs): Reply {
  const { from, to, flags } = args
  // fs/namei.c, do_renameat2.
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return Fail.of(Errno.EINVAL)
  if ((flags & RENAME_EXCHANGE) !== 0 && flags !== RENAME_EXCHANGE) return Fail.of(Errno.EINVAL)
  if ((flags & RENAME_WHITEOUT) !== 0) return Fail.of(Errno.EPERM)
  const bad = dots(call, from, BUSY) ?? dots(call, to, BUSY)
  if (bad !== undefined) return bad
  const source = locate(call, from)
  const target = locate(call, to)
  if (failed(source)) return source
  if (failed(target)) return target
  if (isMissing(source.found)) return Fail.of(Errno.ENOENT)
  // A directory takes everything below it along, which needs more than the right to write either name.
  const isMove =
    source.found.kind === 'directory' || ((flags & RENAME_EXCHANGE) !== 0 && target.found.kind === 'directory')
  const wanted = (counterpart: BytePath): Wanted => (isMove ? { access: 'move', last: 'entry', counterpart } : WRITE)
  return onTwoPaths(
    call,
    source.where,
    wanted(target.found.path),
    target.where,
    { ...wanted(source.found.path), makes: true },
    (old, fresh) =>
      isElsewhere(old, source.found) ??
      isElsewhere(fresh, target.found) ??
      keepsWay(call, old, 'tree') ??
      keepsWay(call, fresh, 'tree') ??
      keepsTmp(call, old) ??
      keepsTmp(call, fresh) ??
      keepsAnchor(call, fresh, source.found.kind) ??
      keepsLinkless(call, old, fresh, source.found.kind) ??
      ((flags & RENAME_EXCHANGE) === 0
        ? undefined
        : (keepsAnchor(call, old, target.found.kind) ?? keepsLinkless(call, fresh, old, target.found.kind))) ??
      bothAlone(
        call,
        old,
        fresh,
        (names) =>
          isAnother(call, names.from, source.found.kind) ??
          ((flags & RENAME_EXCHANGE) === 0 ? undefined : isAnother(call, names.to, target.found.kind)) ??
          done(call.kernel.rename(names, flags)),
        () => renameCall(call, args),
      ),
  )
}

/**
 * Finds the file that a path means now, and a form of the path that no change of descriptors or of the working
 * directory can redirect.
 */
function locate(
  call: Call,
  given: PathArg,
  last: LastLink = 'entry',
): Outcome<{ readonly where: PathArg; readonly found: Located }> {
  const text = absolute(call, given)
  if (failed(text)) return text
  const found = resolve(call, text, last)
  return failed(found) ? found : { where: { text, dirfd: AT_FDCWD }, found }
}

/** True if nothing has this name. If the policy does not show the name, the disk was not asked, and this is false. */
function isMissing({ kind, unseen }: Located): boolean {
  return kind === undefined && unseen !== true
}

/**
 * ELOOP if the place is no longer the located one: the requested grant depends on that place. ELOOP makes the path be
 * walked again.
 */
function isElsewhere(place: Place, { path }: Located): Fail | undefined {
  return place.path === path ? undefined : Fail.of(Errno.ELOOP)
}

/** ELOOP if another kind of file is there than the decision was made on. A missing file is left to the call itself. */
function isAnother(call: Call, name: NameHeld, looked: EntryKind | undefined): Fail | undefined {
  const kind = call.kernel.kindAt(name)
  return failed(kind) || kind === looked ? undefined : Fail.of(Errno.ELOOP)
}

function linkCall(call: Call, args: RenameArgs): Reply {
  const { from, to, flags } = args
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return Fail.of(Errno.EINVAL)
  // Naming an unnamed file needs a capability that the broker may have and the worker must not use: linkat(2).
  if ((flags & AT_EMPTY_PATH) !== 0 && from.text === '') return Fail.of(Errno.ENOENT)
  const last = (flags & AT_SYMLINK_FOLLOW) === 0 ? ('entry' as const) : ('follow' as const)
  const source: Wanted = {
    access: 'write',
    last,
    descriptor: (_, fd) => linkUnnamed(call, fd, to),
  }
  const existing = locate(call, from, last)
  if (!failed(existing) && existing.found.descriptor === undefined) {
    // ENOENT comes before any error about the other name.
    if (isMissing(existing.found)) return Fail.of(Errno.ENOENT)
    // A link below /proc stays a link, on a file system of its own.
    if (existing.found.path.startsWith('/proc/')) return Fail.of(Errno.EXDEV)
  }
  return (
    dots(call, to, EXISTS) ??
    onTwoPaths(call, from, source, to, CREATE, (old, fresh) =>
      bothAlone(
        call,
        old,
        fresh,
        (names) => {
          const kind = call.kernel.kindAt(names.from)
          // The spelling is canonical, but ends in a link to follow: the walk finds its end.
          if (kind === 'link' && (flags & AT_SYMLINK_FOLLOW) !== 0) return Fail.of(Errno.ELOOP)
          return (
            isTaken(call, fresh) ??
            keepsAnchor(call, fresh, failed(kind) ? undefined : kind) ??
            done(call.kernel.link(names))
          )
        },
        () => linkCall(call, args),
      ),
    )
  )
}

/**
 * Gives a name to a file that never had one, through /proc/self/fd: open(2), O_TMPFILE. The kernel gives none to a file
 * that has lost its last name. As for a named file, the right to write at its place is needed.
 */
function linkUnnamed(call: Call, fd: number, to: PathArg): Reply {
  return onHeld(call, fd, (held) => {
    const facts = call.kernel.facts(held)
    if (failed(facts)) return facts
    if (facts.kind !== 'regular') return Fail.of(Errno.EXDEV)
    return (
      dots(call, to, EXISTS) ??
      onPath(call, to, CREATE, (name) => isTaken(call, name) ?? done(call.kernel.linkUnnamed(held, name)))
    )
  })
}

function symlinkCall(call: Call, args: { target: string; where: PathArg }): Reply {
  const { target, where } = args
  if (target === '') return Fail.of(Errno.ENOENT)
  return (
    dots(call, where, EXISTS) ??
    onPath(call, where, CREATE, (place) =>
      alone(
        call,
        place,
        (name) => isTaken(call, place) ?? keepsAnchor(call, place, 'link') ?? done(call.kernel.symlink(target, name)),
        () => symlinkCall(call, args),
      ),
    )
  )
}

/**
 * Refuses to redirect a path that the next run's start resolves, and a link among reports. Any call that could put a link or a directory there
 * after this look has to wait (`alone`), whichever worker makes it.
 */
function keepsAnchor(call: Call, place: Place, becomes: EntryKind | undefined): Fail | undefined {
  if ((becomes !== 'link' && becomes !== 'directory') || call.policy.mode === 'audit') return undefined
  if (becomes === 'link' && isLinkless(call.policy, place.decided))
    return forbidden(call, 'a symbolic link among reports: whoever copies or uploads them takes what it leads to')
  if (!wouldRedirectGrant(call.policy, place.decided, becomes)) return undefined
  return forbidden(
    call,
    'a symbolic link in the place of a granted path, or above it, would change what the manifest grants next time',
  )
}

/**
 * Refuses to move a directory to where links may not be made: nobody knows what it holds. EXDEV: rename(2), for another file
 * system, on which programs copy instead, entry by entry.
 */
function keepsLinkless(call: Call, from: Place, to: Place, moved: EntryKind | undefined): Fail | undefined {
  if (moved !== 'directory' || call.policy.mode === 'audit') return undefined
  if (isLinkless(call.policy, from.decided) || !isLinkless(call.policy, to.decided)) return undefined
  return no(call, Errno.EXDEV, 'moves a directory, and with it perhaps symbolic links, to where none may be made')
}

/**
 * Refuses to remove a link on the way to an excluded path. A directory that is removed holds no link any more; one that
 * is renamed takes its links along.
 */
function keepsWay(call: Call, place: Place, takes: 'entry' | 'tree'): Fail | undefined {
  if (!wouldRedirectExclusion(call.policy, place.decided, takes) || call.policy.mode === 'audit') return undefined
  return forbidden(
    call,
    'a symbolic link on the way to what the manifest excludes: without it the exclusion would mean something else next time',
  )
}

/**
 * Refuses to take the worker's temporary directory away. By its name it is removed in the end, and by its name the next
 * run finds what a broker that was killed has left. EBUSY: rmdir(2), rename(2), for a directory that is in use.
 */
function keepsTmp(call: Call, { decided }: Place): Fail | undefined {
  if (call.tmp === undefined || !mayBeWithin(call.tmp, decided) || call.policy.mode === 'audit') return undefined
  return no(call, Errno.EBUSY, 'takes its own temporary directory away, which goes with the worker')
}

function forbidden(call: Call, why: string): Fail {
  call.record({ outcome: 'forbidden', violation: true, why })
  return Fail.of(Errno.EACCES)
}

/** EEXIST if anything has this name, for calls that only make new entries: then they fail for that alone. */
function isTaken(call: Call, place: Place): Fail | undefined {
  return failed(call.kernel.kindOf(place.path)) ? undefined : Fail.of(Errno.EEXIST)
}

const names = { from: path(0), to: path(1), flags: NO_FLAGS }
const namesAt = { from: pathAt(0, 1), to: pathAt(2, 3) }

export const changeFamily: readonly Row[] = [
  defineSyscall({
    name: 'mkdir',
    family,
    operation: 'create-directory',
    answer,
    args: { where: path(0), mode: unsigned(1) },
    handle: mkdirCall,
  }),
  defineSyscall({
    name: 'mkdirat',
    family,
    operation: 'create-directory',
    answer,
    args: { where: pathAt(0, 1), mode: unsigned(2) },
    handle: mkdirCall,
  }),
  defineSyscall({
    name: 'mknod',
    family,
    operation: 'create-node',
    answer,
    args: { where: path(0), mode: unsigned(1) },
    handle: mknodCall,
  }),
  defineSyscall({
    name: 'mknodat',
    family,
    operation: 'create-node',
    answer,
    args: { where: pathAt(0, 1), mode: unsigned(2) },
    handle: mknodCall,
  }),
  defineSyscall({
    name: 'unlink',
    family,
    operation: 'remove',
    answer,
    args: { where: path(0), flags: NO_FLAGS },
    handle: unlinkCall,
  }),
  defineSyscall({
    name: 'unlinkat',
    family,
    operation: 'remove',
    answer,
    args: { where: pathAt(0, 1), flags: int(2) },
    handle: unlinkCall,
  }),
  defineSyscall({
    name: 'rmdir',
    family,
    operation: 'remove-directory',
    answer,
    args: { where: path(0), flags: REMOVEDIR },
    handle: unlinkCall,
  }),
  defineSyscall({
    name: 'rename',
    family,
    operation: 'rename',
    answer,
    args: names,
    handle: renameCall,
  }),
  defineSyscall({
    name: 'renameat',
    family,
    operation: 'rename',
    answer,
    args: { ...namesAt, flags: NO_FLAGS },
    handle: renameCall,
  }),
  defineSyscall({
    name: 'renameat2',
    family,
    operation: 'rename',
    answer,
    args: { ...namesAt, flags: unsigned(4) },
    handle: renameCall,
  }),
  defineSyscall({ name: 'link', family, operation: 'link', answer, args: names, handle: linkCall }),
  defineSyscall({
    name: 'linkat',
    family,
    operation: 'link',
    answer,
    args: { ...namesAt, flags: int(4) },
    handle: linkCall,
  }),
  defineSyscall({
    name: 'symlink',
    family,
    operation: 'create-symlink',
    answer,
    args: { target: string(0, 4096, Errno.ENAMETOOLONG), where: path(1) },
    handle: symlinkCall,
  }),
  defineSyscall({
    name: 'symlinkat',
    family,
    operation: 'create-symlink',
    answer,
    args: { target: string(0, 4096, Errno.ENAMETOOLONG), where: pathAt(1, 2) },
    handle: symlinkCall,
  }),
]
