import { RLIMIT_NOFILE } from '../abi/rlimit.js'
import { numberOf, Pinned, sys6 } from './raw.js'

/** The most descriptors that this process may have: getrlimit(2). */
export function mostOpenFiles(): number {
  const memory = new Pinned(16)
  sys6(numberOf('prlimit64'), 0, RLIMIT_NOFILE, 0, memory.address)
  return Number(memory.bytes.readBigUInt64LE(0))
}
