/** A grant for the content of what is there (devices, the test file itself) is none for the thing. */
import { describe, expect, test } from 'vitest'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { House, type Register } from './house.js'

const O = { WRONLY: 0o1, RDWR: 0o2, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000 }
const house = (): House =>
  new House({
    files: { d: { null: 'content' }, w: { other: 'x' } },
    rules: ['content +/d/null', 'content +/d/gone', 'write +/w/'],
  })

describe('content', () => {
  test.each<[string, number]>([
    ['written', O.WRONLY],
    ['read and written', O.RDWR],
    ['cut', O.WRONLY | O.TRUNC],
    ['opened as writeFile does', O.WRONLY | O.CREAT | O.TRUNC],
  ])('what is there can be %s', (_how, flags) => {
    expect(house().call('open', '/d/null', flags, 0o644)).toBe('fd /d/null')
  })

  test('and truncated by path', () => {
    expect(house().call('truncate', '/d/null', 2)).toBe('0')
  })

  test.each<[SyscallName, ...Register[]]>([
    ['chmod', '/d/null', 0o777],
    ['chown', '/d/null', 1, 1],
    ['unlink', '/d/null'],
    ['utimes', '/d/null', 0],
    ['rename', '/d/null', '/w/taken'],
    ['rename', '/w/other', '/d/null'],
    ['link', '/d/null', '/w/second'],
    ['setxattr', '/d/null', 'user.a', new Uint8Array([1]), 1, 0],
  ])('but %s %s is refused', (name, ...args) => {
    const confined = house()
    expect(confined.call(name, ...args)).toBe('EACCES')
    expect(confined.violations.length).toBeGreaterThan(0)
    expect(confined.read('/d/null')).toBe('content')
  })

  test('nothing is made where nothing is', () => {
    expect(house().call('open', '/d/gone', O.WRONLY | O.CREAT, 0o644)).toBe('EACCES')
    expect(house().call('symlink', '/w/other', '/d/gone')).toBe('EACCES')
    expect(house().call('open', '/d/gone', O.WRONLY)).toBe('ENOENT')
  })

  test('nor where something was when it was decided, and is gone when it is opened', () => {
    const confined = house()
    const { files } = confined.kernel
    const open = confined.kernel.open.bind(confined.kernel)
    // Another process removes it, at the worst moment.
    confined.kernel.open = (...args) => {
      files.remove(files.at('/d'), 'null')
      return open(...args)
    }
    expect(confined.call('open', '/d/null', O.WRONLY | O.CREAT, 0o644)).toBe('ENOENT')
    expect([...files.at('/d').entries.keys()]).toEqual([])
  })
})

test("only user attributes can be set: the system's need privileges that a broker may have", () => {
  const value = new Uint8Array([1])
  expect(house().call('setxattr', '/w/other', 'user.a', value, 1, 0)).toBe('0')
  for (const name of ['security.capability', 'trusted.a', 'system.posix_acl_access']) {
    expect(house().call('setxattr', '/w/other', name, value, 1, 0)).toBe('EPERM')
    expect(house().call('removexattr', '/w/other', name)).toBe('EPERM')
  }
})

describe('the CPU clock of a process is of the own tree only', () => {
  const clockOf = (pid: number): number => (~pid << 3) | 2

  test.each<SyscallName>(['clock_gettime', 'clock_getres', 'timer_create'])('%s', (name) => {
    expect(house().call(name, clockOf(100), 0)).toBe('continue')
    expect(house().call(name, clockOf(1), 0)).toBe('EPERM')
    expect(house().call(name, 99, 0)).toBe('EINVAL')
  })
})

test('setpgid: a group of its own, or one of the own tree', () => {
  const confined = house()
  confined.target.kin.add(120)
  expect(confined.call('setpgid', 0, 0)).toBe('continue')
  expect(confined.call('setpgid', 120, 120)).toBe('continue')
  expect(confined.call('setpgid', 0, 120)).toBe('continue')
  expect(confined.call('setpgid', 0, 1)).toBe('EPERM')
  expect(confined.call('setpgid', 1, 0)).toBe('EPERM')
})
