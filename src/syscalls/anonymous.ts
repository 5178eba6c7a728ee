/** Descriptors without a path: the broker makes them, by kind, and injects them. libuv needs them. */
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_HUGETLB, MFD_NOEXEC_SEAL } from '../abi/descriptors.js'
import { Errno } from '../abi/errno.js'
import { AF_UNIX, SOCK_CLOEXEC } from '../abi/socket.js'
import { constant, int, string, struct, unsigned, word, type Arg } from './args.js'
import { no, value, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { AnonymousKind, Descriptor } from './ports.js'
import { socketKind } from './socket-kinds.js'

const family = 'anonymous'
const answer = 'made by the broker and injected'
/** Every *_CLOEXEC of these calls is O_CLOEXEC, and every *_NONBLOCK is O_NONBLOCK, on x64 and on arm64. */
const CLOEXEC = 0x80000
const NONBLOCK = 0x800
const O_DIRECT = { x64: 0x4000, arm64: 0x10000 } as const
const NO_FLAGS = constant(0)
/** MFD_NAME_MAX_LEN, mm/memfd.c, with the NUL. */
const MEMFD_NAME = 250

function give(made: Outcome<Descriptor>, flags: number): Reply {
  return failed(made) ? made : { kind: 'descriptor', fd: made, cloexec: (flags & CLOEXEC) !== 0 }
}

/** A call whose arguments describe the new descriptor completely. */
function maker<A extends Readonly<Record<string, Arg<unknown>>> & { flags: Arg<number> }>(
  name: Row['name'],
  args: A,
  kindOf: (values: { [K in keyof A]: A[K] extends Arg<infer T> ? T : never }) => AnonymousKind,
): Row {
  return defineSyscall({
    name,
    family,
    operation: 'create-descriptor',
    answer,
    args,
    handle: (call, values) => {
      const what = kindOf(values)
      return give(call.kernel.anonymous(what), what.flags)
    },
  })
}

function pipeCall(call: Call, { to, flags }: { to: number; flags: number }): Reply {
  if ((flags & ~(CLOEXEC | NONBLOCK | O_DIRECT.x64 | O_DIRECT.arm64)) !== 0) return Fail.of(Errno.EINVAL)
  const fds = call.kernel.pipe(flags)
  return failed(fds) ? fds : { kind: 'pair', fds, cloexec: (flags & CLOEXEC) !== 0, pointer: to }
}

function socketpairCall(
  call: Call,
  { domain, type, protocol, to }: Record<'domain' | 'type' | 'protocol' | 'to', number>,
): Reply {
  const kind = socketKind(domain, type, protocol)
  if (failed(kind)) return kind
  // socketpair(2): AF_UNIX is the only domain here that has pairs.
  if (domain !== AF_UNIX) return Fail.of(kind === 'offered' ? Errno.EOPNOTSUPP : Errno.EAFNOSUPPORT)
  const fds = call.kernel.socketpair(type)
  return failed(fds) ? fds : { kind: 'pair', fds, cloexec: (type & SOCK_CLOEXEC) !== 0, pointer: to }
}

/**
 * signalfd(2). With a descriptor it changes the mask of that object, which a duplicate of the descriptor refers to as
 * well.
 */
function signalfdCall(
  call: Call,
  { fd, mask, size, flags }: { fd: number; mask: Uint8Array | undefined; size: number; flags: number },
): Reply {
  if (size !== 8) return Fail.of(Errno.EINVAL)
  if (mask === undefined) return Fail.of(Errno.EFAULT)
  if (fd === -1) return give(call.kernel.anonymous({ kind: 'signalfd', mask, flags }), flags)
  const held = call.target.descriptor(fd)
  if (failed(held)) return held
  const set = call.kernel.setSignalMask(held, mask)
  held.close()
  return failed(set) ? set : value(fd)
}

/**
 * Makes memory that cannot be executed as a program (MFD_NOEXEC_SEAL, Linux 6.3): Landlock does not see a file without
 * a place, so a program in memory would be past the authority that execve relies on. MFD_EXEC is what a memfd was
 * before that flag. Most programs that pass it only map the memory executable, which needs no right of the file.
 */
function memfdCall(call: Call, { name, flags }: { name: string; flags: number }): Reply {
  if ((flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) === (MFD_EXEC | MFD_NOEXEC_SEAL)) return Fail.of(Errno.EINVAL)
  if ((flags & MFD_HUGETLB) !== 0) return no(call, Errno.ENOSYS, 'memory of huge pages could be made executable')
  const mayExecute = (flags & MFD_EXEC) !== 0
  const made = call.kernel.anonymous({ kind: 'memfd', name, flags: (flags & ~MFD_EXEC) | MFD_NOEXEC_SEAL })
  const cloexec = (flags & MFD_CLOEXEC) === 0 ? 0 : CLOEXEC
  if (failed(made)) {
    // EINVAL: the kernel knows neither flag.
    return made.errno === Errno.EINVAL && !mayExecute
      ? give(call.kernel.anonymous({ kind: 'memfd', name, flags }), cloexec)
      : made
  }
  // MFD_NOEXEC_SEAL also allows further seals, which the caller has not asked for.
  const sealed = (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) === 0 ? call.kernel.seal(made) : true
  if (!failed(sealed)) return give(made, cloexec)
  made.close()
  return sealed
}

const eventfd = (name: 'eventfd' | 'eventfd2', flags: Arg<number>): Row =>
  maker(name, { initial: unsigned(0), flags }, ({ initial, flags: given }) => ({
    kind: 'eventfd',
    initial,
    flags: given,
  }))

export const anonymousFamily: readonly Row[] = [
  eventfd('eventfd', NO_FLAGS),
  eventfd('eventfd2', int(1)),
  defineSyscall({
    name: 'epoll_create',
    family,
    operation: 'create-descriptor',
    answer,
    args: { size: int(0) },
    handle: (call, { size }) =>
      size <= 0 ? Fail.of(Errno.EINVAL) : give(call.kernel.anonymous({ kind: 'epoll', flags: 0 }), 0),
  }),
  maker('epoll_create1', { flags: int(0) }, ({ flags }) => ({ kind: 'epoll', flags })),
  maker('timerfd_create', { clock: int(0), flags: int(1) }, ({ clock, flags }) => ({ kind: 'timerfd', clock, flags })),
  maker('inotify_init', { flags: NO_FLAGS }, ({ flags }) => ({ kind: 'inotify', flags })),
  maker('inotify_init1', { flags: int(0) }, ({ flags }) => ({ kind: 'inotify', flags })),
  defineSyscall({
    name: 'memfd_create',
    family,
    operation: 'create-descriptor',
    answer,
    args: { name: string(0, MEMFD_NAME, Errno.EINVAL), flags: int(1) },
    handle: memfdCall,
  }),
  defineSyscall({
    name: 'signalfd',
    family,
    operation: 'create-descriptor',
    answer,
    args: { fd: int(0), mask: struct(1, 8), size: word(2), flags: NO_FLAGS },
    handle: signalfdCall,
  }),
  defineSyscall({
    name: 'signalfd4',
    family,
    operation: 'create-descriptor',
    answer,
    args: { fd: int(0), mask: struct(1, 8), size: word(2), flags: int(3) },
    handle: signalfdCall,
  }),
  defineSyscall({
    name: 'pipe',
    family,
    operation: 'create-pipe',
    answer,
    args: { to: word(0), flags: NO_FLAGS },
    handle: pipeCall,
  }),
  defineSyscall({
    name: 'pipe2',
    family,
    operation: 'create-pipe',
    answer,
    args: { to: word(0), flags: int(1) },
    handle: pipeCall,
  }),
  defineSyscall({
    name: 'socketpair',
    family,
    operation: 'create-socket',
    answer,
    args: { domain: int(0), type: int(1), protocol: int(2), to: word(3) },
    handle: socketpairCall,
  }),
]
