/** Descriptors that the broker waits on (poll, eventfd), and the socketpairs that a worker is born with. */
import { Errno } from '../abi/errno.js'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, SOCK_STREAM } from '../abi/socket.js'
import { SystemCallError } from '../errors.js'
import type { Descriptor } from '../syscalls/ports.js'
import { markOwnEnd } from './own-ends.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const N = {
  ppoll: numberOf('ppoll'),
  eventfd2: numberOf('eventfd2'),
  read: numberOf('read'),
  write: numberOf('write'),
  socketpair: numberOf('socketpair'),
}
const O_CLOEXEC = 0x80000
const O_NONBLOCK = 0x800

export const POLLIN = 0x1
const POLLOUT = 0x4
export const POLLHUP = 0x10
const POLLFD = { size: 8, fd: 0, events: 4, revents: 6 } as const

/** poll(2) on a few descriptors, the same ones again and again. */
export class Poller {
  #fds: Pinned
  /** The number of descriptors that are polled besides those of the slots. */
  #more = 0
  readonly #timeout = new Pinned(16)
  readonly #noTime = new Pinned(16)

  constructor(readonly slots: number) {
    this.#fds = new Pinned(slots * POLLFD.size)
    for (let slot = 0; slot < slots; slot++) this.watch(slot, undefined)
  }

  /** Sets the descriptor of a slot. Undefined empties the slot, and poll passes over it. */
  watch(slot: number, fd: Pick<OwnedFd, 'number'> | undefined, events = POLLIN): void {
    this.#fds.bytes.writeInt32LE(fd?.number ?? -1, slot * POLLFD.size + POLLFD.fd)
    this.#fds.bytes.writeUInt16LE(events, slot * POLLFD.size + POLLFD.events)
  }

  /** Polls these descriptors as well, in this order, instead of those of the last call. */
  watchBesides(awaited: readonly { readonly fd: Descriptor; readonly direction: 'in' | 'out' }[]): void {
    const size = (this.slots + awaited.length) * POLLFD.size
    if (size > this.#fds.size) {
      const larger = new Pinned(size * 2)
      larger.bytes.set(this.#fds.bytes)
      this.#fds = larger
    }
    this.#more = awaited.length
    awaited.forEach(({ fd, direction }, index) => {
      if (!(fd instanceof OwnedFd)) throw new TypeError('a descriptor of another kernel')
      this.watch(this.slots + index, fd, direction === 'in' ? POLLIN : POLLOUT)
    })
  }

  happenedToAny(): boolean {
    for (let index = 0; index < this.#more; index++) if (this.happenedBesides(index)) return true
    return false
  }

  /** True if something happened to the descriptor at this index of the last `watchBesides`. */
  happenedBesides(index: number): boolean {
    return index < this.#more && this.happened(this.slots + index) !== 0
  }

  /** Waits up to `milliseconds`. Returns true if anything happened; a signal counts as nothing. */
  wait(milliseconds: number): boolean {
    this.#timeout.setWord(0, Math.floor(milliseconds / 1000))
    this.#timeout.setWord(8, (milliseconds % 1000) * 1_000_000)
    const ready = sys6(N.ppoll, this.#fds.address, this.slots + this.#more, this.#timeout.address, 0, 8)
    if (ready < 0 && ready !== -Errno.EINTR) throw new SystemCallError('ppoll', -ready)
    return ready > 0
  }

  /** True if the slot has input now. The results of `happened` stay as they are. */
  hasNow(slot: number): boolean {
    const at = this.#fds.address + slot * POLLFD.size
    const before = this.#fds.bytes.readUInt16LE(slot * POLLFD.size + POLLFD.revents)
    const ready = sys6(N.ppoll, at, 1, this.#noTime.address, 0, 8) > 0
    const has = ready && (this.happened(slot) & POLLIN) !== 0
    this.#fds.bytes.writeUInt16LE(before, slot * POLLFD.size + POLLFD.revents)
    return has
  }

  happened(slot: number): number {
    return (this.#fds.words[(slot * POLLFD.size + POLLFD.events) >>> 2] ?? 0) >>> 16
  }
}

/** A bell: eventfd(2), which any thread of the process may ring by its number. */
export class Bell {
  readonly fd: OwnedFd
  readonly #count = new Pinned(8)

  constructor(fd: number = sys3(N.eventfd2, 0, O_CLOEXEC | O_NONBLOCK)) {
    if (fd < 0) throw new SystemCallError('eventfd2', -fd)
    this.fd = new OwnedFd(fd)
  }

  ring(): void {
    this.#count.bytes.writeBigUInt64LE(1n)
    sys3(N.write, this.fd.number, this.#count.address, 8)
  }

  silence(): void {
    sys3(N.read, this.fd.number, this.#count.address, 8)
  }
}

/**
 * Two connected sockets, both close-on-exec: socketpair(2). A worker gets acquired descriptors over the packet kind, so
 * these are marked as own ends, even on a kernel that does not need the mark.
 */
export function socketPair(kind: 'stream' | 'packets'): readonly [OwnedFd, OwnedFd] {
  const out = new Pinned(8)
  const type = (kind === 'stream' ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC
  const made = sys6(N.socketpair, AF_UNIX, type, 0, out.address)
  if (made < 0) throw new SystemCallError('socketpair', -made)
  const ends = [new OwnedFd(out.bytes.readInt32LE(0)), new OwnedFd(out.bytes.readInt32LE(4))] as const
  if (kind === 'packets') for (const end of ends) markOwnEnd(end.number)
  return ends
}
