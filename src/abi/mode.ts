/** File types and permission bits: inode(7), include/uapi/linux/stat.h; modes of access(2): unistd.h. */

// Values of st_mode & S_IFMT.
export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o60000
export const S_IFDIR = 0o40000
export const S_IFCHR = 0o20000
export const S_IFIFO = 0o10000

// Modes of access(2).
export const F_OK = 0
export const X_OK = 1
export const W_OK = 2
export const R_OK = 4
