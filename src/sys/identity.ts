/** The identity of a file, independent of its names. */
import { AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW } from '../abi/path-flags.js'
import { STATX, STATX_TIMESTAMP } from '../abi/stat-structs.js'
import { Fail, type Outcome } from '../syscalls/outcome.js'
import { numberOf, Pinned, sys6 } from './raw.js'

const STATX_CALL = numberOf('statx')
const STATX_INO = 0x100
const STATX_BTIME = 0x800

export class Identities {
  readonly #out = new Pinned(STATX.size)

  /**
   * The file's identity: device, inode number and time of birth. Inode numbers are used again; together with the time
   * of birth, where the file system has one, they are not.
   */
  of(dirfd: number, pathAddress: number, flags: number): Outcome<string> {
    const { bytes, address } = this.#out
    const result = sys6(
      STATX_CALL,
      dirfd,
      pathAddress,
      flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
      STATX_INO | STATX_BTIME,
      address,
    )
    if (result < 0) return Fail.of(result)
    const isBirthKnown = (bytes.readUInt32LE(STATX.stx_mask) & STATX_BTIME) !== 0
    const birth = isBirthKnown
      ? bytes.toString('hex', STATX.stx_btime, STATX.stx_btime + STATX_TIMESTAMP.tv_nsec + 4)
      : ''
    return `${bytes.readUInt32LE(STATX.stx_dev_major)}:${bytes.readUInt32LE(STATX.stx_dev_minor)}:${bytes.readBigUInt64LE(STATX.stx_ino)}:${birth}`
  }
}
