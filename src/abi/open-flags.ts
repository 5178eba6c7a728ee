import type { Arch } from './arch.js'

/** Flags of open(2), by the names in that man page. */
export interface OpenFlags {
  readonly O_ACCMODE: number
  readonly O_RDONLY: number
  readonly O_WRONLY: number
  readonly O_RDWR: number
  readonly O_CREAT: number
  readonly O_EXCL: number
  readonly O_NOCTTY: number
  readonly O_TRUNC: number
  readonly O_APPEND: number
  readonly O_NONBLOCK: number
  readonly O_DSYNC: number
  readonly O_ASYNC: number
  readonly O_DIRECT: number
  readonly O_LARGEFILE: number
  readonly O_DIRECTORY: number
  readonly O_NOFOLLOW: number
  readonly O_NOATIME: number
  readonly O_CLOEXEC: number
  readonly O_SYNC: number
  readonly O_PATH: number
  readonly O_TMPFILE: number
  /** Newer than Linux 6.18: an empty path opens the dirfd itself. */
  readonly O_EMPTYPATH: number
}

// include/uapi/asm-generic/fcntl.h, where O_ASYNC is called FASYNC.
const SHARED = {
  O_ACCMODE: 0o3,
  O_RDONLY: 0o0,
  O_WRONLY: 0o1,
  O_RDWR: 0o2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DSYNC: 0o10000,
  O_ASYNC: 0o20000,
  O_NOATIME: 0o1000000,
  O_CLOEXEC: 0o2000000,
  O_SYNC: 0o4010000,
  O_PATH: 0o10000000,
  O_EMPTYPATH: 0o400000000,
}

// O_TMPFILE contains O_DIRECTORY, so that old kernels fail instead of ignoring it; hence it differs by architecture,
// too.
const TMPFILE_BIT = 0o20000000

const FLAGS: Readonly<Record<Arch, OpenFlags>> = {
  x64: {
    ...SHARED,
    O_DIRECT: 0o40000,
    O_LARGEFILE: 0o100000,
    O_DIRECTORY: 0o200000,
    O_NOFOLLOW: 0o400000,
    O_TMPFILE: TMPFILE_BIT | 0o200000,
  },
  // arch/arm64/include/uapi/asm/fcntl.h
  arm64: {
    ...SHARED,
    O_DIRECT: 0o200000,
    O_LARGEFILE: 0o400000,
    O_DIRECTORY: 0o40000,
    O_NOFOLLOW: 0o100000,
    O_TMPFILE: TMPFILE_BIT | 0o40000,
  },
}

/**
 * The flags of open(2) on an architecture. O_LARGEFILE is the kernel's bit: the C library of a 64-bit machine defines
 * it as 0, but the kernel sets it and fcntl(F_GETFL) shows it.
 */
export function openFlags(arch: Arch): OpenFlags {
  return FLAGS[arch]
}
