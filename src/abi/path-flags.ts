/**
 * Flags of the calls that take a path: open(2) and the *at family, openat2(2), rename(2), statx(2).
 * Headers: include/uapi/linux/fcntl.h, openat2.h, fs.h, stat.h, xattr.h. x64 and arm64 share all of them.
 */

// A dirfd that means the calling thread's current directory: openat(2).
export const AT_FDCWD = -100

// Further dirfds that are no descriptors, newer than 6.12 (include/uapi/linux/fcntl.h): a decoder must not take them
// for one.
export const PIDFD_SELF_THREAD = -10000
export const PIDFD_SELF_THREAD_GROUP = -10001
export const FD_PIDFS_ROOT = -10002
export const FD_NSFS_ROOT = -10003
export const FD_FAILFS_ROOT = -10004
export const FD_INVALID = -10009

// AT_EACCESS (faccessat2), AT_REMOVEDIR (unlinkat) and AT_HANDLE_FID (name_to_handle_at) share one bit: each is read
// by its own call.
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_EACCESS = 0x200
export const AT_REMOVEDIR = 0x200
export const AT_HANDLE_FID = 0x200
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_NO_AUTOMOUNT = 0x800
export const AT_EMPTY_PATH = 0x1000
export const AT_RECURSIVE = 0x8000
export const AT_EXECVE_CHECK = 0x10000

// statx(2): how fresh the answer must be.
export const AT_STATX_SYNC_TYPE = 0x6000
export const AT_STATX_SYNC_AS_STAT = 0x0
export const AT_STATX_FORCE_SYNC = 0x2000
export const AT_STATX_DONT_SYNC = 0x4000

// statx(2): the fields asked for and answered.
export const STATX_TYPE = 0x1
export const STATX_MODE = 0x2
export const STATX_NLINK = 0x4
export const STATX_UID = 0x8
export const STATX_GID = 0x10
export const STATX_ATIME = 0x20
export const STATX_MTIME = 0x40
export const STATX_CTIME = 0x80
export const STATX_INO = 0x100
export const STATX_SIZE = 0x200
export const STATX_BLOCKS = 0x400
export const STATX_BASIC_STATS = 0x7ff
export const STATX_BTIME = 0x800
export const STATX_MNT_ID = 0x1000
export const STATX_DIOALIGN = 0x2000
export const STATX_MNT_ID_UNIQUE = 0x4000
export const STATX_SUBVOL = 0x8000
export const STATX_WRITE_ATOMIC = 0x10000
export const STATX_DIO_READ_ALIGN = 0x20000
export const STATX__RESERVED = 0x80000000

// openat2(2), open_how.resolve.
export const RESOLVE_NO_XDEV = 0x1
export const RESOLVE_NO_MAGICLINKS = 0x2
export const RESOLVE_NO_SYMLINKS = 0x4
export const RESOLVE_BENEATH = 0x8
export const RESOLVE_IN_ROOT = 0x10
export const RESOLVE_CACHED = 0x20

// renameat2(2).
export const RENAME_NOREPLACE = 0x1
export const RENAME_EXCHANGE = 0x2
export const RENAME_WHITEOUT = 0x4

// setxattr(2).
export const XATTR_CREATE = 0x1
export const XATTR_REPLACE = 0x2
