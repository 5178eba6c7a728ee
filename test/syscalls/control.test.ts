import { describe, expect, test } from 'vitest'
import { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from '../../src/abi/socket.js'
import { failed } from '../../src/syscalls/outcome.js'
import { scene } from './scene.js'
import { words } from './templates.js'

const KIN = 100
const CHILD = 120
const [F_SETOWN, F_SETLEASE] = [8, 1024]
const [PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_MM] = [1, 4, 36, 35]

describe('fcntl', () => {
  test('nobody but the caller gets the signals of a descriptor: not a child, not a group', () => {
    const house = scene()
    house.target.kin.add(CHILD)
    house.inherit(7, '/r/f')
    expect([KIN, 0, CHILD, 1, -KIN].map((owner) => house.call('fcntl', 7, F_SETOWN, owner))).toEqual([
      'continue',
      'continue',
      'EPERM',
      'EPERM',
      'EPERM',
    ])
  })

  test('a lease is given up and not taken; what is not open is EBADF', () => {
    const house = scene()
    house.inherit(7, '/r/f')
    expect([2, 0, 1, 9].map((kind) => house.call('fcntl', 7, F_SETLEASE, kind))).toEqual([
      'continue',
      'EINVAL',
      'EINVAL',
      'EINVAL',
    ])
    expect([house.call('fcntl', 7, 9999), house.call('fcntl', 8, 9999), house.call('ioctl', 8, 1)]).toEqual([
      'EINVAL',
      'EBADF',
      'EBADF',
    ])
    expect(house.violations.every((line) => line.startsWith('forbidden'))).toBe(true)
  })
})

describe('prctl', () => {
  test("the worker's first thread keeps the signal of the pool; every other thread has its own", () => {
    const first = scene()
    expect([9, 15, 0, 65].map((signal) => first.call('prctl', PR_SET_PDEATHSIG, signal))).toEqual([
      '0',
      'EPERM',
      'EPERM',
      'EINVAL',
    ])
    const child = scene({ process: CHILD })
    child.target.worker = KIN
    expect([9, 15, 0, 65].map((signal) => child.call('prctl', PR_SET_PDEATHSIG, signal))).toEqual([
      'continue',
      'continue',
      'continue',
      'EINVAL',
    ])
  })

  test('nothing goes out of the reach of the broker, nor the orphans out of that of the worker', () => {
    const house = scene()
    expect(house.call('prctl', PR_SET_DUMPABLE, 0)).toBe('EPERM')
    expect(house.call('prctl', PR_SET_DUMPABLE, 2)).toBe('EINVAL')
    expect(house.call('prctl', PR_SET_CHILD_SUBREAPER, 0)).toBe('EPERM')
    expect([house.call('prctl', PR_SET_MM, 13), house.call('prctl', 9999)]).toEqual(['EPERM', 'EINVAL'])
  })
})

describe('who the worker is', () => {
  test('ids go on where they change nothing', () => {
    const house = scene()
    expect([0, 1, -1].map((id) => house.call('setuid', id))).toEqual(['continue', 'EPERM', 'EINVAL'])
    expect(house.call('setresuid', 0, -1, 0)).toBe('continue')
    expect(house.call('setresuid', 0, -1, 1)).toBe('EPERM')
    expect(house.call('setfsuid', -1)).toBe('continue')
  })

  test('capabilities are told of the own tree, and stay as they are', () => {
    const house = scene()
    const header = (version: number, pid: number): Uint8Array => words((BigInt(pid) << 32n) | BigInt(version))
    const asked = [0, KIN, 1, 99_999].map((pid) => house.call('capget', header(0x20080522, pid), new Uint8Array(24)))
    expect(asked).toEqual(['0', '0', 'EPERM', 'EPERM'])
    expect(house.call('capget', header(1, 0), 0)).toBe('0')
    expect(house.call('capget', header(1, 0), new Uint8Array(24))).toBe('EINVAL')
    expect(house.call('capset', header(0x20080522, 0), new Uint8Array(24))).toBe('0')
    expect(house.call('capset', header(0x20080522, 0), new Uint8Array(24).fill(1))).toBe('EPERM')
  })
})

describe('credentials of unix sockets', () => {
  test('they are for what has an address or is connected: the kernel gives any other an abstract name', () => {
    const house = scene()
    const { sockets } = house.kernel
    const set = (fd: number, on: number): string => house.call('setsockopt', fd, 1, 16, words(on), 4)
    house.target.hold(7, sockets.make(AF_UNIX, SOCK_STREAM))
    house.target.hold(8, sockets.make(AF_UNIX, SOCK_DGRAM))
    const made = sockets.pair()
    if (failed(made)) throw new Error('no pair')
    const [one, other] = made
    house.target.hold(9, one)
    expect([set(7, 1), set(8, 1), set(9, 1)]).toEqual(['EPERM', 'EPERM', '0'])
    expect([set(7, 0), set(8, 0)]).toEqual(['0', '0'])
    other.close()
  })
})
