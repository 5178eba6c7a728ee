/**
 * File types and permission bits: inode(7), include/uapi/linux/stat.h; the access(2) modes are unistd.h's.
 */

// st_mode & S_IFMT is one of these.
export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o60000
export const S_IFDIR = 0o40000
export const S_IFCHR = 0o20000
export const S_IFIFO = 0o10000

// Permission bits.
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000
export const S_IRWXU = 0o0700
export const S_IRUSR = 0o0400
export const S_IWUSR = 0o0200
export const S_IXUSR = 0o0100
export const S_IRWXG = 0o0070
export const S_IRGRP = 0o0040
export const S_IWGRP = 0o0020
export const S_IXGRP = 0o0010
export const S_IRWXO = 0o0007
export const S_IROTH = 0o0004
export const S_IWOTH = 0o0002
export const S_IXOTH = 0o0001

// access(2).
export const F_OK = 0
export const X_OK = 1
export const W_OK = 2
export const R_OK = 4
