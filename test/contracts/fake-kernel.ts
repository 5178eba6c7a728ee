/** The kernel port in memory. The contract suite holds it to what the real one does. */
import { Errno } from '../../src/abi/errno.js'
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, W_OK, X_OK } from '../../src/abi/mode.js'
import { openFlags } from '../../src/abi/open-flags.js'
import {
  AT_REMOVEDIR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../src/abi/path-flags.js'
import { STAT, STATFS, STATX } from '../../src/abi/stat-structs.js'
import type { BytePath } from '../../src/policy/request.js'
import { rawPath } from '../../src/policy/request.js'
import { Fail, failed, type Outcome } from '../../src/syscalls/outcome.js'
import type { Place } from '../../src/syscalls/place.js'
import type {
  AnonymousKind,
  Descriptor,
  EntryKind,
  FileFacts,
  Kernel,
  NameHeld,
  NamesHeld,
  OpenHow,
  TargetDescriptor,
} from '../../src/syscalls/ports.js'
import { description, FakeFd, Ledger, textOf, type Description } from './fake-descriptors.js'
import { Files, Inode, type Found, type Sketch } from './fake-files.js'
import { FakeSockets } from './fake-sockets.js'

const O = openFlags('x64')
const NODE_KINDS: ReadonlyMap<number, EntryKind> = new Map([
  [0, 'regular'],
  [S_IFREG, 'regular'],
  [S_IFIFO, 'fifo'],
  [S_IFSOCK, 'socket'],
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'link'],
])
/** What F_SETFL can change: fcntl(2). */
const SETTABLE = O.O_APPEND | O.O_ASYNC | O.O_DIRECT | O.O_NOATIME | O.O_NONBLOCK

export class FakeKernel implements Kernel {
  readonly files: Files
  readonly ledger = new Ledger((closed) => this.#closed(closed))
  readonly sockets = new FakeSockets(this.ledger, {
    make: (place, mode, umask) => this.mknod(place, mode, umask),
    look: (place) => {
      const inode = this.#there(this.#at(place))
      return failed(inode) ? inode : inode.kind === 'link' ? Fail.of(Errno.ELOOP) : true
    },
    identityOf: (path) => this.identityOf(path),
  })
  /** Every path that something was opened, listed or changed at. */
  readonly used: BytePath[] = []
  /** Every name that was looked up, without anything being done there. */
  readonly asked: BytePath[] = []
  /** Directories of an automounter's. */
  readonly automounted = new Set<string>()
  #anonymous = 0

  constructor(sketch: Sketch = {}) {
    this.files = new Files(sketch)
  }

  // --- names

  mountsOnDemand(directory: BytePath): boolean {
    this.asked.push(directory)
    return this.automounted.has(directory)
  }

  kindWithoutSymlinks(path: BytePath): Outcome<EntryKind | 'nothing'> {
    const kind = this.kindOf(path)
    if (failed(kind)) return kind.errno === Errno.ENOENT ? 'nothing' : kind
    return kind === 'link' ? Fail.of(Errno.ELOOP) : kind
  }

  kindOf(path: BytePath): Outcome<EntryKind> {
    this.asked.push(path)
    const inode = this.#there(this.files.find(path))
    return failed(inode) ? inode : inode.kind
  }

  linkText(path: BytePath): Outcome<BytePath> {
    this.asked.push(path)
    const inode = this.#there(this.files.find(path))
    if (failed(inode)) return inode
    return inode.kind === 'link' ? rawPath(inode.text) : Fail.of(Errno.EINVAL)
  }

  identityOf(path: BytePath): Outcome<string> {
    this.asked.push(path)
    const inode = this.#there(this.files.find(path))
    return failed(inode) ? inode : `inode ${inode.number}`
  }

  #there(found: Outcome<Found>): Outcome<Inode> {
    return failed(found) ? found : (found.inode ?? Fail.of(Errno.ENOENT))
  }

  #at(place: Place): Outcome<Found> {
    this.used.push(place.path)
    const found = this.files.find(place.path)
    if (failed(found) || found.inode === undefined || !place.trailingSlash) return found
    if (found.inode.kind === 'link') return Fail.of(Errno.ELOOP)
    return found.inode.kind === 'directory' ? found : Fail.of(Errno.ENOTDIR)
  }

  #made(description: Description): FakeFd {
    const { inode, flags } = description
    if (inode?.kind === 'fifo' && (flags & O.O_PATH) === 0) {
      const mode = flags & O.O_ACCMODE
      if (mode !== O.O_WRONLY) inode.readers++
      if (mode !== O.O_RDONLY) {
        inode.writers++
        inode.hadWriter = true
      }
    }
    return new FakeFd(this.ledger, description)
  }

  #closed(description: Description): void {
    description.users--
    const { inode, flags } = description
    if (description.users > 0 || inode?.kind !== 'fifo' || (flags & O.O_PATH) !== 0) return
    if ((flags & O.O_ACCMODE) !== O.O_WRONLY) inode.readers--
    if ((flags & O.O_ACCMODE) !== O.O_RDONLY) inode.writers--
  }

  // --- opening

  openToEmpty(): undefined {
    return undefined
  }

  /** Directories where a call is under way that may sleep. */
  readonly busy = new Set<string>()

  isBusy({ parent }: Place): boolean {
    return this.busy.has(parent)
  }

  open(place: Place, how: OpenHow): Outcome<Descriptor> {
    const bad = badFlags(how)
    if (bad !== undefined) return bad
    const found = this.#at(place)
    if (failed(found)) return found
    const inode = this.#openable(place, found, how)
    if (failed(inode)) return inode
    if ((how.flags & O.O_TRUNC) !== 0 && inode.kind === 'regular') inode.content = new Uint8Array(0)
    return this.#made(
      description({ inode, flags: how.flags & ~(O.O_CREAT | O.O_EXCL | O.O_NOCTTY | O.O_TRUNC), openedAt: place.path }),
    )
  }

  #openable(place: Place, { parent, name, inode }: Found, { flags, mode, umask }: OpenHow): Outcome<Inode> {
    const writes = (flags & O.O_ACCMODE) !== O.O_RDONLY
    if (inode === undefined) {
      if ((flags & O.O_CREAT) === 0) return Fail.of(Errno.ENOENT)
      if (place.trailingSlash) return Fail.of(Errno.EISDIR)
      return this.files.add(parent, name, new Inode('regular', mode & ~umask))
    }
    if ((flags & O.O_TMPFILE) === O.O_TMPFILE) {
      if (inode.kind === 'directory') return new Inode('regular', mode & ~umask)
      return Fail.of(inode.kind === 'link' ? Errno.ELOOP : Errno.ENOTDIR)
    }
    if ((flags & (O.O_CREAT | O.O_EXCL)) === (O.O_CREAT | O.O_EXCL)) return Fail.of(Errno.EEXIST)
    if (inode.kind === 'link')
      return (flags & (O.O_PATH | O.O_NOFOLLOW)) === (O.O_PATH | O.O_NOFOLLOW) ? inode : Fail.of(Errno.ELOOP)
    if ((flags & O.O_DIRECTORY) !== 0 && inode.kind !== 'directory') return Fail.of(Errno.ENOTDIR)
    if ((flags & O.O_PATH) !== 0) return inode
    if (inode.kind === 'directory' && (writes || (flags & O.O_CREAT) !== 0 || (flags & O.O_TRUNC) !== 0))
      return Fail.of(Errno.EISDIR)
    if (inode.kind === 'socket') return Fail.of(Errno.ENXIO)
    if (inode.kind === 'fifo' && (flags & O.O_ACCMODE) === O.O_WRONLY && inode.readers === 0)
      return Fail.of(Errno.ENXIO)
    return inode
  }

  handle(place: Place, last: 'follow' | 'keep'): Outcome<Descriptor> {
    const flags = O.O_PATH | (last === 'keep' ? O.O_NOFOLLOW : 0)
    return this.open(place, { flags, mode: 0, umask: 0 })
  }

  head(place: Place): Outcome<Uint8Array> {
    const inode = this.#there(this.#at(place))
    if (failed(inode)) return inode
    if (inode.kind === 'link') return Fail.of(Errno.ELOOP)
    return inode.kind === 'regular' ? inode.content.slice(0, 4096) : new Uint8Array(0)
  }

  isNew(place: Place): Outcome<boolean> {
    const inode = this.#there(this.#at(place))
    return failed(inode) ? inode : inode.number > this.files.last
  }

  reopen(held: Descriptor, flags: number): Outcome<Descriptor> {
    const old = this.#description(held)
    if ((flags & O.O_TRUNC) !== 0 && old.inode !== undefined) old.inode.content = new Uint8Array(0)
    if (old.socket !== undefined) return Fail.of(Errno.ENXIO)
    return this.#made(description({ ...old, flags: flags & ~(O.O_NOCTTY | O.O_TRUNC) }))
  }

  // --- descriptors

  #description(fd: Descriptor): Description {
    if (!(fd instanceof FakeFd)) throw new TypeError('a descriptor of another kernel')
    if (!fd.isOpen) throw new TypeError('this descriptor is closed')
    return fd.description
  }

  #inode(fd: Descriptor): Inode | undefined {
    return this.#description(fd).inode
  }

  facts(fd: Descriptor): Outcome<FileFacts> {
    const inode = this.#inode(fd)
    if (inode !== undefined) return { kind: inode.kind, links: inode.links }
    const { label, socket } = this.#description(fd)
    return {
      kind: socket !== undefined ? 'socket' : label.startsWith('pipe:') ? 'fifo' : 'regular',
      links: label.startsWith('/memfd:') ? 0 : 1,
    }
  }

  setStatusFlags(fd: Descriptor, flags: number): Outcome<true> {
    const opened = this.#description(fd)
    if ((opened.flags & O.O_PATH) !== 0) return Fail.of(Errno.EBADF)
    opened.flags = (opened.flags & ~SETTABLE) | (flags & SETTABLE)
    return true
  }

  statusFlags(fd: Descriptor): Outcome<number> {
    return this.#description(fd).flags
  }

  textOf(fd: Descriptor): Outcome<BytePath> {
    return textOf(this.files, this.#description(fd))
  }

  stat(fd: Descriptor): Outcome<Uint8Array> {
    const bytes = Buffer.alloc(STAT.x64.size)
    const inode = this.#inode(fd)
    bytes.writeUInt32LE(inode?.mode ?? S_IFIFO, STAT.x64.st_mode.at)
    bytes.writeUInt32LE(inode?.links ?? 1, STAT.x64.st_nlink.at)
    bytes.writeUInt32LE(inode?.number ?? 0, STAT.x64.st_ino.at)
    bytes.writeUInt32LE(inode?.content.length ?? 0, STAT.x64.st_size.at)
    return bytes
  }

  statx(fd: Descriptor, _flags: number, mask: number): Outcome<Uint8Array> {
    if (mask >= 0x80000000) return Fail.of(Errno.EINVAL)
    const bytes = Buffer.alloc(STATX.size)
    const inode = this.#inode(fd)
    bytes.writeUInt16LE(inode?.mode ?? S_IFIFO, STATX.stx_mode)
    bytes.writeUInt32LE(inode?.links ?? 1, STATX.stx_nlink)
    return bytes
  }

  statfs(fd: Descriptor): Outcome<Uint8Array> {
    this.#description(fd)
    return Buffer.alloc(STATFS.size)
  }

  /** As for root without capabilities to spare: only execution is a question of the mode. */
  access(fd: Descriptor, mode: number, flags: number): Outcome<true> {
    if ((mode & ~7) !== 0 || (flags & ~0x1300) !== 0) return Fail.of(Errno.EINVAL)
    const inode = this.#inode(fd)
    if (inode === undefined) return true
    const granted = (mode & X_OK) === 0 || inode.kind === 'directory' || (inode.permissions & 0o111) !== 0
    return granted && (inode.kind !== 'link' || (mode & W_OK) === 0) ? true : Fail.of(Errno.EACCES)
  }

  readlink(fd: Descriptor): Outcome<string> {
    const inode = this.#inode(fd)
    return inode?.kind === 'link' ? inode.text : Fail.of(inode?.kind === undefined ? Errno.ENOENT : Errno.EINVAL)
  }

  // --- extended attributes and watches

  getxattr(fd: Descriptor, name: string, size: number): Outcome<Uint8Array | number> {
    // xattr(7): there is no attribute outside of these namespaces.
    if (!/^(?:user|trusted|security|system)\../.test(name)) return Fail.of(Errno.EOPNOTSUPP)
    const value = this.#inode(fd)?.xattrs.get(name)
    if (value === undefined) return Fail.of(Errno.ENODATA)
    if (size === 0) return value.length
    return value.length > size ? Fail.of(Errno.ERANGE) : value
  }

  listxattr(fd: Descriptor, size: number): Outcome<Uint8Array | number> {
    const list = Buffer.from([...(this.#inode(fd)?.xattrs.keys() ?? [])].map((name) => `${name}\0`).join(''), 'latin1')
    if (size === 0) return list.length
    return list.length > size ? Fail.of(Errno.ERANGE) : list
  }

  setxattr(fd: Descriptor, name: string, value: Uint8Array, flags: number): Outcome<true> {
    const inode = this.#inode(fd)
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return Fail.of(Errno.EINVAL)
    if (inode === undefined || !name.startsWith('user.')) return Fail.of(Errno.EOPNOTSUPP)
    if (inode.kind === 'link') return Fail.of(Errno.EPERM)
    if ((flags & XATTR_CREATE) !== 0 && inode.xattrs.has(name)) return Fail.of(Errno.EEXIST)
    if ((flags & XATTR_REPLACE) !== 0 && !inode.xattrs.has(name)) return Fail.of(Errno.ENODATA)
    inode.xattrs.set(name, value)
    return true
  }

  removexattr(fd: Descriptor, name: string): Outcome<true> {
    if (this.#inode(fd)?.kind === 'link') return Fail.of(Errno.EPERM)
    return this.#inode(fd)?.xattrs.delete(name) === true ? true : Fail.of(Errno.ENODATA)
  }

  watch(inotify: TargetDescriptor, fd: Descriptor, mask: number): Outcome<number> {
    this.#description(fd)
    if (this.#description(inotify).label !== 'anon_inode:inotify' || mask === 0) return Fail.of(Errno.EINVAL)
    return 1
  }

  // --- changes

  #free(place: Place): Outcome<Found> {
    const found = this.#at(place)
    if (failed(found))
      return found.errno === Errno.ENOTDIR || found.errno === Errno.ELOOP ? this.#freeBehind(place, found) : found
    return found.inode === undefined ? found : Fail.of(Errno.EEXIST)
  }

  /** A trailing slash asks of what is there that it be a directory, but that it is there comes first: EEXIST. */
  #freeBehind(place: Place, fail: Fail): Outcome<Found> {
    const found = this.files.find(place.path)
    return failed(found) || found.inode === undefined ? fail : Fail.of(Errno.EEXIST)
  }

  #create(place: Place, inode: Inode): Outcome<true> {
    const found = this.#free(place)
    if (failed(found)) return found
    if (place.trailingSlash && inode.kind !== 'directory') return Fail.of(Errno.ENOENT)
    this.files.add(found.parent, found.name, inode)
    return true
  }

  /** Directories that another broker thread has. */
  readonly taken = new Set<string>()

  hold(from: Place, to: Place): Outcome<NamesHeld> | 'taken' {
    for (const place of [from, to]) {
      const parent = this.#there(this.files.find(place.parent))
      if (failed(parent)) return parent
      if (parent.kind !== 'directory') return Fail.of(parent.kind === 'link' ? Errno.ELOOP : Errno.ENOTDIR)
    }
    if ([from, to].some(({ parent }) => this.taken.has(parent))) return 'taken'
    return { from: { place: from }, to: { place: to }, [Symbol.dispose]() {} }
  }

  kindAt({ place }: NameHeld): Outcome<EntryKind> {
    return this.kindOf(place.path)
  }

  identityAt({ place }: NameHeld): Outcome<string> {
    return this.identityOf(place.path)
  }

  mkdir({ place }: NameHeld, mode: number, umask: number): Outcome<true> {
    return this.#create(place, new Inode('directory', mode & 0o1777 & ~umask))
  }

  mknod(place: Place, mode: number, umask: number): Outcome<true> {
    const kind = NODE_KINDS.get(mode & S_IFMT) ?? 'device'
    if (kind === 'directory') return Fail.of(Errno.EPERM)
    if (kind === 'link') return Fail.of(Errno.EINVAL)
    return this.#create(place, new Inode(kind, mode & 0o7777 & ~umask))
  }

  symlink(text: string, { place }: NameHeld): Outcome<true> {
    const inode = new Inode('link', 0o777)
    inode.text = text
    return this.#create(place, inode)
  }

  link({ from: { place: from }, to: { place: to } }: NamesHeld): Outcome<true> {
    const existing = this.#there(this.#at(from))
    if (failed(existing)) return existing
    const free = this.#free(to)
    if (failed(free)) return free
    if (existing.kind === 'directory') return Fail.of(Errno.EPERM)
    return this.#create(to, existing)
  }

  linkUnnamed(file: Descriptor, to: Place): Outcome<true> {
    const inode = this.#inode(file)
    if (inode === undefined) return Fail.of(Errno.EXDEV)
    if (inode.lastPath !== undefined) return Fail.of(Errno.ENOENT)
    const free = this.#free(to)
    return failed(free) ? free : this.#create(to, inode)
  }

  unlink(place: Place, flags: number): Outcome<true> {
    const found = this.#at(place)
    if (failed(found)) return found.errno === Errno.ELOOP && place.trailingSlash ? Fail.of(Errno.ENOTDIR) : found
    const { inode } = found
    if (inode === undefined) return Fail.of(Errno.ENOENT)
    if ((flags & AT_REMOVEDIR) !== 0) {
      if (inode.kind !== 'directory') return Fail.of(Errno.ENOTDIR)
      if (inode.entries.size > 0) return Fail.of(Errno.ENOTEMPTY)
    } else if (inode.kind === 'directory') return Fail.of(Errno.EISDIR)
    this.files.remove(found.parent, found.name)
    return true
  }

  rename({ from: { place: from }, to: { place: to } }: NamesHeld, flags: number): Outcome<true> {
    const source = this.#at(from)
    const target = this.#at(to)
    if (failed(source)) return source
    if (failed(target)) return target
    const { inode } = source
    if (inode === undefined) return Fail.of(Errno.ENOENT)
    if ((flags & RENAME_NOREPLACE) !== 0 && (flags & RENAME_EXCHANGE) !== 0) return Fail.of(Errno.EINVAL)
    if ((flags & RENAME_NOREPLACE) !== 0 && target.inode !== undefined) return Fail.of(Errno.EEXIST)
    if (inode.kind !== 'directory' && to.trailingSlash && target.inode === undefined) return Fail.of(Errno.ENOTDIR)
    if (inode.kind === 'directory' && `${to.path}/`.startsWith(`${from.path}/`) && from.path !== to.path)
      return Fail.of(Errno.EINVAL)
    if ((flags & RENAME_EXCHANGE) !== 0) {
      if (target.inode === undefined) return Fail.of(Errno.ENOENT)
      source.parent.entries.set(source.name, target.inode)
      target.parent.entries.set(target.name, inode)
      return true
    }
    return this.#replace(source, inode, target)
  }

  #replace(source: Found, inode: Inode, target: Found): Outcome<true> {
    const old = target.inode
    if (old === inode) return true
    if (old !== undefined) {
      if (inode.kind === 'directory' && old.kind !== 'directory') return Fail.of(Errno.ENOTDIR)
      if (inode.kind !== 'directory' && old.kind === 'directory') return Fail.of(Errno.EISDIR)
      if (old.entries.size > 0) return Fail.of(Errno.ENOTEMPTY)
      this.files.remove(target.parent, target.name)
    }
    source.parent.entries.delete(source.name)
    target.parent.entries.set(target.name, inode)
    return true
  }

  chmod(fd: Descriptor, mode: number): Outcome<true> {
    const inode = this.#inode(fd)
    if (inode?.kind === 'link') return Fail.of(Errno.EOPNOTSUPP)
    if (inode !== undefined) inode.permissions = mode & 0o7777
    return true
  }

  chown(fd: Descriptor, owner: number, group: number): Outcome<true> {
    const inode = this.#inode(fd)
    if (inode === undefined) return true
    if (owner >>> 0 !== 0xffffffff) inode.owner = owner
    if (group >>> 0 !== 0xffffffff) inode.group = group
    return true
  }

  utimens(fd: Descriptor, times: Uint8Array | undefined): Outcome<true> {
    const inode = this.#inode(fd)
    if (inode !== undefined) inode.times = times ?? Buffer.from('now')
    return true
  }

  truncateAt(place: Place, length: number): Outcome<true> {
    const opened = this.open(place, { flags: O.O_WRONLY | O.O_NONBLOCK, mode: 0, umask: 0 })
    if (failed(opened)) return opened
    const result = this.truncate(opened, length)
    opened.close()
    return result
  }

  truncate(fd: Descriptor, length: number): Outcome<true> {
    const { inode, flags } = this.#description(fd)
    const mayWrite = (flags & O.O_PATH) !== 0 || (flags & O.O_ACCMODE) !== O.O_RDONLY
    if (length < 0 || !mayWrite || (inode !== undefined && inode.kind !== 'regular')) return Fail.of(Errno.EINVAL)
    if (length > 0xffff) return Fail.of(Errno.EFBIG)
    if (inode === undefined) return true
    const cut = new Uint8Array(length)
    cut.set(inode.content.subarray(0, length))
    inode.content = cut
    return true
  }

  // --- without a path

  #nameless(label: string, flags: number): FakeFd {
    return this.#made(description({ label, flags }))
  }

  readonly pid = 1
  readonly ids = { user: 0, group: 0 }
  /** What was signalled, in order: what the pidfd shows, and the signal. */
  readonly signalled: string[] = []

  capabilities(): Outcome<Uint8Array> {
    return new Uint8Array(24)
  }

  scopesSignals = true
  /** Processes that have ended. */
  readonly ended = new Set<number>()
  namesThreads = true

  pidfd(pid: number, flags: number): Outcome<Descriptor> {
    if (flags !== 0 && !this.namesThreads) return Fail.of(Errno.EINVAL)
    return this.ended.has(pid) ? Fail.of(Errno.ESRCH) : this.#nameless('anon_inode:[pidfd]', 0)
  }

  signalThread(pid: number, thread: number, signal: number): Outcome<true> {
    this.signalled.push(`thread ${thread} of ${pid} ${signal}`)
    return true
  }

  signal(pidfd: Descriptor, signal: number): Outcome<true> {
    this.signalled.push(`${this.#description(pidfd).label} ${signal}`)
    return true
  }

  anonymous(what: AnonymousKind): Outcome<Descriptor> {
    return this.#nameless(labelOf(what), O.O_RDWR | (what.flags & O.O_NONBLOCK))
  }

  seal(): Outcome<true> {
    return true
  }

  setSignalMask(signalfd: TargetDescriptor): Outcome<true> {
    return this.#description(signalfd).label === 'anon_inode:[signalfd]' ? true : Fail.of(Errno.EINVAL)
  }

  pipe(flags: number): Outcome<readonly [Descriptor, Descriptor]> {
    const label = `pipe:[${++this.#anonymous}]`
    return [this.#nameless(label, flags & O.O_NONBLOCK), this.#nameless(label, O.O_WRONLY | (flags & O.O_NONBLOCK))]
  }

  socketpair(type: number): Outcome<readonly [Descriptor, Descriptor]> {
    return [this.sockets.make(1, type), this.sockets.make(1, type)]
  }

  fifoHasWriter(fd: Descriptor): boolean {
    const inode = this.#inode(fd)
    return inode === undefined || inode.writers > 0 || inode.hadWriter
  }
}

/** As /proc/<pid>/fd shows them. */
function labelOf(what: AnonymousKind): string {
  switch (what.kind) {
    case 'memfd':
      return `/memfd:${what.name} (deleted)`
    case 'inotify':
      return 'anon_inode:inotify'
    case 'epoll':
      return 'anon_inode:[eventpoll]'
    default:
      return `anon_inode:[${what.kind}]`
  }
}

/** What openat2(2) refuses before it looks at the path. */
function badFlags({ flags, mode }: OpenHow): Fail | undefined {
  const tmpfile = O.O_TMPFILE & ~O.O_DIRECTORY
  const creates = (flags & (O.O_CREAT | tmpfile)) !== 0
  if (mode !== 0 && !creates) return Fail.of(Errno.EINVAL)
  if ((flags & O.O_PATH) !== 0 && (flags & ~(O.O_PATH | O.O_NOFOLLOW | O.O_DIRECTORY | O.O_CLOEXEC)) !== 0)
    return Fail.of(Errno.EINVAL)
  if ((flags & tmpfile) !== 0 && ((flags & O.O_TMPFILE) !== O.O_TMPFILE || (flags & O.O_ACCMODE) === O.O_RDONLY))
    return Fail.of(Errno.EINVAL)
  if ((flags & O.O_CREAT) !== 0 && (flags & O.O_DIRECTORY) !== 0) return Fail.of(Errno.EINVAL)
  return undefined
}
