/**
 * Unix sockets that may bring a worker descriptors: ends of pairs that were made for it. On a kernel without
 * SO_PASSRIGHTS, a mark on the socket itself tells them apart. The mark is SO_MAX_PACING_RATE: every socket keeps this
 * number, a unix socket never uses it, no worker may set it, and accept(2) does not copy it.
 */
import { SO_MAX_PACING_RATE, SOL_SOCKET } from '../abi/socket.js'
import { numberOf, Pinned, sys6 } from './raw.js'

const MARK = 0x5ec0_0616

const N = { getsockopt: numberOf('getsockopt'), setsockopt: numberOf('setsockopt') }
const option = new Pinned(8)

/** Marks an end. Returns the kernel's result: 0, or a negative errno. */
export function markOwnEnd(fd: number): number {
  option.words[0] = MARK
  return sys6(N.setsockopt, fd, SOL_SOCKET, SO_MAX_PACING_RATE, option.address, 4)
}

export function isOwnEnd(fd: number): boolean {
  option.words[1] = 4
  const got = sys6(N.getsockopt, fd, SOL_SOCKET, SO_MAX_PACING_RATE, option.address, option.address + 4)
  return got === 0 && option.words[0] === MARK
}
