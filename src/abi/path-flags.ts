/**
 * Flags of the calls that take a path: open(2) and the *at family, openat2(2), rename(2), statx(2), inotify_add_watch(2).
 * Headers: include/uapi/linux/fcntl.h, openat2.h, fs.h, stat.h, xattr.h, inotify.h. x64 and arm64 share all of them.
 */

// The dirfd that means the calling thread's current directory: openat(2).
export const AT_FDCWD = -100

// AT_EACCESS (faccessat2), AT_REMOVEDIR (unlinkat) and AT_HANDLE_FID (name_to_handle_at) share one bit: each call reads
// its own meaning.
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_NO_AUTOMOUNT = 0x800
export const AT_EMPTY_PATH = 0x1000

// statx(2): bits of the mask of requested fields, which is also that of the answered ones.
export const STATX_INO = 0x100
export const STATX_BTIME = 0x800

// openat2(2): bits of open_how.resolve.
export const RESOLVE_NO_MAGICLINKS = 0x2
export const RESOLVE_NO_SYMLINKS = 0x4
export const RESOLVE_BENEATH = 0x8
export const RESOLVE_IN_ROOT = 0x10

// Flags of renameat2(2).
export const RENAME_NOREPLACE = 0x1
export const RENAME_EXCHANGE = 0x2
export const RENAME_WHITEOUT = 0x4

// Flags of setxattr(2).
export const XATTR_CREATE = 0x1
export const XATTR_REPLACE = 0x2

// A bit of the mask of inotify_add_watch(2): the last name is not followed if it is a link.
export const IN_DONT_FOLLOW = 0x2000000
