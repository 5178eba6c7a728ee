/**
 * Locks on inodes among the broker threads: on directories while a name in them is looked at and changed, on a socket
 * while a connection is accepted from it. No call looks and acts in one step. So without locks, two workers that help
 * each other could exchange a name for another kind of file between a broker's look and its move, or take the
 * connection that another broker saw.
 *
 * The workers may be of two runs, which have a broker process each. So whoever locks a directory also binds an abstract
 * socket to a name made of its inode: unix(7). One process has a name at a time, no file is left, and no test can take one
 * without a grant.
 *
 * Each inode has its own lock, because rename(2) and accept4(2) may sleep (fs/namei.c: vfs_rename takes the lock of a
 * replaced file, which a writer of that file holds). A thread that waits here for a directory would otherwise wait for
 * the same one in the kernel.
 */
import { Errno } from '../abi/errno.js'
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT } from '../abi/path-flags.js'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from '../abi/socket.js'
import { STATX } from '../abi/stat-structs.js'
import { SOCKADDR_UN } from '../abi/structs.js'
import { LOCK_MS } from '../limits.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const STATX_CALL = numberOf('statx')
const N = { socket: numberOf('socket'), bind: numberOf('bind'), close: numberOf('close') }
const STATX_INO = 0x100
/** The kernel's own dev_t: include/linux/kdev_t.h. */
const MINOR_BITS = 20

/** The number of locks. A thread holds two at most. */
const ROOM = 1024

const GUARD = 0
const CHANGES = 1
/** The number of locks that are held for calls which other threads make: those may sleep for long. */
const GIVEN = 2
const ENTRIES = 3
const ENTRY = { size: 5, holder: 0, device: 1, low: 2, high: 3, socket: 4 } as const
const NOBODY = 0
const NO_SOCKET = -1
const NAME = 'vitest-seccomp/'

/** A lock keeps out every broker process of the machine, or the other threads of this one. */
type Reach = 'machine' | 'process'

interface Inode {
  readonly device: number
  readonly low: number
  readonly high: number
}

/** Locked inodes. No other thread gets them until they are released. */
export interface Turn {
  /** Gives the locks to another thread, which takes them back. */
  give(): readonly number[]
  [Symbol.dispose](): void
}

export class InodeLocks {
  readonly #cells: Int32Array
  readonly #out = new Pinned(STATX.size)
  readonly #empty = new Pinned(8)
  readonly #address = new Pinned(SOCKADDR_UN.size)

  /**
   * `shared` is the `shared` of another thread's locks. `holder` is the number of this thread, unique in the process.
   */
  constructor(
    readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4 * (ENTRIES + ROOM * ENTRY.size)),
    readonly holder = -1,
  ) {
    this.#cells = new Int32Array(shared)
  }

  /** Releases the locks of a thread that broke down. */
  forget(holder: number): void {
    Atomics.compareExchange(this.#cells, GUARD, holder, NOBODY)
    const had: number[] = []
    for (let at = ENTRIES; at < this.#cells.length; at += ENTRY.size)
      if (this.#cells[at + ENTRY.holder] === holder) had.push(at)
    this.#release(had)
  }

  /**
   * Locks the inodes of all these descriptors, or none. Returns `taken` if another thread held one of them for the
   * whole time limit.
   */
  take(...fds: readonly number[]): Outcome<Turn> | 'taken' {
    return this.#take(fds, LOCK_MS, 'machine')
  }

  /** Does the same without waiting, for a call that has waited once. */
  takeNow(...fds: readonly number[]): Outcome<Turn> | 'taken' {
    return this.#take(fds, 0, 'machine')
  }

  /** Does the same for an inode that no other process can have, such as a socket's. */
  takeHere(fd: number): Outcome<Turn> | 'taken' {
    return this.#take([fd], LOCK_MS, 'process')
  }

  #take(fds: readonly number[], wait: number, reach: Reach): Outcome<Turn> | 'taken' {
    const inodes: Inode[] = []
    for (const fd of fds) {
      const inode = this.#inodeOf(fd)
      if (failed(inode)) return inode
      if (!inodes.some((known) => isSame(known, inode))) inodes.push(inode)
    }
    const first = this.#tryTake(inodes, reach)
    if (typeof first !== 'number') return first
    if (wait === 0) return 'taken'
    Atomics.wait(this.#cells, CHANGES, first, wait)
    const second = this.#tryTake(inodes, reach)
    return typeof second === 'number' ? 'taken' : second
  }

  #inodeOf(fd: number): Outcome<Inode> {
    const { bytes, address } = this.#out
    const flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT
    const result = sys6(STATX_CALL, fd, this.#empty.address, flags, STATX_INO, address)
    if (result < 0) return Fail.of(result)
    return {
      device: (bytes.readUInt32LE(STATX.stx_dev_major) << MINOR_BITS) | bytes.readUInt32LE(STATX.stx_dev_minor),
      low: bytes.readInt32LE(STATX.stx_ino),
      high: bytes.readInt32LE(STATX.stx_ino + 4),
    }
  }

  /** Tries once. Returns the number of changes so far, to wait for the next one, if an inode is taken. */
  #tryTake(inodes: readonly Inode[], reach: Reach): Outcome<Turn> | number {
    const entries = this.#enter(inodes)
    if (typeof entries === 'number' || failed(entries)) return entries
    if (reach === 'machine')
      for (const [index, inode] of inodes.entries()) {
        const socket = this.#bound(inode)
        if (failed(socket)) {
          this.#release(entries)
          return socket.errno === Errno.EADDRINUSE ? Atomics.load(this.#cells, CHANGES) : socket
        }
        this.#cells[(entries[index] ?? 0) + ENTRY.socket] = socket
      }
    return {
      give: () => {
        Atomics.add(this.#cells, GIVEN, entries.length)
        return entries
      },
      [Symbol.dispose]: () => this.#release(entries),
    }
  }

  /** Writes the inodes into the table: the lock among the threads of this process. */
  #enter(inodes: readonly Inode[]): Outcome<readonly number[]> | number {
    return this.#guarded(() => {
      const free: number[] = []
      for (let at = ENTRIES; at < this.#cells.length; at += ENTRY.size) {
        const held = this.#heldAt(at)
        if (held === undefined) {
          if (free.length < inodes.length) free.push(at)
        } else if (inodes.some((inode) => isSame(inode, held))) return Atomics.load(this.#cells, CHANGES)
      }
      if (free.length < inodes.length) return Fail.of(Errno.ENOLCK)
      inodes.forEach((inode, index) => this.#put(free[index] ?? 0, inode))
      return free
    })
  }

  /** Takes the name of an inode. EADDRINUSE: another process has it. Returns the number of the socket that holds it. */
  #bound({ device, low, high }: Inode): Outcome<number> {
    const socket = sys3(N.socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
    if (socket < 0) return Fail.of(socket)
    const { bytes, address } = this.#address
    const name = `${NAME}${device}:${high}:${low}`
    bytes.writeUInt16LE(AF_UNIX, 0)
    bytes.write(name, SOCKADDR_UN.sun_path + 1, 'latin1')
    const bound = sys3(N.bind, socket, address, SOCKADDR_UN.sun_path + 1 + name.length)
    if (bound === 0) return socket
    sys3(N.close, socket)
    return Fail.of(bound)
  }

  #heldAt(at: number): Inode | undefined {
    // Nearly all are free.
    if (this.#cells[at + ENTRY.holder] === NOBODY) return undefined
    const [, device = 0, low = 0, high = 0] = this.#cells.subarray(at, at + ENTRY.size)
    return { device, low, high }
  }

  #put(at: number, { device, low, high }: Inode): void {
    this.#cells.set([this.holder, device, low, high, NO_SOCKET], at)
  }

  /** Releases locks that were given to this thread. */
  takeBack(given: readonly number[]): void {
    if (given.length === 0) return
    Atomics.sub(this.#cells, GIVEN, given.length)
    this.#release(given)
  }

  /** True if calls that may sleep for long hold any inode. */
  get areGiven(): boolean {
    return Atomics.load(this.#cells, GIVEN) !== 0
  }

  /** True if one of them holds this inode, or another call does. */
  isHeld(fd: number): boolean {
    const inode = this.#inodeOf(fd)
    return !failed(inode) && this.#guarded(() => this.#isInTable(inode))
  }

  #isInTable(inode: Inode): boolean {
    for (let at = ENTRIES; at < this.#cells.length; at += ENTRY.size) {
      const held = this.#heldAt(at)
      if (held !== undefined && isSame(inode, held)) return true
    }
    return false
  }

  #release(entries: readonly number[]): void {
    // Before the table, which keeps the other threads of this process out: they would find the name in use.
    for (const at of entries) {
      const socket = this.#cells[at + ENTRY.socket] ?? NO_SOCKET
      // Noted first: what a thread that breaks down leaves is released once more, and the number may be another's then.
      this.#cells[at + ENTRY.socket] = NO_SOCKET
      if (socket !== NO_SOCKET) sys3(N.close, socket)
    }
    this.#guarded(() => {
      for (const at of entries) this.#cells[at + ENTRY.holder] = NOBODY
    })
    Atomics.add(this.#cells, CHANGES, 1)
    Atomics.notify(this.#cells, CHANGES)
  }

  /**
   * Runs `act` in one thread at a time. It only reads and writes the table, and makes no system call, so this is short.
   */
  #guarded<T>(act: () => T): T {
    for (
      let other = Atomics.compareExchange(this.#cells, GUARD, NOBODY, this.holder);
      other !== NOBODY;
      other = Atomics.compareExchange(this.#cells, GUARD, NOBODY, this.holder)
    )
      Atomics.wait(this.#cells, GUARD, other, LOCK_MS)
    try {
      return act()
    } finally {
      Atomics.store(this.#cells, GUARD, NOBODY)
      Atomics.notify(this.#cells, GUARD, 1)
    }
  }
}

function isSame(one: Inode, other: Inode): boolean {
  return one.low === other.low && one.high === other.high && one.device === other.device
}
