/**
 * The handlers' view of the outside, as interfaces. `sys/` implements them with the real kernel, the tests with a fake
 * one; both pass the same contract suite.
 *
 * Everything that acts on a path takes a `Place`, which only a policy decision can make: an undecided path does not
 * compile.
 */
import type { EntryKind } from '../policy/access.js'
import type { BytePath } from '../policy/request.js'
import type { Performed, Delegated } from './delegated.js'
import type { Endpoint } from './endpoint.js'
import type { Outcome } from './outcome.js'
import type { Place } from './place.js'

/** A descriptor of the broker. Its holder closes it. */
export interface Descriptor {
  close(): void
}

/** A duplicate, in the broker, of a descriptor of the target. It shares offset and status flags with the original. */
export interface TargetDescriptor extends Descriptor {
  readonly duplicate: true
}

/** The relation of a process to the worker: of its tree, foreign, or gone. */
export type Relation = 'ownTree' | 'foreign' | 'exited'

/**
 * The thread that made a trapped call, and its process. All facts here come from the worker, or from the kernel about
 * it.
 */
export interface Target {
  readonly tid: number
  /** The id of the worker's process, which is also that of its first thread: the root of the process tree. */
  readonly worker: number
  /**
   * True for the first thread of the worker itself. Its number does not tell: once the worker is reaped, it may be
   * another's.
   */
  isFirstThread(): boolean
  /** The thread group id: the number by which /proc shows its process. */
  pid(): Outcome<number>
  /** True while the notification still stands: read first, check this, then act. */
  stillWaiting(): boolean
  /** Reads up to `max` bytes until NUL, without it. EFAULT if memory ends first, ENAMETOOLONG without a NUL. */
  readString(pointer: number, max: number): Outcome<string>
  /** Reads exactly `length` bytes, or fails with EFAULT. */
  readBytes(pointer: number, length: number): Outcome<Uint8Array>
  /** Writes all bytes, or fails with EFAULT. Writing no bytes succeeds at any address. */
  writeBytes(pointer: number, bytes: Uint8Array): Outcome<true>
  /** The canonical text of the working directory, as /proc shows it. */
  workingDirectory(): Outcome<BytePath>
  /** The text of a descriptor in /proc: a path, `pipe:[5]`, `/x (deleted)`. EBADF if it is not open. */
  descriptorText(fd: number): Outcome<BytePath>
  /** Duplicates a descriptor. EPERM or ENOSYS if a container's profile forbids it. */
  descriptor(fd: number): Outcome<TargetDescriptor>
  /**
   * A descriptor's file, to look at it or to change its attributes: a duplicate or, if there can be none, a handle
   * (O_PATH) of the same file.
   */
  fileOf(fd: number): Outcome<Descriptor>
  /**
   * The status flags of the descriptor that such a handle was taken from. EBADF if it refers to another file by now.
   */
  flagsOf(fd: number, handle: Descriptor): Outcome<number>
  /** The relation of one process. `ownTree`: the worker, a living descendant, or a thread of one. */
  relationTo(pid: number): Relation
  /** The relation of a whole process group: `ownTree` if every member is. 0 means the group of the calling process. */
  relationToGroup(group: number): Relation
  /** The present members of a process group. 0 means the group of the calling process. */
  membersOf(group: number): readonly number[]
  /**
   * Sends the thread a signal, as the kernel would in the middle of the call. If no pidfd can name a thread, its
   * process gets the signal.
   */
  raise(signal: number): void
  /** The file mode creation mask of the calling thread. */
  umask(): Outcome<number>
  /**
   * Duplicates the socket with that inode, if the worker or a living descendant has it; otherwise ENOENT. `fd`: its
   * most likely number in the calling thread.
   */
  ownSocket(inode: number, fd: number): Outcome<TargetDescriptor>
}

export type { EntryKind } from '../policy/access.js'

/** Facts about names, for resolving. They are only proposals: nothing is opened by them, and nothing follows a link. */
export interface Names {
  kindOf(path: BytePath): Outcome<EntryKind>
  linkText(path: BytePath): Outcome<BytePath>
  /**
   * Identifies the file at a path, independent of its names: a file that takes its place later has another identity.
   */
  identityOf(path: BytePath): Outcome<string>
  /**
   * True if asking for a name in this directory may start an automounter, which then mounts something with that name:
   * autofs(5). True also if that cannot be told.
   */
  mountsOnDemand(directory: BytePath): boolean
  /**
   * A short way for a path that is spelled canonically: the kind of its file, or `nothing`, if no symbolic link is on
   * the way; ELOOP if one is. A port may lack it: the walk finds the same.
   */
  kindWithoutSymlinks?(path: BytePath): Outcome<EntryKind | 'nothing'>
}

/** A name in a directory that the broker holds open and locks: no other broker thread makes or moves a name in it. */
export interface NameHeld {
  readonly place: Place
}

/** Two held names, until they are disposed of. */
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
  /** The address that it is bound to. */
  readonly host: string
  readonly cookie: string
  /** The inode of its file; 0 if no process has it any more. */
  readonly inode: number
  /** The port of its peer; 0 if it is not connected. */
  readonly peerPort: number
}

/** SO_REUSEADDR or SO_REUSEPORT. */
export type PortSharing = 'address' | 'port'

/**
 * Calls on sockets. `fd` is a duplicate of the target's own socket, so an action on it acts on the target's. None of
 * them blocks: EAGAIN and EINPROGRESS come back as they are, whatever the socket's own mode.
 */
export interface Sockets {
  /**
   * Makes a socket. One of the unix family cannot receive descriptors (SO_PASSRIGHTS, Linux 6.16): EACCES if the kernel
   * lacks that, unless the broker receives.
   */
  create(domain: number, type: number, protocol: number): Outcome<Descriptor>
  facts(fd: Descriptor): Outcome<SocketFacts>
  localAddress(fd: Descriptor): Outcome<Uint8Array>
  /** The peer's address; ENOTCONN without a peer. */
  remoteAddress(fd: Descriptor): Outcome<Uint8Array>
  /** SO_PEERCRED: a struct ucred. */
  peerCredentials(fd: Descriptor): Outcome<Uint8Array>
  /** Sets SO_PASSCRED. */
  passCredentials(fd: Descriptor, isOn: boolean): Outcome<true>
  /** SO_COOKIE: identifies this socket as long as the machine runs. */
  cookie(fd: Descriptor): Outcome<string>
  /** All sockets that would receive data sent to this port, whatever address they are bound to. ENOBUFS for a crowd. */
  receivers(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]>
  /**
   * All sockets that are bound to this port, listening or not, and both ends of connections. ENOBUFS for a crowd of
   * datagram sockets.
   */
  boundTo(protocol: 'tcp' | 'udp', port: number): Outcome<readonly SocketAt[]>
  /**
   * The inodes of all sockets of this type with this abstract name. A name that only looks the same in /proc/net/unix counts as the
   * same.
   */
  named(abstract: BytePath, type: number): Outcome<readonly number[]>
  /** Sets SO_REUSEADDR or SO_REUSEPORT, by which another socket may have the same port. */
  share(fd: Descriptor, option: PortSharing, isOn: boolean): Outcome<true>
  /**
   * Lets a datagram socket of the internet families receive. Without this, it does from when it was bound, connected or
   * sent to an address by this port, until it is disconnected.
   */
  hear(fd: Descriptor): void
  /** True if the socket may bring descriptors in: only the ends of a pair that was made for the worker may. */
  takesDescriptors(fd: Descriptor): boolean
  /** True if this machine itself has the address. No packet is sent to find out. */
  isHere(host: string): boolean
  /** Makes two connected stream sockets of the unix family, both non-blocking and closed to descriptors. */
  pair(): Outcome<readonly [Descriptor, Descriptor]>
  /** True if the peer of a connected socket is gone, and none of its data are left to read. */
  isOver(fd: Descriptor): boolean
  isBlocking(fd: Descriptor): boolean
  isReady(fd: Descriptor, direction: 'in' | 'out'): boolean
  /**
   * Sets SO_LINGER with a time of 0: the last close(2) resets the connection and drops unsent data. Off, it does
   * neither, and never waits.
   */
  resetOnClose(fd: Descriptor, isOn: boolean): Outcome<true>
  /** Sets SO_SNDTIMEO, a struct timeval. `connect` relies on nobody else setting it. */
  sendTimeout(fd: Descriptor, time: Uint8Array): Outcome<true>
  /** Sets one of the options by which a socket joins a multicast group. */
  join(fd: Descriptor, level: number, option: number, request: Uint8Array): Outcome<true>
  connect(fd: Descriptor, address: Endpoint): Outcome<true>
  bind(fd: Descriptor, address: Endpoint, umask: number): Outcome<true>
  listen(fd: Descriptor, backlog: number): Outcome<true>
  /** Locks a socket, to accept from it while no other broker thread does. `taken`: another one has it; try again. */
  hold(fd: Descriptor): Outcome<Disposable> | 'taken'
  /**
   * Accepts a connection: the new socket, and the address of its peer; EAGAIN if there is none. The caller must hold
   * the socket: the call waits only if somebody else takes the connection meanwhile.
   */
  accept(fd: Descriptor, flags: number): Outcome<{ readonly fd: Descriptor; readonly address: Uint8Array }>
  /** Calls recvmsg(2) with these flags; EAGAIN if nothing has arrived. */
  receive(fd: Descriptor, room: Room, flags: number): Outcome<Receipt>
  /** Milliseconds of a monotonic clock. */
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

/** A control message that carries no descriptor: cmsg(3). */
export interface ControlMessage {
  readonly level: number
  readonly type: number
  readonly content: Uint8Array
}

/** The ids that the broker acts as, and that a worker is born with; undefined if real and effective id differ. */
export interface Ids {
  readonly user: number | undefined
  readonly group: number | undefined
}

/** A receiver's room, in bytes. Without room for control messages, the kernel closes descriptors that come along. */
export interface Room {
  readonly data: number
  readonly control: number
}

/** The result of recvmsg(2). */
export interface Receipt {
  /** The returned length: more than the bytes of `data` if MSG_TRUNC asked for the whole length. */
  readonly length: number
  readonly data: Uint8Array
  /** The sender's address; empty if it has none. */
  readonly address: Uint8Array
  readonly flags: number
  /** The control messages as the kernel laid them out, with all descriptor numbers replaced by 0. */
  readonly control: Uint8Array
  /** The descriptors of SCM_RIGHTS, and the offset in `control` of that message, which is the last. */
  readonly rights: { readonly at: number; readonly fds: readonly Descriptor[] } | undefined
}

export interface FileFacts {
  readonly kind: EntryKind
  readonly links: number
}

/**
 * The kernel, as the broker uses it. Path operations walk from the root of the file system to a canonical path, and
 * refuse every symbolic link on the way with ELOOP (openat2(2), RESOLVE_NO_SYMLINKS). So the place that was decided is
 * the place that is used, whatever is renamed meanwhile.
 */
export interface Kernel extends Names {
  readonly sockets: Sockets
  /** Opens a file. Never blocks: a FIFO or device is opened O_NONBLOCK, and never becomes a controlling terminal. */
  open(place: Place, how: OpenHow): Outcome<Descriptor>
  /**
   * Opens a large file with O_TRUNC, which takes long. Undefined if there is none. Without O_CREAT: ENOENT if the file
   * is gone by then.
   */
  openToEmpty(place: Place, flags: number): Delegated<Descriptor> | undefined
  /** Makes an O_PATH handle. `keep`: if the last component is a symbolic link, the handle means the link itself. */
  handle(place: Place, last: 'follow' | 'keep'): Outcome<Descriptor>
  /** Opens the file of a duplicated descriptor anew, through the broker's own /proc entry. */
  reopen(held: Descriptor, flags: number): Outcome<Descriptor>
  /** The first bytes of a regular file, at most `HEAD`; none of any other file. */
  head(place: Place): Outcome<Uint8Array>
  /** True if the file was made, written or moved since the broker began. */
  isNew(place: Place): Outcome<boolean>
  facts(fd: Descriptor): Outcome<FileFacts>
  /** F_SETFL with these open flags. The kernel ignores the access mode and creation flags in them. */
  setStatusFlags(fd: Descriptor, flags: number): Outcome<true>
  statusFlags(fd: Descriptor): Outcome<number>
  /** The canonical text of the file behind a descriptor of the broker. */
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
   * Opens the directories of two names, or of one, and locks them. `taken`: another broker thread has one of them; try
   * again. Calls that make or move a directory or a link take names that are held. `patience`: whether to wait a moment
   * for the other thread.
   */
  hold(from: Place, to: Place, patience?: 'wait' | 'none'): Outcome<NamesHeld> | 'taken'
  /** True if a call on names in this directory is under way that may sleep: one that changes names there would, too. */
  isBusy(place: Place): boolean
  kindAt(name: NameHeld): Outcome<EntryKind>
  /** Like `identityOf`, for a held name. */
  identityAt(name: NameHeld): Outcome<string>

  mkdir(name: NameHeld, mode: number, umask: number): Outcome<true>
  mknod(place: Place, mode: number, umask: number): Outcome<true>
  unlink(place: Place, flags: number): Performed
  rename(names: NamesHeld, flags: number): Performed
  link(names: NamesHeld): Performed
  /** Gives a name to a file that was made without one (O_TMPFILE). */
  linkUnnamed(file: Descriptor, to: Place): Outcome<true>
  symlink(text: string, at: NameHeld): Outcome<true>
  chmod(fd: Descriptor, mode: number): Performed
  chown(fd: Descriptor, owner: number, group: number): Performed
  /** `times`: two struct timespec, or undefined for now. */
  utimens(fd: Descriptor, times: Uint8Array | undefined): Performed
  truncateAt(place: Place, length: number): Performed
  /** Truncates a file: through a handle like through its path, through a descriptor if that is open for writing. */
  truncate(fd: Descriptor, length: number): Performed
  setxattr(fd: Descriptor, name: string, value: Uint8Array, flags: number): Performed
  removexattr(fd: Descriptor, name: string): Performed

  readonly ids: Ids
  /** The id of the broker's own process. */
  readonly pid: number
  /** The capabilities of a process: two struct __user_cap_data_struct, as capget(2) of version 3 gives them. */
  capabilities(pid: number): Outcome<Uint8Array>
  pidfd(pid: number, flags: number): Outcome<Descriptor>
  /**
   * True if the kernel itself keeps the signals of a worker's first thread within the worker (LANDLOCK_SCOPE_SIGNAL,
   * Linux 6.12): then a continued call cannot reach another process that has got the number since.
   */
  readonly scopesSignals: boolean
  /**
   * Sends a signal: pidfd_send_signal(2). `info`: a siginfo_t; without it the signal comes from the broker's process.
   */
  signal(pidfd: Descriptor, signal: number, info: Uint8Array | undefined, flags: number): Outcome<true>
  /**
   * Signals a thread: tgkill(2). The process must live as long as the call; ESRCH if the thread is not one of its own.
   */
  signalThread(pid: number, thread: number, signal: number): Outcome<true>

  anonymous(what: AnonymousKind): Outcome<Descriptor>
  /** Adds F_SEAL_SEAL: no more seals can be added to this memfd. */
  seal(memfd: Descriptor): Outcome<true>
  setSignalMask(signalfd: TargetDescriptor, mask: Uint8Array): Outcome<true>
  pipe(flags: number): Outcome<readonly [Descriptor, Descriptor]>
  socketpair(type: number): Outcome<readonly [Descriptor, Descriptor]>
  /** True if the other end of a FIFO has been opened, for which this end waits. */
  fifoHasWriter(fd: Descriptor): boolean
}
