/**
 * Unix sockets over which a worker may get descriptors: ends of pairs that were made for it. Where the kernel has no SO_PASSRIGHTS
 * they are told by a mark on the socket itself. SO_MAX_PACING_RATE is a number that every socket keeps, that nothing reads of a unix
 * socket, that no worker may set, and that accept(2) does not hand on.
 */
import { SO_MAX_PACING_RATE, SOL_SOCKET } from '../abi/socket.js'
import { numberOf, Pinned, sys6 } from './raw.js'

const MARK = 0x5ec0_0616

const N = { getsockopt: numberOf('getsockopt'), setsockopt: numberOf('setsockopt') }
const option = new Pinned(8)

/** The kernel's result: 0, or a negative errno. */
export function markOwnEnd(fd: number): number {
  option.words[0] = MARK
  return sys6(N.setsockopt, fd, SOL_SOCKET, SO_MAX_PACING_RATE, option.address, 4)
}

export function isOwnEnd(fd: number): boolean {
  option.words[1] = 4
  const got = sys6(N.getsockopt, fd, SOL_SOCKET, SO_MAX_PACING_RATE, option.address, option.address + 4)
  return got === 0 && option.words[0] === MARK
}
