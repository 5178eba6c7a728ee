/**
 * The handlers' view of the outside, as interfaces. `sys/` implements them with the real kernel, the tests with a
 * fake one; both pass the same contract suite.
 *
 * Whatever acts on a path takes a `Place`, which only a policy decision can make: an undecided path does not compile.
 */
import type { EntryKind } from '../policy/access.js'
import type { BytePath } from '../policy/request.js'
import type { Endpoint } from './endpoint.js'
import type { Outcome } from './outcome.js'
import type { Place } from './place.js'

/** A descriptor of the broker's. Whoever holds it closes it. */
export interface Descriptor {
  close(): void
}

/** A descriptor of the target's, duplicated into the broker. Shares offset and status flags with the original. */
export interface TargetDescriptor extends Descriptor {
  readonly duplicate: true
}

/** How a process stands to the worker: of its tree, somebody else's, or not there. */
export type Relation = 'ownTree' | 'foreign' | 'exited'

/** The thread that trapped, and its process. Everything here is the worker's word or the kernel's about it. */
export interface Target {
  readonly tid: number
  /** The first thread of the worker, and its process: the root of its process tree. */
  readonly worker: number
  /** The thread group id; the number under which /proc shows its process. */
  pid(): Outcome<number>
  /** True while the notification is still the one received: read first, ask this, then act. */
  stillWaiting(): boolean
  /** Up to `max` bytes until NUL, without it. EFAULT where memory ends first, ENAMETOOLONG without a NUL. */
  readString(pointer: number, max: number): Outcome<string>
  /** Exactly `length` bytes, or EFAULT. */
  readBytes(pointer: number, length: number): Outcome<Uint8Array>
  /** All of it, or EFAULT. Nothing can be written anywhere. */
  writeBytes(pointer: number, bytes: Uint8Array): Outcome<true>
  /** Canonical text of the working directory, as /proc shows it. */
  workingDirectory(): Outcome<BytePath>
  /** The text of a descriptor in /proc: a path, `pipe:[5]`, `/x (deleted)`. EBADF where it is not open. */
  descriptorText(fd: number): Outcome<BytePath>
  /** EPERM or ENOSYS where a container's profile forbids it. */
  descriptor(fd: number): Outcome<TargetDescriptor>
  /**
   * A descriptor's file, to look at it or to change its attributes: a duplicate, or where there can be none a
   * handle (O_PATH) of the same file.
   */
  fileOf(fd: number): Outcome<Descriptor>
  /** The status flags of a descriptor that such a handle was taken of: EBADF where it refers to another file by now. */
  flagsOf(fd: number, handle: Descriptor): Outcome<number>
  /** `ownTree`: the worker, or a living descendant of it, or a thread of one. */
  relationTo(pid: number): Relation
  /** Of all members of a process group together: `ownTree` if every one is. 0: the group of the calling process. */
  relationToGroup(group: number): Relation
  /** The members of a process group now. 0: the group of the calling process. */
  membersOf(group: number): readonly number[]
  /** Sends the thread a signal, as the kernel would in the middle of the call; its process, where no pidfd names a thread. */
  raise(signal: number): void
  /** The file mode creation mask of the calling thread. */
  umask(): Outcome<number>
  /**
   * A duplicate of the socket of that inode, if the worker or a living descendant has it: ENOENT if none does. `fd`: where
   * it most likely is in the calling thread.
   */
  ownSocket(inode: number, fd: number): Outcome<TargetDescriptor>
}

export type { EntryKind } from '../policy/access.js'

/** Facts about names, for resolving. They are proposals: nothing is opened by them and nothing follows a link. */
export interface Names {
  kindOf(path: BytePath): Outcome<EntryKind>
  linkText(path: BytePath): Outcome<BytePath>
  /** Names the file that is there, whatever it is called: what takes its place later is another. */
  identityOf(path: BytePath): Outcome<string>
  /**
   * True if asking for a name in this directory may start an automounter, which then mounts something of that name:
   * autofs(5). True also where that cannot be told.
   */
  mountsOnDemand(directory: BytePath): boolean
  /**
   * A short way for a path that is spelled canonically: what is there, or `nothing`, if no symbolic link lies on the
   * way; ELOOP if one does. Where a port has no such way, the walk finds the same.
   */
  kindWithoutSymlinks?(path: BytePath): Outcome<EntryKind | 'nothing'>
}

/** A name in a directory that the broker holds open, and has for itself: nobody else makes or moves a name in it. */
export interface NameHeld {
  readonly place: Place
}

/** Until they are given back. */
export interface NamesHeld extends Disposable {
  readonly from: NameHeld
  readonly to: NameHeld
}

export interface OpenHow {
  readonly flags: number
  readonly mode: number
  readonly umask: number
}

export type AnonymousKind =
  | { readonly kind: 'eventfd'; readonly initial: number; readonly flags: number }
  | { readonly kind: 'epoll'; readonly flags: number }
  | { readonly kind: 'timerfd'; readonly clock: number; readonly flags: number }
  | { readonly kind: 'memfd'; readonly name: string; readonly flags: number }
  | { readonly kind: 'inotify'; readonly flags: number }
  | { readonly kind: 'signalfd'; readonly mask: Uint8Array; readonly flags: number }

export interface SocketFacts {
  readonly domain: number
  /** SOCK_STREAM and so on, without flags. */
  readonly type: number
  readonly protocol: number
}

/** A socket as sock_diag(7) shows it. */
export interface SocketAt {
  /** Where it is bound. */
  readonly host: string
  readonly cookie: string
  /** Of its file; 0 where no process has it any more. */
  readonly inode: number
  /** 0 where it is not connected. */
  readonly peerPort: number
}

/**
 * Calls on sockets. `fd` is a duplicate of the target's own socket, so what is done to it is done to the target's. None
 * of them blocks: EAGAIN and EINPROGRESS come back as they are, whatever the socket's own mode.
 */
export interface Sockets {
  /**
   * Of the unix family, one that no descriptor can be received on (SO_PASSRIGHTS, Linux 6.16); EACCES where the kernel cannot, unless
   * the broker receives.
   */
  create(domain: number, type: number, protocol: number): Outcome<Descriptor>
  facts(fd: Descriptor): Outcome<SocketFacts>
  localAddress(fd: Descriptor): Outcome<Uint8Array>
  /** ENOTCONN where it has no peer. */
  remoteAddress(fd: Descriptor): Outcome<Uint8Array>
  /** SO_PEERCRED: a struct ucred. */
  peerCredentials(fd: Descriptor): Outcome<Uint8Array>
  /** SO_PASSCRED. */
  passCredentials(fd: Descriptor, isOn: boolean): Outcome<true>
  /** SO_COOKIE: names this socket for as long as the machine runs. */
  cookie(fd: Descriptor): Outcome<string>
  /** All sockets that would get what is sent to this port, whatever address they are bound to. */
  receivers(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]>
  /** All sockets that are bound to this port, whether or not they listen, and both ends of connections. */
  boundTo(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]>
  /** The inodes of all sockets of this abstract name. A name that only looks the same in /proc/net/unix counts as the same. */
  named(abstract: BytePath): Outcome<readonly number[]>
  /** SO_REUSEADDR or SO_REUSEPORT: whether another socket may have the same port. */
  share(fd: Descriptor, option: 'address' | 'port', isOn: boolean): Outcome<true>
  /** True if descriptors may come in over it: only over the ends of a pair that was made for the worker. */
  takesDescriptors(fd: Descriptor): boolean
  /** True if this machine itself has the address. No packet is sent to find out. */
  isHere(host: string): boolean
  /** Two connected stream sockets of the unix family, both non-blocking and closed to descriptors. */
  pair(): Outcome<readonly [Descriptor, Descriptor]>
  /** The peer of a connected socket is gone, and nothing of what it said is left to read. */
  isOver(fd: Descriptor): boolean
  isBlocking(fd: Descriptor): boolean
  isReady(fd: Descriptor, direction: 'in' | 'out'): boolean
  /**
   * SO_LINGER with a time of 0: the last close(2) resets the connection and drops what was not sent. Off: it does
   * neither, and never waits.
   */
  resetOnClose(fd: Descriptor, isOn: boolean): Outcome<true>
  /** SO_SNDTIMEO: a struct timeval. `connect` relies on that nobody else sets it. */
  sendTimeout(fd: Descriptor, time: Uint8Array): Outcome<true>
  /** One of the options by which a socket joins a multicast group. */
  join(fd: Descriptor, level: number, option: number, request: Uint8Array): Outcome<true>
  connect(fd: Descriptor, address: Endpoint): Outcome<true>
  bind(fd: Descriptor, address: Endpoint, umask: number): Outcome<true>
  listen(fd: Descriptor, backlog: number): Outcome<true>
  /** To accept from this socket, while no other broker thread does. `taken`: one does, and it is to be asked again. */
  hold(fd: Descriptor): Outcome<Disposable> | 'taken'
  /**
   * The new socket, and the address of who connected; EAGAIN where nobody did. It waits only where somebody else takes
   * the connection meanwhile: the caller holds the socket.
   */
  accept(fd: Descriptor, flags: number): Outcome<{ readonly fd: Descriptor; readonly address: Uint8Array }>
  /** recvmsg(2) with these flags; EAGAIN where nothing is there. */
  receive(fd: Descriptor, room: Room, flags: number): Outcome<Receipt>
  /** Milliseconds of a clock that only goes on. */
  now(): number
  /** SO_RCVTIMEO in milliseconds, undefined for none; SO_RCVLOWAT in bytes. */
  receiveLimits(fd: Descriptor): { readonly timeout: number | undefined; readonly lowest: number }
  send(
    fd: Descriptor,
    data: Uint8Array,
    flags: number,
    to: Endpoint | undefined,
    pass: readonly Descriptor[],
    control?: readonly ControlMessage[],
  ): Outcome<number>
}

/** One that is no descriptor: cmsg(3). */
export interface ControlMessage {
  readonly level: number
  readonly type: number
  readonly content: Uint8Array
}

/** Whom the broker acts as, and what a worker was born as; undefined where its real and its effective ids differ. */
export interface Ids {
  readonly user: number | undefined
  readonly group: number | undefined
}

/** How much a receiver has room for. No room for control messages: the kernel closes descriptors that came along. */
export interface Room {
  readonly data: number
  readonly control: number
}

/** The result of recvmsg(2). */
export interface Receipt {
  /** The result: more than there are `data` where MSG_TRUNC asked for the whole length. */
  readonly length: number
  readonly data: Uint8Array
  /** Empty where it has none. */
  readonly address: Uint8Array
  readonly flags: number
  /** The control messages as the kernel laid them out, but for the numbers of descriptors, which are 0. */
  readonly control: Uint8Array
  /** Descriptors of SCM_RIGHTS, and where in `control` that message begins: it is the last. */
  readonly rights: { readonly at: number; readonly fds: readonly Descriptor[] } | undefined
}

export interface FileFacts {
  readonly kind: EntryKind
  readonly links: number
}

/**
 * The kernel, as the broker uses it. Path operations walk from the root of the file system to a canonical path and
 * refuse every symbolic link on the way with ELOOP (openat2(2), RESOLVE_NO_SYMLINKS), so the place that was decided is
 * the place that is used, whatever is renamed meanwhile.
 */
export interface Kernel extends Names {
  readonly sockets: Sockets
  /** Never blocks: a FIFO or device is opened O_NONBLOCK, and never becomes a controlling terminal. */
  open(place: Place, how: OpenHow): Outcome<Descriptor>
  /** An O_PATH handle. `keep`: the last component may be a symbolic link, which is then what the handle means. */
  handle(place: Place, last: 'follow' | 'keep'): Outcome<Descriptor>
  /** A new open of what a descriptor of the target refers to, through the broker's own /proc entry of the duplicate. */
  reopen(held: Descriptor, flags: number): Outcome<Descriptor>
  /** The first bytes of a regular file, at most `HEAD`; none of anything else. */
  head(place: Place): Outcome<Uint8Array>
  facts(fd: Descriptor): Outcome<FileFacts>
  /** F_SETFL with these open flags; the access mode and creation flags in them are ignored by the kernel. */
  setStatusFlags(fd: Descriptor, flags: number): Outcome<true>
  statusFlags(fd: Descriptor): Outcome<number>
  /** Canonical text of what a descriptor of the broker's own refers to. */
  textOf(fd: Descriptor): Outcome<BytePath>

  stat(fd: Descriptor): Outcome<Uint8Array>
  statx(fd: Descriptor, flags: number, mask: number): Outcome<Uint8Array>
  statfs(fd: Descriptor): Outcome<Uint8Array>
  access(fd: Descriptor, mode: number, flags: number): Outcome<true>
  readlink(fd: Descriptor): Outcome<string>
  getxattr(fd: Descriptor, name: string, size: number): Outcome<Uint8Array | number>
  listxattr(fd: Descriptor, size: number): Outcome<Uint8Array | number>
  watch(inotify: TargetDescriptor, fd: Descriptor, mask: number): Outcome<number>

  /**
   * Opens the directories of two names, or of one, and has them for itself. `taken`: another broker thread has one of them, and
   * it is to be asked again. What makes or moves a directory or a link takes names that are held.
   */
  hold(from: Place, to: Place): Outcome<NamesHeld> | 'taken'
  kindAt(name: NameHeld): Outcome<EntryKind>
  /** As `identityOf`. */
  identityAt(name: NameHeld): Outcome<string>

  mkdir(name: NameHeld, mode: number, umask: number): Outcome<true>
  mknod(place: Place, mode: number, umask: number): Outcome<true>
  unlink(place: Place, flags: number): Outcome<true>
  rename(names: NamesHeld, flags: number): Outcome<true>
  link(names: NamesHeld): Outcome<true>
  /** Gives a name to a file that was made without one (O_TMPFILE). */
  linkUnnamed(file: Descriptor, to: Place): Outcome<true>
  symlink(text: string, at: NameHeld): Outcome<true>
  chmod(fd: Descriptor, mode: number): Outcome<true>
  chown(fd: Descriptor, owner: number, group: number): Outcome<true>
  /** `times`: two struct timespec, or undefined for now. */
  utimens(fd: Descriptor, times: Uint8Array | undefined): Outcome<true>
  truncateAt(place: Place, length: number): Outcome<true>
  /** A handle: as its path. A descriptor: if it is open for writing. */
  truncate(fd: Descriptor, length: number): Outcome<true>
  setxattr(fd: Descriptor, name: string, value: Uint8Array, flags: number): Outcome<true>
  removexattr(fd: Descriptor, name: string): Outcome<true>

  readonly ids: Ids
  /** Of the broker's own process. */
  readonly pid: number
  /** Two struct __user_cap_data_struct, as capget(2) of version 3 gives them. */
  capabilities(pid: number): Outcome<Uint8Array>
  pidfd(pid: number, flags: number): Outcome<Descriptor>
  /**
   * True if the kernel itself keeps a worker's signals within the worker (LANDLOCK_SCOPE_SIGNAL, Linux 6.12): then a call that goes on
   * cannot reach another process that has got the number since.
   */
  readonly scopesSignals: boolean
  /** pidfd_send_signal(2). `info`: a siginfo_t; without it the signal comes from the broker's process. */
  signal(pidfd: Descriptor, signal: number, info: Uint8Array | undefined, flags: number): Outcome<true>
  /** tgkill(2). The process is one that lives for as long as the call; ESRCH for a thread that is not one of its own. */
  signalThread(pid: number, thread: number, signal: number): Outcome<true>

  anonymous(what: AnonymousKind): Outcome<Descriptor>
  /** F_SEAL_SEAL: no seal can be added to this memfd any more. */
  seal(memfd: Descriptor): Outcome<true>
  setSignalMask(signalfd: TargetDescriptor, mask: Uint8Array): Outcome<true>
  pipe(flags: number): Outcome<readonly [Descriptor, Descriptor]>
  socketpair(type: number): Outcome<readonly [Descriptor, Descriptor]>
  /** One end of a FIFO waits for the other: is it there by now? */
  fifoHasWriter(fd: Descriptor): boolean
}
