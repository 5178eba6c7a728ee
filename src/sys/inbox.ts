/** recvmsg(2) on a socket of the target, into memory of the broker. */
import { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, SCM_PIDFD, SCM_RIGHTS, SOL_SOCKET } from '../abi/socket.js'
import { CMSGHDR, IOVEC, MSGHDR } from '../abi/structs.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import type { Receipt, Room } from '../syscalls/ports.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3 } from './raw.js'

const RECVMSG = numberOf('recvmsg')
/**
 * More than any datagram has with the kernel's own limits (net.core.wmem_max, twice). Pages that are never written take
 * no memory.
 */
const LARGEST = 0x10_0000
/** Room for the control messages of one receive: 253 descriptors (SCM_MAX_FD), credentials and a label fit. */
const LARGEST_CONTROL = 0x2000
/** The size of struct sockaddr_storage. */
const ADDRESS = 128

/** Buffers for one receive. Data that the kernel wrote for one target are erased before the next one's. */
export class Inbox {
  readonly #data = new Pinned(LARGEST)
  readonly #control = new Pinned(LARGEST_CONTROL)
  readonly #address = new Pinned(ADDRESS)
  readonly #header = new Pinned(MSGHDR.size + IOVEC.size)

  receive(fd: number, room: Room, flags: number): Outcome<Receipt> {
    const size = Math.min(room.data, LARGEST)
    const controlRoom = Math.min(room.control, LARGEST_CONTROL)
    const header = this.#header
    header.bytes.fill(0)
    header.setWord(MSGHDR.msg_name, this.#address.address)
    header.words[MSGHDR.msg_namelen >>> 2] = ADDRESS
    header.setWord(MSGHDR.msg_iov, header.address + MSGHDR.size)
    header.setWord(MSGHDR.msg_iovlen, 1)
    header.setWord(MSGHDR.size + IOVEC.iov_base, this.#data.address)
    header.setWord(MSGHDR.size + IOVEC.iov_len, size)
    if (controlRoom > 0) {
      this.#control.bytes.fill(0)
      header.setWord(MSGHDR.msg_control, this.#control.address)
      header.setWord(MSGHDR.msg_controllen, controlRoom)
    }
    const length = sys3(RECVMSG, fd, header.address, (flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) >>> 0)
    if (length < 0) return Fail.of(length)
    const there = Math.min(length, size)
    const data = Uint8Array.prototype.slice.call(this.#data.bytes, 0, there)
    // With MSG_TRUNC a stream only counts and copies nothing (tcp(7)), so the buffer must never hold another target's
    // data.
    this.#data.bytes.fill(0, 0, there)
    const got = header.bytes.readUInt32LE(MSGHDR.msg_flags)
    return {
      length,
      data,
      address: Uint8Array.prototype.slice.call(
        this.#address.bytes,
        0,
        Math.min(ADDRESS, header.bytes.readInt32LE(MSGHDR.msg_namelen)),
      ),
      // The kernel repeats the flags that it was given.
      flags: ((got & ~MSG_CMSG_CLOEXEC) | (flags & MSG_CMSG_CLOEXEC)) >>> 0,
      ...this.#controlGot(Number(header.bytes.readBigUInt64LE(MSGHDR.msg_controllen))),
    }
  }

  /**
   * Takes the control messages: cmsg(3). Every descriptor in them is already the broker's own, and gets an owner here.
   * SCM_PIDFD, which no worker can ask for (SO_PASSPIDFD), is closed, and so is everything behind it.
   */
  #controlGot(length: number): Pick<Receipt, 'control' | 'rights'> {
    const control = Buffer.from(this.#control.bytes.subarray(0, length))
    let rights: Receipt['rights']
    let end = length
    for (let at = 0; at + CMSGHDR.size <= length;) {
      const size = Number(control.readBigUInt64LE(at + CMSGHDR.cmsg_len))
      const type = control.readInt32LE(at + CMSGHDR.cmsg_type)
      if (size < CMSGHDR.size) break
      if (control.readInt32LE(at + CMSGHDR.cmsg_level) === SOL_SOCKET && (type === SCM_RIGHTS || type === SCM_PIDFD)) {
        const fds = takeNumbers(control, at + CMSGHDR.size, Math.min(at + size, length))
        if (type === SCM_PIDFD) end = Math.min(end, at)
        if (type === SCM_RIGHTS && rights === undefined && at < end) rights = { at, fds }
        else for (const fd of fds) fd.close()
      }
      at += Math.ceil(size / 8) * 8
    }
    return { control: control.subarray(0, end), rights }
  }
}

/**
 * Takes the descriptors and replaces their numbers by 0. SCM_PIDFD holds a negative errno if there is no descriptor.
 */
function takeNumbers(control: Buffer, from: number, to: number): readonly OwnedFd[] {
  const fds: OwnedFd[] = []
  for (let at = from; at + 4 <= to; at += 4) {
    const number = control.readInt32LE(at)
    if (number >= 0) fds.push(new OwnedFd(number))
    control.writeInt32LE(0, at)
  }
  return fds
}
