import { describe, expect, test } from 'vitest'
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_HUGETLB, MFD_NOEXEC_SEAL } from '../../src/abi/descriptors.js'
import { Errno } from '../../src/abi/errno.js'
import { AF_INET, AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/abi/socket.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { Fail } from '../../src/syscalls/outcome.js'
import { shown, type Register } from './house.js'
import { scene } from './scene.js'

const CLOEXEC = 0x80000
const pair = (): Uint8Array => new Uint8Array(8)

function titled<T>(cases: readonly (readonly [SyscallName, Register[], T])[]): [SyscallName, string, T, Register[]][] {
  return cases.map(([name, args, expected]) => [name, shown(args), expected, args])
}

describe('descriptors without a path', () => {
  test.each(
    titled<string>([
      ['eventfd', [1], 'fd anon_inode:[eventfd]'],
      ['eventfd2', [1, CLOEXEC], 'fd anon_inode:[eventfd]'],
      ['epoll_create', [1], 'fd anon_inode:[eventpoll]'],
      ['epoll_create', [0], 'EINVAL'],
      ['epoll_create', [-1], 'EINVAL'],
      ['epoll_create1', [CLOEXEC], 'fd anon_inode:[eventpoll]'],
      ['timerfd_create', [1, 0], 'fd anon_inode:[timerfd]'],
      ['inotify_init', [], 'fd anon_inode:inotify'],
      ['inotify_init1', [CLOEXEC], 'fd anon_inode:inotify'],
      ['memfd_create', ['m', 1], 'fd /memfd:m (deleted)'],
      ['memfd_create', ['x'.repeat(250), 0], 'EINVAL'],
      ['memfd_create', [0, 0], 'EFAULT'],
      ['signalfd4', [-1, new Uint8Array(8), 8, 0], 'fd anon_inode:[signalfd]'],
      ['signalfd4', [-1, new Uint8Array(8), 4, 0], 'EINVAL'],
      ['signalfd4', [-1, 0, 8, 0], 'EFAULT'],
      ['signalfd', [99, new Uint8Array(8), 8], 'EBADF'],
      ['pipe', [pair()], 'pair pipe:[1] pipe:[1]'],
      ['pipe2', [pair(), CLOEXEC], 'pair pipe:[1] pipe:[1]'],
      ['pipe2', [pair(), 1], 'EINVAL'],
      ['socketpair', [AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair()], 'pair socket:[1] socket:[2]'],
      ['socketpair', [AF_UNIX, SOCK_DGRAM, AF_UNIX, pair()], 'pair socket:[1] socket:[2]'],
      ['socketpair', [AF_INET, SOCK_STREAM, 0, pair()], 'EOPNOTSUPP'],
      ['socketpair', [30, SOCK_STREAM, 0, pair()], 'EAFNOSUPPORT'],
      ['socketpair', [AF_UNIX, 4, 0, pair()], 'ESOCKTNOSUPPORT'],
      ['memfd_create', ['m', MFD_EXEC | MFD_NOEXEC_SEAL], 'EINVAL'],
      ['memfd_create', ['m', MFD_HUGETLB | MFD_ALLOW_SEALING], 'ENOSYS'],
      ['socketpair', [AF_UNIX, SOCK_STREAM, 6, pair()], 'EPROTONOSUPPORT'],
      ['socketpair', [AF_UNIX, SOCK_STREAM | 0x100, 0, pair()], 'EINVAL'],
    ]),
  )('%s(%s) is %s', (name, _, expected, args) => {
    expect(scene().call(name, ...args)).toBe(expected)
  })

  test.each(
    titled<boolean>([
      ['eventfd2', [0, CLOEXEC], true],
      ['eventfd2', [0, 0], false],
      ['memfd_create', ['m', 1], true],
      ['memfd_create', ['m', 2], false],
      ['pipe2', [pair(), CLOEXEC], true],
      ['socketpair', [AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair()], true],
    ]),
  )('%s(%s): closed on exec is %s', (name, _, expected, args) => {
    expect(scene().run(name, args)).toMatchObject({ cloexec: expected })
  })

  test('no program is made in memory: everything is sealed, also what asks for one', () => {
    const house = scene()
    const flags: number[] = []
    const anonymous = house.kernel.anonymous.bind(house.kernel)
    house.kernel.anonymous = (what) => {
      flags.push(what.flags)
      return anonymous(what)
    }
    for (const given of [MFD_EXEC, MFD_CLOEXEC, 0]) house.call('memfd_create', 'm', given)
    expect(flags).toEqual([MFD_NOEXEC_SEAL, MFD_NOEXEC_SEAL | MFD_CLOEXEC, MFD_NOEXEC_SEAL])
    expect(house.violations).toEqual([])
  })

  test('a kernel that knows no sealed memory makes ordinary memory, and none for a program', () => {
    const house = scene()
    const anonymous = house.kernel.anonymous.bind(house.kernel)
    house.kernel.anonymous = (what) =>
      (what.flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) === 0 ? anonymous(what) : Fail.of(Errno.EINVAL)
    expect(house.call('memfd_create', 'm', 0)).toBe('fd /memfd:m (deleted)')
    expect(house.call('memfd_create', 'm', MFD_EXEC)).toBe('EINVAL')
  })

  test('signalfd with a descriptor changes that one', () => {
    const house = scene()
    house.hold(7, 'signalfd4', -1, new Uint8Array(8), 8, 0)
    house.hold(8, 'eventfd2', 0, 0)
    expect(house.call('signalfd4', 7, new Uint8Array(8), 8, 0)).toBe('7')
    expect(house.call('signalfd4', 8, new Uint8Array(8), 8, 0)).toBe('EINVAL')
    expect(house.kernel.ledger.live.size).toBe(0)
  })
})
