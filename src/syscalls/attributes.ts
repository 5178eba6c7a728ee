/** Calls that change attributes or content of an existing file, by path and through a descriptor. */
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/path-flags.js'
import {
  blob,
  constant,
  int,
  long,
  path,
  pathAt,
  pathAtOrNull,
  string,
  struct,
  unsigned,
  type PathArg,
} from './args.js'
import { done, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import type { Performed } from './delegated.js'
import { onHandle, onHeld, statusOf } from './handle.js'
import { onPath } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Descriptor } from './ports.js'

const family = 'change'
const answer = 'performed beneath a write grant'
const NO_FLAGS = constant(0)
const FROM_CWD = constant(AT_FDCWD)
const XATTR_NAME = 256
/** XATTR_SIZE_MAX: include/uapi/linux/limits.h. */
const XATTR_SIZE = 65_536

/**
 * Allows only `user.` attributes. The others belong to the system, and need capabilities that a broker that runs as
 * root has and a worker must not use (xattr(7); security.capability makes a program privileged).
 */
function ordinary(name: string, change: AttributeChange): AttributeChange {
  return name.startsWith('user.') ? change : () => Fail.of(Errno.EPERM)
}

type AttributeChange = (fd: Descriptor) => Performed

/** Changes an attribute of the file at a path. */
function attribute(call: Call, where: PathArg, flags: number, change: AttributeChange): Reply {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return Fail.of(Errno.EINVAL)
  return onHandle(call, where, 'write', flags, (fd) => done(change(fd)))
}

/**
 * Truncates through a descriptor. Through a handle the kernel no longer sees how the descriptor was opened, so that is
 * checked here: ftruncate(2), EINVAL.
 */
function truncate(call: Call, fd: number, held: Descriptor, length: number): Reply {
  const status = statusOf(call, fd, held)
  if (failed(status)) return status
  return (status & O_ACCMODE) === O_RDONLY ? Fail.of(Errno.EINVAL) : done(call.kernel.truncate(held, length))
}

/** These flags are the same on both architectures. */
const { O_ACCMODE, O_RDONLY } = openFlags('x64')

function attributeOf(call: Call, fd: number, change: AttributeChange): Reply {
  return onHeld(call, fd, (held) => done(change(held)))
}

const NANOS_PER_MICRO = 1000n

/**
 * Converts struct utimbuf or struct timeval[2] to struct timespec[2]. EINVAL for microseconds out of range: utimes(2).
 */
function timespecs(bytes: Uint8Array | undefined, unit: 'seconds' | 'micros'): Outcome<Uint8Array | undefined> {
  if (bytes === undefined) return undefined
  const from = new DataView(bytes.buffer, bytes.byteOffset)
  const result = new Uint8Array(32)
  const to = new DataView(result.buffer)
  for (const [index, at] of unit === 'seconds'
    ? ([
        [0, 0],
        [1, 8],
      ] as const)
    : ([
        [0, 0],
        [1, 16],
      ] as const)) {
    to.setBigInt64(index * 16, from.getBigInt64(at, true), true)
    if (unit === 'seconds') continue
    const micros = from.getBigInt64(at + 8, true)
    if (micros < 0n || micros >= 1_000_000n) return Fail.of(Errno.EINVAL)
    to.setBigInt64(index * 16 + 8, micros * NANOS_PER_MICRO, true)
  }
  return result
}

function timesCall(unit: 'seconds' | 'micros') {
  return (
    call: Call,
    { where, times }: { where: PathArg | undefined; times: Uint8Array | undefined; dirfd?: number },
  ): Reply => {
    const converted = timespecs(times, unit)
    if (failed(converted)) return converted
    if (where === undefined) return Fail.of(Errno.EFAULT)
    return attribute(call, where, 0, (fd) => call.kernel.utimens(fd, converted))
  }
}

const truncateLength = long(1)
const xattrName = (index: number) => string(index, XATTR_NAME, Errno.ERANGE)

function chmodRow(
  name: 'chmod' | 'fchmodat' | 'fchmodat2',
  args: {
    where: ReturnType<typeof path>
    mode: ReturnType<typeof unsigned>
    flags: ReturnType<typeof int>
  },
): Row {
  return defineSyscall({
    name,
    family,
    operation: 'change-mode',
    answer,
    args,
    handle: (call, { where, mode, flags }) => attribute(call, where, flags, (fd) => call.kernel.chmod(fd, mode)),
  })
}

function chownRow(
  name: 'chown' | 'lchown' | 'fchownat',
  args: {
    where: ReturnType<typeof path>
    owner: ReturnType<typeof unsigned>
    group: ReturnType<typeof unsigned>
    flags: ReturnType<typeof int>
  },
): Row {
  return defineSyscall({
    name,
    family,
    operation: 'change-owner',
    answer,
    args,
    handle: (call, { where, owner, group, flags }) =>
      attribute(call, where, flags, (fd) => call.kernel.chown(fd, owner, group)),
  })
}

function xattrRows(
  setName: 'setxattr' | 'lsetxattr',
  removeName: 'removexattr' | 'lremovexattr',
  follow: number,
): Row[] {
  return [
    defineSyscall({
      name: setName,
      family,
      operation: 'change-attributes',
      answer,
      args: { where: path(0), name: xattrName(1), content: blob(2, 3, XATTR_SIZE), flags: int(4) },
      handle: (call, { where, name, content, flags }) =>
        attribute(
          call,
          where,
          follow,
          ordinary(name, (fd) => call.kernel.setxattr(fd, name, content, flags)),
        ),
    }),
    defineSyscall({
      name: removeName,
      family,
      operation: 'change-attributes',
      answer,
      args: { where: path(0), name: xattrName(1) },
      handle: (call, { where, name }) =>
        attribute(
          call,
          where,
          follow,
          ordinary(name, (fd) => call.kernel.removexattr(fd, name)),
        ),
    }),
  ]
}

const throughDescriptor = 'performed on the descriptor, where the path of its file has a write grant'

export const attributeFamily: readonly Row[] = [
  chmodRow('chmod', { where: path(0), mode: unsigned(1), flags: NO_FLAGS }),
  chmodRow('fchmodat', { where: pathAt(0, 1), mode: unsigned(2), flags: NO_FLAGS }),
  chmodRow('fchmodat2', { where: pathAt(0, 1), mode: unsigned(2), flags: int(3) }),
  chownRow('chown', { where: path(0), owner: unsigned(1), group: unsigned(2), flags: NO_FLAGS }),
  chownRow('lchown', { where: path(0), owner: unsigned(1), group: unsigned(2), flags: constant(AT_SYMLINK_NOFOLLOW) }),
  chownRow('fchownat', { where: pathAt(0, 1), owner: unsigned(2), group: unsigned(3), flags: int(4) }),
  defineSyscall({
    name: 'utime',
    family,
    operation: 'change-times',
    answer,
    args: { where: path(0), times: struct(1, 16), dirfd: FROM_CWD },
    handle: timesCall('seconds'),
  }),
  defineSyscall({
    name: 'utimes',
    family,
    operation: 'change-times',
    answer,
    args: { where: path(0), times: struct(1, 32), dirfd: FROM_CWD },
    handle: timesCall('micros'),
  }),
  defineSyscall({
    name: 'futimesat',
    family,
    operation: 'change-times',
    answer,
    args: { where: pathAtOrNull(0, 1), times: struct(2, 32), dirfd: int(0) },
    handle: timesCall('micros'),
  }),
  defineSyscall({
    name: 'utimensat',
    family,
    operation: 'change-times',
    answer,
    args: { dirfd: int(0), where: pathAtOrNull(0, 1), times: struct(2, 32), flags: int(3) },
    handle: (call, { dirfd, where, times, flags }) => {
      const change: AttributeChange = (fd) => call.kernel.utimens(fd, times)
      // utimensat(2): a NULL path means futimens(3).
      return where === undefined ? attributeOf(call, dirfd, change) : attribute(call, where, flags, change)
    },
  }),
  defineSyscall({
    name: 'truncate',
    family,
    operation: 'truncate',
    answer,
    args: { where: path(0), length: truncateLength },
    handle: (call, { where, length }) =>
      onPath(call, where, { access: 'content', last: 'follow' }, (place) =>
        done(call.kernel.truncateAt(place, length)),
      ),
  }),
  ...xattrRows('setxattr', 'removexattr', 0),
  ...xattrRows('lsetxattr', 'lremovexattr', AT_SYMLINK_NOFOLLOW),
  defineSyscall({
    name: 'fchmod',
    family,
    operation: 'change-mode',
    answer: throughDescriptor,
    args: { fd: int(0), mode: unsigned(1) },
    handle: (call, { fd, mode }) => attributeOf(call, fd, (held) => call.kernel.chmod(held, mode)),
  }),
  defineSyscall({
    name: 'fchown',
    family,
    operation: 'change-owner',
    answer: throughDescriptor,
    args: { fd: int(0), owner: unsigned(1), group: unsigned(2) },
    handle: (call, { fd, owner, group }) => attributeOf(call, fd, (held) => call.kernel.chown(held, owner, group)),
  }),
  defineSyscall({
    name: 'ftruncate',
    family,
    operation: 'truncate',
    answer: throughDescriptor,
    args: { fd: int(0), length: truncateLength },
    handle: (call, { fd, length }) => onHeld(call, fd, (held) => truncate(call, fd, held, length), 'content'),
  }),
  defineSyscall({
    name: 'fsetxattr',
    family,
    operation: 'change-attributes',
    answer: throughDescriptor,
    args: { fd: int(0), name: xattrName(1), content: blob(2, 3, XATTR_SIZE), flags: int(4) },
    handle: (call, { fd, name, content, flags }) =>
      attributeOf(
        call,
        fd,
        ordinary(name, (held) => call.kernel.setxattr(held, name, content, flags)),
      ),
  }),
  defineSyscall({
    name: 'fremovexattr',
    family,
    operation: 'change-attributes',
    answer: throughDescriptor,
    args: { fd: int(0), name: xattrName(1) },
    handle: (call, { fd, name }) =>
      attributeOf(
        call,
        fd,
        ordinary(name, (held) => call.kernel.removexattr(held, name)),
      ),
  }),
]
