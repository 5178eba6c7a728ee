/**
 * The transport of the broker's own protocol: one end of a SEQPACKET socketpair, one packet for each frame. unix(7).
 */
import { Errno } from '../abi/errno.js'
import { TIOCOUTQ } from '../abi/ioctl.js'
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOL_SOCKET,
  SO_PASSRIGHTS,
} from '../abi/socket.js'
import { CMSGHDR, IOVEC, MSGHDR } from '../abi/structs.js'
import { LISTENER_FLAGS } from '../syscalls/baseline.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import type { Descriptor } from '../syscalls/ports.js'
import { POLLIN, Poller } from './io.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const N = {
  recvfrom: numberOf('recvfrom'),
  recvmsg: numberOf('recvmsg'),
  sendmsg: numberOf('sendmsg'),
  ioctl: numberOf('ioctl'),
  sendto: numberOf('sendto'),
  setsockopt: numberOf('setsockopt'),
}
const LARGEST = 65_536
/** The size of struct cmsghdr with one descriptor in it, aligned to 8. */
const ONE_DESCRIPTOR = CMSGHDR.size + 8

/** A packet, and the descriptor that came with it. */
interface Delivery {
  readonly packet: Uint8Array
  readonly fd: OwnedFd | undefined
  /** True if a descriptor came along and was lost: the process has as many as it may have. */
  readonly lost: boolean
}

/** One end of a packet connection. No method waits, unless its name says so. Two threads must not use it at once. */
export class PacketSocket {
  readonly #buffer = new Pinned(LARGEST)
  readonly #header = new Pinned(MSGHDR.size + IOVEC.size)
  readonly #control = new Pinned(ONE_DESCRIPTOR)

  constructor(readonly fd: OwnedFd) {}

  /**
   * Makes descriptors unwelcome at this end: from Linux 6.16 on, the sender gets EPERM. Before, `receive` discards
   * them.
   */
  refuseDescriptors(): void {
    this.#buffer.bytes.writeInt32LE(0, 0)
    sys6(N.setsockopt, this.fd.number, SOL_SOCKET, SO_PASSRIGHTS, this.#buffer.address, 4)
  }

  /**
   * The next packet; `closed` at the end, and for an empty packet, which looks the same. EMSGSIZE for one over the
   * limit. There is no room for control messages, so the kernel closes descriptors that come along.
   */
  receive(): Uint8Array | 'none' | 'closed' | Fail {
    const got = sys6(N.recvfrom, this.fd.number, this.#buffer.address, LARGEST, MSG_DONTWAIT | MSG_TRUNC, 0, 0)
    if (got === -Errno.EAGAIN || got === -Errno.EINTR) return 'none'
    if (got === 0 || got === -Errno.ECONNRESET) return 'closed'
    if (got < 0) return Fail.of(got)
    return got > LARGEST ? Fail.of(Errno.EMSGSIZE) : this.#copy(got)
  }

  /** Sends a packet. EAGAIN if the peer has not read enough of the earlier ones. The descriptor stays the caller's. */
  send(packet: Uint8Array, pass?: Descriptor): Outcome<true> {
    this.#buffer.bytes.set(packet)
    const sent = sys3(N.sendmsg, this.fd.number, this.#layOut(packet.length, pass), MSG_NOSIGNAL | MSG_DONTWAIT)
    return sent < 0 ? Fail.of(sent) : true
  }

  /**
   * Sends a packet with the seccomp listener, in the one way that the listener's own filter lets through:
   * syscalls/baseline.ts, ENTRY.
   */
  sendListener(packet: Uint8Array, listener: OwnedFd): Outcome<true> {
    this.#buffer.bytes.set(packet)
    const sent = sys3(N.sendmsg, this.fd.number, this.#layOut(packet.length, listener), LISTENER_FLAGS)
    return sent < 0 ? Fail.of(sent) : true
  }

  /**
   * Sends a packet, and waits until there is room. It uses sendto(2) without an address, because the filter lets that
   * through, and sendmsg(2) not.
   */
  sendWaiting(packet: Uint8Array): Outcome<true> {
    this.#buffer.bytes.set(packet)
    const sent = sys6(N.sendto, this.fd.number, this.#buffer.address, packet.length, MSG_NOSIGNAL, 0, 0)
    return sent < 0 ? Fail.of(sent) : true
  }

  /** True if the peer has not read everything that was sent to it: SIOCOUTQ, which has the number of TIOCOUTQ. */
  get isUnread(): boolean {
    return (
      sys3(N.ioctl, this.fd.number, TIOCOUTQ, this.#control.address) === 0 && this.#control.bytes.readInt32LE(0) > 0
    )
  }

  /** Waits up to `milliseconds` for a packet. EAGAIN if none came. */
  waitForDelivery(milliseconds: number): Delivery | 'closed' | Fail {
    const poller = new Poller(1)
    poller.watch(0, this.fd, POLLIN)
    const end = performance.now() + milliseconds
    while (!poller.wait(100)) if (performance.now() > end) return Fail.of(Errno.EAGAIN)
    const delivery = this.#take(0)
    return delivery === 'none' ? Fail.of(Errno.EAGAIN) : delivery
  }

  /** Does the same as `receive`, with room for one descriptor. */
  receiveDelivery(): Delivery | 'none' | 'closed' | Fail {
    return this.#take(MSG_DONTWAIT)
  }

  #take(flags: number): Delivery | 'none' | 'closed' | Fail {
    const message = this.#layOut(LARGEST)
    const { bytes } = this.#header
    bytes.writeBigUInt64LE(BigInt(this.#control.address), MSGHDR.msg_control)
    bytes.writeBigUInt64LE(BigInt(ONE_DESCRIPTOR), MSGHDR.msg_controllen)
    const got = sys3(N.recvmsg, this.fd.number, message, MSG_CMSG_CLOEXEC | flags)
    if (got === -Errno.EAGAIN || got === -Errno.EINTR) return 'none'
    if (got === 0 || got === -Errno.ECONNRESET) return 'closed'
    if (got < 0) return Fail.of(got)
    const lost = (bytes.readUInt32LE(MSGHDR.msg_flags) & MSG_CTRUNC) !== 0
    const fd = Number(bytes.readBigUInt64LE(MSGHDR.msg_controllen)) < CMSGHDR.size + 4 ? undefined : this.#received()
    return { packet: this.#copy(got), fd, lost }
  }

  #copy(length: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer.bytes, 0, length)
  }

  #layOut(length: number, pass?: Descriptor): number {
    const { bytes, address } = this.#header
    bytes.fill(0)
    bytes.writeBigUInt64LE(BigInt(address + MSGHDR.size), MSGHDR.msg_iov)
    bytes.writeBigUInt64LE(1n, MSGHDR.msg_iovlen)
    bytes.writeBigUInt64LE(BigInt(this.#buffer.address), MSGHDR.size + IOVEC.iov_base)
    bytes.writeBigUInt64LE(BigInt(length), MSGHDR.size + IOVEC.iov_len)
    if (pass === undefined) return address
    if (!(pass instanceof OwnedFd)) throw new TypeError('a descriptor of another kernel')
    const control = this.#control.bytes
    control.writeBigUInt64LE(BigInt(CMSGHDR.size + 4), CMSGHDR.cmsg_len)
    control.writeInt32LE(SOL_SOCKET, CMSGHDR.cmsg_level)
    control.writeInt32LE(SCM_RIGHTS, CMSGHDR.cmsg_type)
    control.writeInt32LE(pass.number, CMSGHDR.size)
    bytes.writeBigUInt64LE(BigInt(this.#control.address), MSGHDR.msg_control)
    bytes.writeBigUInt64LE(BigInt(ONE_DESCRIPTOR), MSGHDR.msg_controllen)
    return address
  }

  #received(): OwnedFd | undefined {
    const control = this.#control.bytes
    const isRights =
      control.readInt32LE(CMSGHDR.cmsg_level) === SOL_SOCKET && control.readInt32LE(CMSGHDR.cmsg_type) === SCM_RIGHTS
    return isRights ? new OwnedFd(control.readInt32LE(CMSGHDR.size)) : undefined
  }
}
