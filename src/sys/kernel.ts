/**
 * The kernel port on the real kernel. Every path operation is openat2(2) from the root with RESOLVE_NO_SYMLINKS and
 * RESOLVE_NO_MAGICLINKS, or works on a parent directory opened so.
 */
import { Errno } from '../abi/errno.js'
import { F_ADD_SEALS, F_DUPFD_CLOEXEC, F_GETFL, F_SEAL_SEAL, F_SETFL } from '../abi/fcntl.js'
import { landlockRights } from '../abi/landlock.js'
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../abi/mode.js'
import { openFlags } from '../abi/open-flags.js'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  IN_DONT_FOLLOW,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from '../abi/path-flags.js'
import { STAT, STATX, STATFS } from '../abi/stat-structs.js'
import { OPEN_HOW } from '../abi/structs.js'
import { rawPath, type BytePath } from '../policy/request.js'
import type { Performed, Delegated } from '../syscalls/delegated.js'
import type { Reception } from '../syscalls/filter.js'
import { HEAD } from '../syscalls/interpreter.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import type { Place } from '../syscalls/place.js'
import type {
  AnonymousKind,
  Descriptor,
  EntryKind,
  FileFacts,
  Ids,
  Kernel,
  NameHeld,
  NamesHeld,
  OpenHow,
  TargetDescriptor,
} from '../syscalls/ports.js'
import { landlockAbi } from './confine.js'
import { Creation, type FileSystemState } from './creation.js'
import { Delegation, type Argument, type DelegatedCall, type NextHelper } from './delegation.js'
import { hostArch } from './host.js'
import { Identities } from './identity.js'
import { InodeLocks } from './inode-locks.js'
import { NameInDirectory, NamesInDirectories } from './name-in-directory.js'
import { markOwnEnd } from './own-ends.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'
import { LinuxSockets } from './sockets.js'

const arch = hostArch()
const O = openFlags(arch)
const N = {
  openat2: numberOf('openat2'),
  openat: numberOf('openat'),
  readlinkat: numberOf('readlinkat'),
  statx: numberOf('statx'),
  newfstatat: numberOf('newfstatat'),
  fstatfs: numberOf('fstatfs'),
  faccessat2: numberOf('faccessat2'),
  fcntl: numberOf('fcntl'),
  pread64: numberOf('pread64'),
  getxattr: numberOf('getxattr'),
  listxattr: numberOf('listxattr'),
  setxattr: numberOf('setxattr'),
  removexattr: numberOf('removexattr'),
  inotify_add_watch: numberOf('inotify_add_watch'),
  mkdirat: numberOf('mkdirat'),
  mknodat: numberOf('mknodat'),
  unlinkat: numberOf('unlinkat'),
  renameat2: numberOf('renameat2'),
  linkat: numberOf('linkat'),
  symlinkat: numberOf('symlinkat'),
  fchmodat: numberOf('fchmodat'),
  fchownat: numberOf('fchownat'),
  utimensat: numberOf('utimensat'),
  ftruncate: numberOf('ftruncate'),
  truncate: numberOf('truncate'),
  eventfd2: numberOf('eventfd2'),
  epoll_create1: numberOf('epoll_create1'),
  timerfd_create: numberOf('timerfd_create'),
  memfd_create: numberOf('memfd_create'),
  inotify_init1: numberOf('inotify_init1'),
  signalfd4: numberOf('signalfd4'),
  pipe2: numberOf('pipe2'),
  socketpair: numberOf('socketpair'),
  tee: numberOf('tee'),
  poll: numberOf('ppoll'),
  capget: numberOf('capget'),
  pidfd_open: numberOf('pidfd_open'),
  pidfd_send_signal: numberOf('pidfd_send_signal'),
  tgkill: numberOf('tgkill'),
}
const TMPFILE = O.O_TMPFILE & ~O.O_DIRECTORY
/** Flags that open the entry itself, even a symbolic link. Such an open mounts nothing: open(2), O_PATH. */
const ENTRY = O.O_PATH | O.O_NOFOLLOW | O.O_CLOEXEC
const STRICT = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
/** PATH_MAX without the NUL. */
const LONGEST_PATH = 4095
const STATX_TYPE_AND_LINKS = 0x1 | 0x4
const STATX_CTIME = 0x80
const STATX_BLOCKS = 0x400
const STATX_SIZE = 0x200
/**
 * The size of a large file. To free its content takes the kernel 0.3 ms a MB (fs/inode.c, evict), and whoever writes
 * much to it holds its lock (inode_lock) meanwhile: any call that changes it or its names sleeps until then.
 */
const LARGE = { forAHelper: 1 << 20, forItsStart: 16 << 20 } as const
const BLOCK = 512
/** Milliseconds since the epoch. */
const BEGAN = Date.now() - process.uptime() * 1000
/** NAME_MAX. */
const LONGEST_NAME = 255
/** Flags for the descriptor itself, as it is mounted now. */
const SELF = AT_EMPTY_PATH | AT_NO_AUTOMOUNT
/** include/uapi/linux/magic.h. */
const AUTOFS_SUPER_MAGIC = 0x0187
/** XATTR_SIZE_MAX and XATTR_LIST_MAX: both 64 KiB. */
const XATTR_MAX = 65_536
/** _LINUX_CAPABILITY_VERSION_3, and the size of its two structs: include/uapi/linux/capability.h. */
const CAPABILITY_VERSION_3 = 0x20080522
const CAPABILITY_SIZE = 24

const KINDS: ReadonlyMap<number, EntryKind> = new Map([
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'link'],
  [S_IFIFO, 'fifo'],
  [S_IFSOCK, 'socket'],
  [S_IFREG, 'regular'],
  [S_IFCHR, 'device'],
  [S_IFBLK, 'device'],
])

function fdOf(descriptor: Descriptor): number {
  if (!(descriptor instanceof OwnedFd)) throw new TypeError('a descriptor of another kernel')
  return descriptor.number
}

function owned(result: number): Outcome<OwnedFd> {
  return result < 0 ? Fail.of(result) : new OwnedFd(result)
}

function ok(result: number): Outcome<true> {
  return result < 0 ? Fail.of(result) : true
}

function same(real: number | undefined, effective: number | undefined): number | undefined {
  return real === effective ? real : undefined
}

/** Not thread-safe, and not re-entrant: each broker thread has its own, with its own buffers. */
export class LinuxKernel implements Kernel {
  readonly sockets: LinuxSockets
  readonly #creation: Creation
  readonly #delegation: Delegation
  readonly #path = new Pinned(4096 + 256)
  readonly #second = new Pinned(4096 + 256)
  readonly #name = new Pinned(LONGEST_NAME + 1)
  readonly #how = new Pinned(OPEN_HOW.size)
  readonly #out = new Pinned(XATTR_MAX + 64)
  readonly #identities = new Identities()

  /**
   * With `state` own, the thread has left the process's shared file-system state, and creating a file sets its umask.
   * `locks` are shared with the other broker threads.
   */
  constructor(
    state: FileSystemState,
    readonly reception: Reception = 'kernel',
    readonly locks: InodeLocks = new InodeLocks(),
    /** Threads that make calls which may sleep. Without, this thread makes them. */
    helper: NextHelper = () => undefined,
  ) {
    this.#creation = new Creation(state)
    this.#delegation = new Delegation(locks, helper)
    this.sockets = new LinuxSockets(this.#creation, locks, reception)
  }

  // --- names

  kindOf(path: BytePath): Outcome<EntryKind> {
    return this.#named(path, ENTRY, (fd) => this.#kindAt(fd, this.#path.text('')))
  }

  linkText(path: BytePath): Outcome<BytePath> {
    return this.#named(path, ENTRY, (fd) => this.#linkTextOf(fd))
  }

  /**
   * The text of a link. For an empty path on anything but a link, readlinkat(2) returns ENOENT; a call by name would
   * have returned EINVAL.
   */
  #linkTextOf(fd: number): Outcome<BytePath> {
    const text = this.#readlinkAt(fd, this.#path.text(''))
    return failed(text) && text.errno === Errno.ENOENT ? Fail.of(Errno.EINVAL) : text
  }

  identityOf(path: BytePath): Outcome<string> {
    return this.#named(path, ENTRY, (fd) => this.#identities.of(fd, this.#path.text(''), AT_EMPTY_PATH))
  }

  /**
   * Acts near the end of a path. A path that the target spelled from its working directory may be longer from the root
   * than the kernel takes at once: then it is walked in steps, none through a symbolic link. All steps but the last are
   * directories, as in a path that is taken at once.
   */
  #near<T>(path: string, act: (dirfd: number, rest: string) => Outcome<T>): Outcome<T> {
    if (path.length <= LONGEST_PATH) return act(AT_FDCWD, path)
    let rest = path
    let at: OwnedFd | undefined
    while (rest.length > LONGEST_PATH) {
      // Not at a trailing slash: the rest must not be empty.
      const cut = rest.lastIndexOf('/', Math.min(LONGEST_PATH, rest.length - 2))
      const step = cut <= 0 ? Fail.of(Errno.ENAMETOOLONG) : this.#step(at?.number ?? AT_FDCWD, rest.slice(0, cut))
      at?.close()
      if (failed(step)) return step
      at = step
      rest = rest.slice(cut + 1)
    }
    const result = act(at?.number ?? AT_FDCWD, rest)
    at?.close()
    return result
  }

  #step(dirfd: number, path: string): Outcome<OwnedFd> {
    return owned(this.#openFrom(dirfd, path, O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC, 0))
  }

  kindWithoutSymlinks(path: BytePath): Outcome<EntryKind | 'nothing'> {
    const kind = this.#named(path, O.O_PATH | O.O_CLOEXEC, (fd) => this.#kindAt(fd, this.#path.text('')))
    return failed(kind) && kind.errno === Errno.ENOENT ? 'nothing' : kind
  }

  /** Looks at a path through a descriptor: a call by name would follow a link that was put in its place meanwhile. */
  #named<T>(path: BytePath, flags: number, see: (fd: number) => Outcome<T>): Outcome<T> {
    const fd = owned(this.#openAt(path, flags, 0))
    if (failed(fd)) return fd
    const seen = see(fd.number)
    fd.close()
    return seen
  }

  mountsOnDemand(directory: BytePath): boolean {
    const fd = owned(this.#openAt(directory, O.O_PATH | O.O_CLOEXEC, 0))
    if (failed(fd)) return true
    const result = sys3(N.fstatfs, fd.number, this.#out.address)
    fd.close()
    return result < 0 || this.#out.bytes.readUInt32LE(STATFS.f_type) === AUTOFS_SUPER_MAGIC
  }

  #kindAt(fd: number, path: number, flags = SELF): Outcome<EntryKind> {
    const result = sys6(N.statx, fd, path, flags, STATX_TYPE_AND_LINKS, this.#out.address)
    if (result < 0) return Fail.of(result)
    return KINDS.get(this.#out.bytes.readUInt16LE(STATX.stx_mode) & S_IFMT) ?? 'regular'
  }

  #readlinkAt(dirfd: number, pathAddress: number): Outcome<BytePath> {
    const length = sys6(N.readlinkat, dirfd, pathAddress, this.#out.address, 4096)
    return length < 0 ? Fail.of(length) : rawPath(this.#out.bytes.toString('latin1', 0, length))
  }

  // --- opening

  #openAt(path: string, flags: number, mode: number): number {
    if (path.length <= LONGEST_PATH) return this.#openFrom(AT_FDCWD, path, flags, mode)
    const opened = this.#near(path, (dirfd, rest) => this.#openFrom(dirfd, rest, flags, mode))
    return failed(opened) ? -opened.errno : opened
  }

  #openFrom(dirfd: number, path: string, flags: number, mode: number): number {
    const { words, address } = this.#how
    words[OPEN_HOW.flags >>> 2] = flags
    words[OPEN_HOW.mode >>> 2] = mode
    words[OPEN_HOW.resolve >>> 2] = STRICT
    return sys6(N.openat2, dirfd, this.#path.text(path), address, OPEN_HOW.size)
  }

  open(place: Place, { flags, mode, umask }: OpenHow): Outcome<OwnedFd> {
    const as = mode === 0 ? { mode, lost: 0 } : this.#creation.modeFor(mode, umask)
    const open = (more: number): Outcome<OwnedFd> =>
      owned(this.#openAt(spelled(place), flags | more | O.O_CLOEXEC, as.mode))
    if (as.lost === 0) return open(0)
    // Only a file that is made here may be widened. O_EXCL means something else with O_TMPFILE, which always makes one.
    const made = open((flags & TMPFILE) === 0 ? O.O_EXCL : 0)
    if (failed(made)) return made.errno === Errno.EEXIST && (flags & O.O_EXCL) === 0 ? open(0) : made
    const widened = this.#widen(made, as.lost)
    if (!failed(widened)) return made
    made.close()
    return widened
  }

  openToEmpty(place: Place, flags: number): Delegated<OwnedFd> | undefined {
    const path = spelled(place)
    if (path.length > LONGEST_PATH) return undefined
    const size = this.#named(rawPath(path), O.O_PATH | O.O_CLOEXEC, (fd) => this.#sizeOf(fd))
    if (failed(size)) return undefined
    const how = new Uint8Array(OPEN_HOW.size)
    const view = new DataView(how.buffer)
    view.setUint32(OPEN_HOW.flags, (flags & ~O.O_CREAT) | O.O_CLOEXEC, true)
    view.setUint32(OPEN_HOW.resolve, STRICT, true)
    const args = [AT_FDCWD, path, how, OPEN_HOW.size]
    return this.#delegateFor(size, () => ({ number: N.openat2, args, fds: [], locks: [] }), owned)
  }

  #widen(fd: Descriptor, lost: number): Outcome<true> {
    const stat = this.stat(fd)
    if (failed(stat)) return stat
    const { at } = STAT[arch].st_mode
    return this.#chmod(fd, (this.#out.bytes.readUInt32LE(at) & ~S_IFMT) | lost)
  }

  /** Does the same for an entry that is made by name alone. */
  #make(
    { directory, name, spelled: asSpelled }: NameInDirectory,
    mode: number,
    umask: number,
    make: (dirfd: number, name: number, mode: number) => number,
  ): Outcome<true> {
    const as = this.#creation.modeFor(mode, umask)
    const made = ok(make(directory.number, this.#path.text(asSpelled), as.mode))
    if (failed(made) || as.lost === 0) return made
    const handle = owned(this.#openFrom(directory.number, name, ENTRY, 0))
    if (failed(handle)) return handle
    const widened = this.#widen(handle, as.lost)
    handle.close()
    return widened
  }

  handle(place: Place, last: 'follow' | 'keep'): Outcome<OwnedFd> {
    const flags = O.O_PATH | O.O_CLOEXEC | (last === 'keep' ? O.O_NOFOLLOW : 0)
    return owned(this.#openAt(spelled(place), flags, 0))
  }

  head(place: Place): Outcome<Uint8Array> {
    const flags = O.O_RDONLY | O.O_NONBLOCK | O.O_NOCTTY | O.O_CLOEXEC
    return this.#named(rawPath(spelled(place)), flags, (fd) => {
      const kind = this.#kindAt(fd, this.#path.text(''))
      if (failed(kind)) return kind
      const length = kind === 'regular' ? sys6(N.pread64, fd, this.#out.address, HEAD, 0) : 0
      return length < 0 ? Fail.of(length) : Uint8Array.from(this.#out.bytes.subarray(0, length))
    })
  }

  isNew(place: Place): Outcome<boolean> {
    return this.#named(rawPath(spelled(place)), ENTRY, (fd) => {
      const result = sys6(N.statx, fd, this.#path.text(''), SELF, STATX_CTIME, this.#out.address)
      if (result < 0) return Fail.of(result)
      const { bytes } = this.#out
      const seconds = Number(bytes.readBigInt64LE(STATX.stx_ctime))
      return seconds * 1000 + bytes.readUInt32LE(STATX.stx_ctime + 8) / 1e6 >= BEGAN
    })
  }

  reopen(held: Descriptor, flags: number): Outcome<OwnedFd> {
    return owned(sys6(N.openat, AT_FDCWD, this.#own(held), flags | O.O_CLOEXEC, 0))
  }

  /**
   * The address of `/proc/thread-self/fd/N`: the broker's own descriptor as a path, for calls that take nothing else.
   */
  #own(fd: Descriptor): number {
    return this.#path.text(ownPath(fdOf(fd)))
  }

  #parent(place: Place): Outcome<OwnedFd> {
    return owned(this.#openAt(place.parent, O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC, 0))
  }

  #inParent(place: Place, act: (dirfd: number, name: number) => number): Outcome<true> {
    const parent = this.#parent(place)
    if (failed(parent)) return parent
    const result = act(parent.number, this.#path.text(place.trailingSlash ? `${place.name}/` : place.name))
    parent.close()
    return ok(result)
  }

  // --- facts

  facts(fd: Descriptor): Outcome<FileFacts> {
    const kind = this.#kindAt(fdOf(fd), this.#path.text(''))
    return failed(kind) ? kind : { kind, links: this.#out.bytes.readUInt32LE(STATX.stx_nlink) }
  }

  setStatusFlags(fd: Descriptor, flags: number): Outcome<true> {
    return ok(sys3(N.fcntl, fdOf(fd), F_SETFL, flags))
  }

  statusFlags(fd: Descriptor): Outcome<number> {
    const flags = sys3(N.fcntl, fdOf(fd), F_GETFL)
    return flags < 0 ? Fail.of(flags) : flags
  }

  textOf(fd: Descriptor): Outcome<BytePath> {
    return this.#readlinkAt(AT_FDCWD, this.#own(fd))
  }

  #filled(result: number, size: number): Outcome<Uint8Array> {
    return result < 0 ? Fail.of(result) : this.#out.bytes.subarray(0, size)
  }

  stat(fd: Descriptor): Outcome<Uint8Array> {
    const result = sys6(N.newfstatat, fdOf(fd), this.#path.text(''), this.#out.address, SELF)
    return this.#filled(result, STAT[arch].size)
  }

  statx(fd: Descriptor, flags: number, mask: number): Outcome<Uint8Array> {
    const result = sys6(N.statx, fdOf(fd), this.#path.text(''), flags | SELF, mask, this.#out.address)
    return this.#filled(result, STATX.size)
  }

  statfs(fd: Descriptor): Outcome<Uint8Array> {
    return this.#filled(sys3(N.fstatfs, fdOf(fd), this.#out.address), STATFS.size)
  }

  access(fd: Descriptor, mode: number, flags: number): Outcome<true> {
    return ok(sys6(N.faccessat2, fdOf(fd), this.#path.text(''), mode, flags | AT_EMPTY_PATH))
  }

  readlink(fd: Descriptor): Outcome<string> {
    return this.#linkTextOf(fdOf(fd))
  }

  getxattr(fd: Descriptor, name: string, size: number): Outcome<Uint8Array | number> {
    const room = Math.min(size, XATTR_MAX)
    const length = sys6(N.getxattr, this.#own(fd), this.#second.text(name), room === 0 ? 0 : this.#out.address, room)
    if (length < 0) return Fail.of(length)
    return room === 0 ? length : this.#out.bytes.subarray(0, length)
  }

  listxattr(fd: Descriptor, size: number): Outcome<Uint8Array | number> {
    const room = Math.min(size, XATTR_MAX)
    const length = sys3(N.listxattr, this.#own(fd), room === 0 ? 0 : this.#out.address, room)
    if (length < 0) return Fail.of(length)
    return room === 0 ? length : this.#out.bytes.subarray(0, length)
  }

  watch(inotify: TargetDescriptor, fd: Descriptor, mask: number): Outcome<number> {
    // The path is a magic link of the broker's own. It must be followed, once, to the file of the handle.
    const followed = mask & ~IN_DONT_FOLLOW
    const watch = sys3(N.inotify_add_watch, fdOf(inotify), this.#own(fd), followed)
    return watch < 0 ? Fail.of(watch) : watch
  }

  // --- changes

  hold(from: Place, to: Place, patience: 'wait' | 'none' = 'wait'): Outcome<NamesInDirectories> | 'taken' {
    const source = this.#parent(from)
    if (failed(source)) return source
    const target = from === to ? source : this.#parent(to)
    const turn = failed(target)
      ? target
      : patience === 'wait'
        ? this.locks.take(source.number, target.number)
        : this.locks.takeNow(source.number, target.number)
    if (!failed(target) && !failed(turn) && turn !== 'taken')
      return new NamesInDirectories(new NameInDirectory(from, source), new NameInDirectory(to, target), turn)
    source.close()
    if (!failed(target) && target !== source) target.close()
    if (failed(target)) return target
    return failed(turn) ? turn : 'taken'
  }

  isBusy(place: Place): boolean {
    if (!this.locks.areGiven) return false
    const parent = this.#parent(place)
    if (failed(parent)) return false
    const isHeld = this.locks.isHeld(parent.number)
    parent.close()
    return isHeld
  }

  kindAt(held: NameHeld): Outcome<EntryKind> {
    const { directory, name } = NameInDirectory.of(held)
    return this.#kindAt(directory.number, this.#path.text(name), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)
  }

  identityAt(held: NameHeld): Outcome<string> {
    const { directory, name } = NameInDirectory.of(held)
    return this.#identities.of(directory.number, this.#path.text(name), 0)
  }

  mkdir(held: NameHeld, mode: number, umask: number): Outcome<true> {
    const name = NameInDirectory.of(held)
    return this.#make(name, mode, umask, (dirfd, path, as) => sys3(N.mkdirat, dirfd, path, as))
  }

  mknod(place: Place, mode: number, umask: number): Outcome<true> {
    const parent = this.#parent(place)
    if (failed(parent)) return parent
    const name = new NameInDirectory(place, parent)
    const made = this.#make(name, mode, umask, (dirfd, path, as) => sys6(N.mknodat, dirfd, path, as, 0))
    parent.close()
    return made
  }

  unlink(place: Place, flags: number): Performed {
    const parent = this.#parent(place)
    if (failed(parent)) return parent
    const name = place.trailingSlash ? `${place.name}/` : place.name
    const delegated = this.#delegate(this.#sizeAt(parent, place), N.unlinkat, () => ({
      args: [parent.number, name, flags],
      fds: [parent.release()],
      locks: [],
    }))
    if (delegated !== undefined) return delegated
    const result = sys3(N.unlinkat, parent.number, this.#path.text(name), flags)
    parent.close()
    return ok(result)
  }

  #sizeAt(directory: OwnedFd, { name, trailingSlash }: Place): number {
    // Only a directory has a slash at its end.
    if (trailingSlash || name.length > LONGEST_NAME) return 0
    return this.#sizeOf(directory.number, this.#name.text(name), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)
  }

  /** The size of a regular file, or what it takes on the disk if that is more; 0 of anything else. */
  #sizeOf(fd: number, path = this.#path.text(''), flags = SELF): number {
    const { bytes, address } = this.#out
    if (sys6(N.statx, fd, path, flags, STATX_TYPE_AND_LINKS | STATX_SIZE | STATX_BLOCKS, address) < 0) return 0
    if ((bytes.readUInt16LE(STATX.stx_mode) & S_IFMT) !== S_IFREG) return 0
    return Math.max(word(bytes, STATX.stx_size), word(bytes, STATX.stx_blocks) * BLOCK)
  }

  /** Has a call made that may sleep. Undefined if this thread has to make it; then nothing was given away. */
  #delegate(
    size: number,
    number: number,
    give: () => Omit<DelegatedCall, 'number' | 'tells'>,
  ): Delegated<true> | undefined {
    return this.#delegateFor(size, () => ({ number, ...give() }), ok)
  }

  #delegateFor<T>(
    size: number,
    give: () => Omit<DelegatedCall, 'tells'>,
    as: (result: number) => Outcome<T>,
  ): Delegated<T> | undefined {
    return size < LARGE.forAHelper ? undefined : this.#delegation.begin(size >= LARGE.forItsStart, give, as)
  }

  /** The same for a call on a descriptor. */
  #delegateOn(fd: Descriptor, number: number, args: (fd: number) => readonly Argument[]): Delegated<true> | undefined {
    const size = this.#sizeOf(fdOf(fd))
    if (size < LARGE.forAHelper) return undefined
    const copy = sys3(N.fcntl, fdOf(fd), F_DUPFD_CLOEXEC, 0)
    if (copy < 0) return undefined
    const own = new OwnedFd(copy)
    const delegated = this.#delegate(size, number, () => ({ args: args(copy), fds: [own.release()], locks: [] }))
    if (delegated === undefined) own.close()
    return delegated
  }

  /** Waits until no call is under way whose result nobody waits for. */
  settle(): void {
    this.#delegation.settle()
  }

  rename(names: NamesHeld, flags: number): Performed {
    return this.#onNames(names, N.renameat2, flags, [names.from, names.to])
  }

  link(names: NamesHeld): Performed {
    return this.#onNames(names, N.linkat, 0, [names.from])
  }

  /** `locks`: the names whose files the kernel locks for the call. */
  #onNames(names: NamesHeld, number: number, flags: number, locks: readonly NameHeld[]): Performed {
    const size = Math.max(
      ...locks.map((name) => NameInDirectory.of(name)).map((at) => this.#sizeAt(at.directory, at.place)),
    )
    const [from, to] = [NameInDirectory.of(names.from), NameInDirectory.of(names.to)]
    const delegated = this.#delegate(size, number, () => ({
      args: [from.directory.number, from.spelled, to.directory.number, to.spelled, flags],
      ...NamesInDirectories.of(names).give(),
    }))
    return delegated ?? ok(this.#withBoth(names.from, names.to, (...both) => sys6(number, ...both, flags)))
  }

  /** Calls with the directory and the address of one name, and of the other. */
  #withBoth(
    from: NameHeld,
    to: NameHeld,
    act: (fromDir: number, fromName: number, toDir: number, toName: number) => number,
  ): number {
    const [source, target] = [NameInDirectory.of(from), NameInDirectory.of(to)]
    return act(
      source.directory.number,
      this.#path.text(source.spelled),
      target.directory.number,
      this.#second.text(target.spelled),
    )
  }

  linkUnnamed(file: Descriptor, to: Place): Outcome<true> {
    const from = this.#second.text(ownPath(fdOf(file)))
    return this.#inParent(to, (dirfd, name) => sys6(N.linkat, AT_FDCWD, from, dirfd, name, AT_SYMLINK_FOLLOW))
  }

  symlink(text: string, at: NameHeld): Outcome<true> {
    const { directory, spelled: name } = NameInDirectory.of(at)
    return ok(sys3(N.symlinkat, this.#second.text(text), directory.number, this.#path.text(name)))
  }

  chmod(fd: Descriptor, mode: number): Performed {
    const delegated = this.#delegateOn(fd, N.fchmodat, (own) => [AT_FDCWD, ownPath(own), mode])
    return delegated ?? this.#chmod(fd, mode)
  }

  #chmod(fd: Descriptor, mode: number): Outcome<true> {
    return ok(sys3(N.fchmodat, AT_FDCWD, this.#own(fd), mode))
  }

  chown(fd: Descriptor, owner: number, group: number): Performed {
    const delegated = this.#delegateOn(fd, N.fchownat, (own) => [own, '', owner, group, AT_EMPTY_PATH])
    return delegated ?? ok(sys6(N.fchownat, fdOf(fd), this.#path.text(''), owner, group, AT_EMPTY_PATH))
  }

  utimens(fd: Descriptor, times: Uint8Array | undefined): Performed {
    const delegated = this.#delegateOn(fd, N.utimensat, (own) => [own, '', times ?? 0, AT_EMPTY_PATH])
    if (delegated !== undefined) return delegated
    if (times !== undefined) this.#out.bytes.set(times)
    return ok(
      sys6(N.utimensat, fdOf(fd), this.#path.text(''), times === undefined ? 0 : this.#out.address, AT_EMPTY_PATH),
    )
  }

  truncateAt(place: Place, length: number): Performed {
    const fd = owned(this.#openAt(spelled(place), O.O_WRONLY | O.O_NONBLOCK | O.O_NOCTTY | O.O_CLOEXEC, 0))
    if (failed(fd)) return fd
    const result = this.truncate(fd, length)
    fd.close()
    return result
  }

  truncate(fd: Descriptor, length: number): Performed {
    const status = this.statusFlags(fd)
    const isHandle = !failed(status) && (status & O.O_PATH) !== 0
    const delegated = isHandle
      ? this.#delegateOn(fd, N.truncate, (own) => [ownPath(own), length])
      : this.#delegateOn(fd, N.ftruncate, (own) => [own, length])
    if (delegated !== undefined) return delegated
    // A handle can only be truncated through a path: open(2), O_PATH.
    return ok(isHandle ? sys3(N.truncate, this.#own(fd), length) : sys3(N.ftruncate, fdOf(fd), length))
  }

  setxattr(fd: Descriptor, name: string, content: Uint8Array, flags: number): Performed {
    const delegated = this.#delegateOn(fd, N.setxattr, (own) => [ownPath(own), name, content, content.length, flags])
    if (delegated !== undefined) return delegated
    this.#out.bytes.set(content)
    return ok(sys6(N.setxattr, this.#own(fd), this.#second.text(name), this.#out.address, content.length, flags))
  }

  removexattr(fd: Descriptor, name: string): Performed {
    const delegated = this.#delegateOn(fd, N.removexattr, (own) => [ownPath(own), name])
    return delegated ?? ok(sys3(N.removexattr, this.#own(fd), this.#second.text(name)))
  }

  // --- processes

  readonly pid = process.pid
  readonly ids: Ids = {
    user: same(process.getuid?.(), process.geteuid?.()),
    group: same(process.getgid?.(), process.getegid?.()),
  }

  capabilities(pid: number): Outcome<Uint8Array> {
    const { bytes, address } = this.#out
    bytes.writeUInt32LE(CAPABILITY_VERSION_3, 0)
    bytes.writeInt32LE(pid, 4)
    return this.#copied(sys3(N.capget, address, address + 8), 8, CAPABILITY_SIZE)
  }

  #copied(result: number, at: number, size: number): Outcome<Uint8Array> {
    return result < 0 ? Fail.of(result) : Uint8Array.prototype.slice.call(this.#out.bytes, at, at + size)
  }

  readonly scopesSignals = (landlockRights(landlockAbi())?.scoped ?? 0) !== 0

  pidfd(pid: number, flags: number): Outcome<OwnedFd> {
    return owned(sys3(N.pidfd_open, pid, flags))
  }

  signal(pidfd: Descriptor, signal: number, info: Uint8Array | undefined, flags: number): Outcome<true> {
    if (info !== undefined) this.#out.bytes.set(info)
    return ok(sys6(N.pidfd_send_signal, fdOf(pidfd), signal, info === undefined ? 0 : this.#out.address, flags))
  }

  signalThread(pid: number, thread: number, signal: number): Outcome<true> {
    return ok(sys3(N.tgkill, pid, thread, signal))
  }

  // --- descriptors without a path

  anonymous(what: AnonymousKind): Outcome<OwnedFd> {
    return owned(this.#anonymous(what))
  }

  #anonymous(what: AnonymousKind): number {
    switch (what.kind) {
      case 'eventfd':
        return sys3(N.eventfd2, what.initial, what.flags | O.O_CLOEXEC)
      case 'epoll':
        return sys3(N.epoll_create1, what.flags | O.O_CLOEXEC)
      case 'timerfd':
        return sys3(N.timerfd_create, what.clock, what.flags | O.O_CLOEXEC)
      case 'inotify':
        return sys3(N.inotify_init1, what.flags | O.O_CLOEXEC)
      case 'memfd':
        return sys3(N.memfd_create, this.#path.text(what.name), what.flags | 1)
      case 'signalfd':
        this.#out.bytes.set(what.mask)
        return sys6(N.signalfd4, -1, this.#out.address, 8, what.flags | O.O_CLOEXEC)
      default:
        return what satisfies never
    }
  }

  seal(memfd: Descriptor): Outcome<true> {
    return ok(sys3(N.fcntl, fdOf(memfd), F_ADD_SEALS, F_SEAL_SEAL))
  }

  setSignalMask(signalfd: TargetDescriptor, mask: Uint8Array): Outcome<true> {
    this.#out.bytes.set(mask)
    return ok(sys6(N.signalfd4, fdOf(signalfd), this.#out.address, 8, 0))
  }

  #pair(result: number): Outcome<readonly [OwnedFd, OwnedFd]> {
    if (result < 0) return Fail.of(result)
    return [new OwnedFd(this.#out.bytes.readInt32LE(0)), new OwnedFd(this.#out.bytes.readInt32LE(4))]
  }

  pipe(flags: number): Outcome<readonly [OwnedFd, OwnedFd]> {
    return this.#pair(sys3(N.pipe2, this.#out.address, flags | O.O_CLOEXEC))
  }

  socketpair(type: number): Outcome<readonly [OwnedFd, OwnedFd]> {
    const made = this.#pair(sys6(N.socketpair, 1, type | O.O_CLOEXEC, 0, this.#out.address))
    if (failed(made) || this.reception !== 'broker') return made
    const marked = Math.min(...made.map((end) => markOwnEnd(end.number)))
    if (marked === 0) return made
    for (const end of made) end.close()
    return Fail.of(marked)
  }

  #scratch: readonly [OwnedFd, OwnedFd] | undefined

  fifoHasWriter(fd: Descriptor): boolean {
    // tee(2) takes nothing out: 0 means no writer, EAGAIN a writer that has not written, more that there are data.
    if (this.#scratch === undefined) {
      const made = this.pipe(O.O_NONBLOCK)
      if (failed(made)) return false
      this.#scratch = made
    }
    const seen = sys6(N.tee, fdOf(fd), this.#scratch[1].number, 1, 2)
    if (seen > 0) {
      this.#scratch[0].close()
      this.#scratch[1].close()
      this.#scratch = undefined
    }
    return seen !== 0 || this.#hungUp(fdOf(fd))
  }

  /** True if a writer has come and gone, which leaves POLLHUP behind: fs/pipe.c, pipe_poll. */
  #hungUp(fd: number): boolean {
    this.#out.bytes.writeInt32LE(fd, 64)
    this.#out.bytes.writeUInt32LE(1, 68)
    this.#out.bytes.fill(0, 80, 96)
    const ready = sys6(N.poll, this.#out.address + 64, 1, this.#out.address + 80, 0, 8)
    return ready > 0 && (this.#out.bytes.readUInt16LE(70) & 0x10) !== 0
  }
}

/** An unsigned number of 64 bits, exact up to 2^53. */
function word(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000
}

function ownPath(fd: number): string {
  return `/proc/thread-self/fd/${fd}`
}

function spelled(place: Place): string {
  return place.trailingSlash && place.path !== '/' ? `${place.path}/` : place.path
}
