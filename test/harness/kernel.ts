/** What came to the kernel later than what the package needs. */
import { statfsSync } from 'node:fs'
import { release, tmpdir } from 'node:os'

function isSince(major: number, minor: number): boolean {
  const [ours = 0, below = 0] = release().split('.').map(Number.parseFloat)
  return ours > major || (ours === major && below >= minor)
}

const TMPFS_MAGIC = 0x01021994
const RAMFS_MAGIC = 0x858458f6

/** User attributes of files in the temporary directory: xattr(7). tmpfs has them since Linux 6.6. */
export const hasUserAttributes = (): boolean =>
  isSince(6, 6) || ![TMPFS_MAGIC, RAMFS_MAGIC].includes(statfsSync(tmpdir()).type)

/** PIDFD_THREAD of pidfd_open(2): a thread can be named whose process's first thread has ended. */
export const namesThreads = (): boolean => isSince(6, 9)
