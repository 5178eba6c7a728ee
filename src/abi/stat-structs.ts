import type { Arch } from './arch.js'

/**
 * Structures that the kernel writes for stat(2), statx(2) and statfs(2): the offset of each field, and the whole size
 * as `size`. Bytes between fields are padding and must be written as zero, so that nothing of the broker's memory
 * leaks.
 */

/** Offset and width in bytes of one field. Sizes and seconds are signed, all others unsigned. */
interface StatField {
  readonly at: number
  readonly bytes: 4 | 8
}

/** struct stat as the kernel writes it for stat, lstat, fstat and newfstatat. */
interface StatLayout {
  readonly size: number
  readonly st_dev: StatField
  readonly st_ino: StatField
  readonly st_nlink: StatField
  readonly st_mode: StatField
  readonly st_uid: StatField
  readonly st_gid: StatField
  readonly st_rdev: StatField
  readonly st_size: StatField
  readonly st_blksize: StatField
  readonly st_blocks: StatField
  readonly st_atime: StatField
  readonly st_atime_nsec: StatField
  readonly st_mtime: StatField
  readonly st_mtime_nsec: StatField
  readonly st_ctime: StatField
  readonly st_ctime_nsec: StatField
}

const TIMES = {
  st_atime: { at: 72, bytes: 8 },
  st_atime_nsec: { at: 80, bytes: 8 },
  st_mtime: { at: 88, bytes: 8 },
  st_mtime_nsec: { at: 96, bytes: 8 },
  st_ctime: { at: 104, bytes: 8 },
  st_ctime_nsec: { at: 112, bytes: 8 },
} as const

/** arch/x86/include/uapi/asm/stat.h; for arm64, include/uapi/asm-generic/stat.h. */
export const STAT: Readonly<Record<Arch, StatLayout>> = {
  x64: {
    size: 144,
    st_dev: { at: 0, bytes: 8 },
    st_ino: { at: 8, bytes: 8 },
    st_nlink: { at: 16, bytes: 8 },
    st_mode: { at: 24, bytes: 4 },
    st_uid: { at: 28, bytes: 4 },
    st_gid: { at: 32, bytes: 4 },
    st_rdev: { at: 40, bytes: 8 },
    st_size: { at: 48, bytes: 8 },
    st_blksize: { at: 56, bytes: 8 },
    st_blocks: { at: 64, bytes: 8 },
    ...TIMES,
  },
  arm64: {
    size: 128,
    st_dev: { at: 0, bytes: 8 },
    st_ino: { at: 8, bytes: 8 },
    st_mode: { at: 16, bytes: 4 },
    st_nlink: { at: 20, bytes: 4 },
    st_uid: { at: 24, bytes: 4 },
    st_gid: { at: 28, bytes: 4 },
    st_rdev: { at: 32, bytes: 8 },
    st_size: { at: 48, bytes: 8 },
    st_blksize: { at: 56, bytes: 4 },
    st_blocks: { at: 64, bytes: 8 },
    ...TIMES,
  },
}

/** struct statx: statx(2), include/uapi/linux/stat.h. Timestamps are STATX_TIMESTAMP; `stx_mode` is u16. */
export const STATX = {
  size: 256,
  stx_mask: 0,
  stx_blksize: 4,
  stx_attributes: 8,
  stx_nlink: 16,
  stx_uid: 20,
  stx_gid: 24,
  stx_mode: 28,
  stx_ino: 32,
  stx_size: 40,
  stx_blocks: 48,
  stx_attributes_mask: 56,
  stx_atime: 64,
  stx_btime: 80,
  stx_ctime: 96,
  stx_mtime: 112,
  stx_rdev_major: 128,
  stx_rdev_minor: 132,
  stx_dev_major: 136,
  stx_dev_minor: 140,
  stx_mnt_id: 144,
  stx_dio_mem_align: 152,
  stx_dio_offset_align: 156,
} as const

/** struct statx_timestamp, include/uapi/linux/stat.h: `tv_sec` s64, `tv_nsec` u32. */
export const STATX_TIMESTAMP = { size: 16, tv_sec: 0, tv_nsec: 8 } as const

/** struct statfs: statfs(2), include/uapi/asm-generic/statfs.h. All fields are 8 bytes wide; `f_fsid` is two s32. */
export const STATFS = {
  size: 120,
  f_type: 0,
  f_bsize: 8,
  f_blocks: 16,
  f_bfree: 24,
  f_bavail: 32,
  f_files: 40,
  f_ffree: 48,
  f_fsid: 56,
  f_namelen: 64,
  f_frsize: 72,
  f_flags: 80,
} as const
