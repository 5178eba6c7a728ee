/** A well-formed call for each row that does something, for the properties to bend and break. */
import { S_IFIFO } from '../../src/abi/mode.js'
import { openFlags } from '../../src/abi/open-flags.js'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  RENAME_EXCHANGE,
} from '../../src/abi/path-flags.js'
import { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from '../../src/abi/socket.js'
import { STAT, STATX } from '../../src/abi/stat-structs.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { compilePolicy, type SocketRule } from '../../src/policy/policy.js'
import type { FakeFd } from '../contracts/fake-descriptors.js'
import { policyData } from '../contracts/rules.js'
import type { Register } from './house.js'
import { House, type HouseOptions } from './house.js'
import { FILES, RULES } from './scene.js'

const O = openFlags('x64')
const room = (size: number): Uint8Array => new Uint8Array(size)

/** What the target of the properties holds, by number. */
export const FD = {
  read: 107,
  write: 108,
  outside: 109,
  directory: 110,
  root: 111,
  pipe: 112,
  tcp: 113,
  unix: 114,
  udp: 115,
  inotify: 116,
  signalfd: 117,
  listener: 118,
  memfd: 119,
  client: 120,
  pidfd: 121,
} as const

export function inet(port: number, host: readonly number[] = [127, 0, 0, 1]): Uint8Array {
  return Uint8Array.from([AF_INET, 0, port >> 8, port & 0xff, ...host, 0, 0, 0, 0, 0, 0, 0, 0])
}

export function unixAddress(path: string): Uint8Array {
  return Uint8Array.from([AF_UNIX, 0, ...Buffer.from(`${path}\0`, 'latin1')])
}

export function words(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), index * 8)
  return bytes
}

function tcp(access: SocketRule['access']): SocketRule {
  const networks = [{ address: '127.0.0.1', prefix: 32 }]
  return {
    access,
    source: 'test',
    at: 'test',
    target: { family: 'inet', protocol: 'tcp', host: { kind: 'networks', networks }, ports: { from: 1000, to: 1002 } },
  }
}

/** A house with open descriptors of every kind, some on what lies outside, and network grants for ports 1000 to 1002. */
export function furnished(options: HouseOptions = {}): House {
  const policy = compilePolicy({
    ...policyData(RULES, options.mode ?? 'enforce'),
    sockets: [tcp('connect'), tcp('listen')],
  })
  const house = new House({ files: FILES, policy, ...options })
  const { target, kernel } = house
  house.inherit(FD.read, '/r/f', O.O_RDONLY)
  house.inherit(FD.write, '/w/f', O.O_RDWR)
  house.inherit(FD.outside, '/o/canary', O.O_RDWR)
  house.inherit(FD.directory, '/w', O.O_RDONLY)
  house.inherit(FD.root, '/', O.O_RDONLY)
  for (const [number, domain, type] of [
    [FD.tcp, AF_INET, SOCK_STREAM],
    [FD.unix, AF_UNIX, SOCK_STREAM],
    [FD.udp, AF_INET, SOCK_DGRAM],
  ] as const) {
    target.hold(number, kernel.sockets.make(domain, type))
  }
  const listener = kernel.sockets.make(AF_INET, SOCK_STREAM)
  listen(listener, '02000bb87f0000010000000000000000')
  kernel.sockets.bound.set('02000bb87f0000010000000000000000', mustSocket(listener))
  target.hold(FD.listener, listener)
  const client = kernel.sockets.make(AF_INET, SOCK_STREAM)
  mustSocket(client).connected = true
  target.hold(FD.client, client)
  house.hold(FD.inotify, 'inotify_init1', 0)
  house.hold(FD.signalfd, 'signalfd4', -1, room(8), 8, 0)
  house.hold(FD.memfd, 'memfd_create', 'm', 0)
  house.hold(FD.pidfd, 'pidfd_open', 100, 0)
  house.findings.length = 0
  return house
}

function mustSocket(fd: FakeFd): NonNullable<FakeFd['description']['socket']> {
  if (fd.description.socket === undefined) throw new Error('not a socket')
  return fd.description.socket
}

function listen(fd: FakeFd, local: string): void {
  const socket = mustSocket(fd)
  socket.local = local
  socket.listening = true
}

export type Template = readonly [SyscallName, readonly Register[]]

export const TEMPLATES: readonly Template[] = [
  ['open', ['/r/in', O.O_RDONLY]],
  ['open', ['/w/new', O.O_RDWR | O.O_CREAT, 0o644]],
  ['openat', [FD.directory, 'f', O.O_WRONLY | O.O_TRUNC]],
  ['openat', [AT_FDCWD, '/w/d/', O.O_TMPFILE | O.O_RDWR, 0o600]],
  ['creat', ['/w/dangling', 0o644]],
  ['open', ['/w/fifo', O.O_RDONLY]],
  ['open', ['/w/fifo', O.O_WRONLY]],
  ['open', ['/proc/self/status', O.O_RDONLY]],
  ['open', ['/proc/self/fd/119', O.O_RDWR]],
  ['open', ['/dev/fd/109', O.O_RDWR]],
  ['open', ['/r/f', O.O_PATH]],
  ['openat2', [AT_FDCWD, '/w/l', words(O.O_RDWR, 0, 0), 24]],
  ['openat2', [AT_FDCWD, '/w/l', words(O.O_RDWR, 0, 0, 0), 32]],
  ['stat', ['/r/toDir/g', room(STAT.x64.size)]],
  ['lstat', ['/r/in', room(STAT.x64.size)]],
  ['newfstatat', [FD.root, 'r/./f', room(STAT.x64.size), 0]],
  ['newfstatat', [FD.pipe, '', room(STAT.x64.size), AT_EMPTY_PATH]],
  ['statx', [AT_FDCWD, '/r/f', 0, 0x7ff, room(STATX.size)]],
  ['statx', [FD.outside, 0, AT_EMPTY_PATH, 0x7ff, room(STATX.size)]],
  ['statfs', ['/w', room(120)]],
  ['access', ['/r/f', 4]],
  ['faccessat', [FD.directory, 'f', 6]],
  ['faccessat2', [FD.write, '', 6, AT_EMPTY_PATH]],
  ['readlink', ['/r/in', room(64), 64]],
  ['readlinkat', [AT_FDCWD, '/proc/self/cwd', room(64), 64]],
  ['getxattr', ['/r/f', 'user.a', room(8), 8]],
  ['lgetxattr', ['/r/in', 'user.a', room(8), 8]],
  ['listxattr', ['/r/f', room(8), 8]],
  ['llistxattr', ['/r/in', 0, 0]],
  ['inotify_add_watch', [FD.inotify, '/r/d', 0x100]],
  ['chdir', ['/r/toDir']],
  ['mkdir', ['/w/new', 0o777]],
  ['mkdirat', [FD.directory, 'new/', 0o777]],
  ['mknod', ['/w/new', S_IFIFO | 0o600, 0]],
  ['mknodat', [FD.directory, 'new', 0o600, 0]],
  ['unlink', ['/w/f']],
  ['unlinkat', [FD.directory, 'e', 0x200]],
  ['rmdir', ['/w/e/']],
  ['rename', ['/w/f', '/w/new']],
  ['renameat', [FD.directory, 'd', FD.directory, 'e']],
  ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/d', RENAME_EXCHANGE]],
  ['link', ['/w/f', '/w/new']],
  ['linkat', [AT_FDCWD, '/w/l', FD.directory, 'new', AT_SYMLINK_FOLLOW]],
  ['symlink', ['/o/canary', '/w/new']],
  ['symlinkat', ['x', FD.directory, 'new']],
  ['chmod', ['/w/l', 0o600]],
  ['fchmodat', [FD.directory, 'f', 0o600]],
  ['fchmodat2', [FD.write, '', 0o600, AT_EMPTY_PATH]],
  ['chown', ['/w/f', 1, 1]],
  ['lchown', ['/w/outFile', 1, 1]],
  ['fchownat', [AT_FDCWD, '/w/l', 1, 1, AT_SYMLINK_NOFOLLOW]],
  ['utime', ['/w/f', room(16)]],
  ['utimes', ['/w/f', room(32)]],
  ['futimesat', [FD.directory, 'f', room(32)]],
  ['utimensat', [FD.write, 0, room(32), 0]],
  ['utimensat', [AT_FDCWD, '/w/l', 0, 0]],
  ['truncate', ['/w/l', 3]],
  ['setxattr', ['/w/f', 'user.a', 'value', 5, 0]],
  ['lsetxattr', ['/w/f', 'user.a', 'value', 5, 0]],
  ['removexattr', ['/w/f', 'user.a']],
  ['lremovexattr', ['/w/l', 'user.a']],
  ['fchmod', [FD.write, 0o600]],
  ['fchown', [FD.outside, 1, 1]],
  ['ftruncate', [FD.write, 3]],
  ['fsetxattr', [FD.write, 'user.a', 'value', 5, 0]],
  ['fremovexattr', [FD.read, 'user.a']],
  ['eventfd', [0]],
  ['eventfd2', [0, 0x80000]],
  ['epoll_create', [1]],
  ['epoll_create1', [0]],
  ['timerfd_create', [1, 0]],
  ['inotify_init', []],
  ['inotify_init1', [0]],
  ['memfd_create', ['m', 0]],
  ['signalfd', [FD.signalfd, room(8), 8]],
  ['signalfd4', [-1, room(8), 8, 0]],
  ['pipe', [room(8)]],
  ['pipe2', [room(8), 0]],
  ['socketpair', [AF_UNIX, SOCK_STREAM, 0, room(8)]],
  ['socket', [AF_INET, SOCK_STREAM, 0]],
  ['socket', [AF_UNIX, SOCK_DGRAM, 0]],
  ['connect', [FD.tcp, inet(1000), 16]],
  ['connect', [FD.unix, unixAddress('/w/sock'), 10]],
  ['bind', [FD.tcp, inet(1001), 16]],
  ['bind', [FD.unix, unixAddress('/w/sock'), 10]],
  ['listen', [FD.tcp, 5]],
  ['setsockopt', [FD.tcp, 1, 13, words(1), 8]],
  ['setsockopt', [FD.unix, 1, 16, words(1), 4]],
  ['setsockopt', [FD.tcp, 1, 9999, words(1), 4]],
  ['getsockopt', [FD.unix, 1, 17, room(12), words(12)]],
  ['getsockopt', [FD.udp, 500, 1, room(4), words(4)]],
  ['getsockname', [FD.unix, room(110), words(110)]],
  ['getsockname', [FD.listener, room(16), words(16)]],
  ['getpeername', [FD.client, room(16), words(16)]],
  ['linkat', [AT_FDCWD, '/proc/self/fd/119', AT_FDCWD, '/w/new', AT_SYMLINK_FOLLOW]],
  ['pidfd_open', [100, 0]],
  ['pidfd_send_signal', [FD.pidfd, 15, 0, 0]],
  ['pidfd_send_signal', [FD.pidfd, 15, room(128), 0]],
  ['setuid', [0]],
  ['setgid', [0]],
  ['setreuid', [-1, 0]],
  ['setregid', [0, 0]],
  ['setresuid', [0, 0, 1]],
  ['setresgid', [0, 0, -1]],
  ['setfsuid', [-1]],
  ['setfsgid', [1]],
  ['capget', [words(0x20080522), room(24)]],
  ['capset', [words(0x20080522), room(24)]],
  ['fcntl', [FD.tcp, 8, 100]],
  ['fcntl', [FD.read, 1024, 1]],
  ['ioctl', [FD.tcp, 0x1234]],
  ['prctl', [1, 15]],
  ['prctl', [36, 0]],
  ['accept', [FD.listener, room(16), words(16)]],
  ['accept4', [FD.listener, 0, 0, 0x80000]],
  ['sendto', [FD.udp, 'data', 4, 0, inet(1000), 16]],
  ['sendto', [FD.client, 'data', 4, 0, 0, 0]],
  ['sendmsg', [FD.client, words(0, 0, 0, 0, 0, 0, 0), 0]],
  ['sendmmsg', [FD.client, words(0, 0, 0, 0, 0, 0, 0, 0), 1, 0]],
  ['recvmsg', [FD.udp, words(0, 0, 0, 0, 0, 0, 0), 0x40]],
  ['recvmmsg', [FD.udp, words(0, 0, 0, 0, 0, 0, 0, 0), 1, 0x40, 0]],
  ['execve', ['/r/f', 0, 0]],
  ['execveat', [AT_FDCWD, '/w/f', 0, 0, 0]],
  ['kill', [100, 0]],
  ['tgkill', [100, 100, 0]],
  ['prlimit64', [100, 0, 0, 0]],
  // RLIMIT_LOCKS and RLIMIT_CORE, the limits of its own that the broker is asked about.
  ['setrlimit', [10, 0x1000]],
  ['setrlimit', [4, words(0, 0)]],
  ['prlimit64', [0, 4, words(0, 0), room(16)]],
  ['clock_gettime', [(~100 << 3) | 2, 0]],
  ['setsid', []],
  ['setpgid', [0, 0]],
  ['setpriority', [0, 100, 0]],
]
