/** Through a descriptor is no way around: holding one is no right to change the file behind it, nor to open it for more. */
import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW } from '../../src/abi/path-flags.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { House, type Register } from './house.js'
import { FILES, outside, scene } from './scene.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_TRUNC, O_TMPFILE, O_APPEND, O_PATH } = openFlags('x64')

/** Every call that changes what a descriptor refers to. */
const CHANGES: readonly [SyscallName, (fd: number) => Register[]][] = [
  ['fchmod', (fd) => [fd, 0o777]],
  ['fchown', (fd) => [fd, 1, 1]],
  ['fsetxattr', (fd) => [fd, 'user.a', 'v', 1, 0]],
  ['utimensat', (fd) => [fd, 0, 0, 0]],
  ['utimensat', (fd) => [fd, '', 0, AT_EMPTY_PATH]],
  ['fchownat', (fd) => [fd, '', 1, 1, AT_EMPTY_PATH]],
  ['fchmodat2', (fd) => [fd, '', 0o777, AT_EMPTY_PATH]],
  ['futimesat', (fd) => [AT_FDCWD, `/proc/self/fd/${fd}`, 0]],
  ['chmod', (fd) => [`/proc/self/fd/${fd}`, 0o777]],
  ['chmod', (fd) => [`/dev/fd/${fd}`, 0o777]],
  ['setxattr', (fd) => [`/proc/self/fd/${fd}`, 'user.a', 'v', 1, 0]],
  ['truncate', (fd) => [`/proc/self/fd/${fd}`, 0]],
]

describe('changing what a descriptor refers to', () => {
  test.each(CHANGES)('%s is decided on the whole of a name that ends like that of a deleted file', (name, args) => {
    const house = new House({
      files: { w: { f: 'granted', 'f (deleted)': 'not granted' }, proc: FILES['proc'] ?? {}, dev: FILES['dev'] ?? {} },
      rules: ['write +/w/f', 'read +/proc/self/'],
    })
    house.inherit(7, '/w/f (deleted)', O_RDWR)
    const before = house.kernel.files.snapshot()
    expect(house.call(name, ...args(7))).toMatch(/^E(?:ACCES|NOENT)$/)
    expect(house.kernel.files.snapshot()).toEqual(before)
  })

  test.each(CHANGES)('%s needs the write grant of the path behind it', (name, args) => {
    const house = scene()
    house.hold(7, 'open', '/r/f', O_RDONLY)
    house.hold(8, 'open', '/w/f', O_RDWR)
    house.inherit(9, '/o/canary', O_RDWR)
    const before = outside(house)
    expect(house.call(name, ...args(7))).toBe('EACCES')
    expect(house.call(name, ...args(9))).toBe('EACCES')
    expect(house.violations).toEqual(['violation write /r/f', 'violation write /o/canary'])
    expect(outside(house)).toEqual(before)
    expect(house.call(name, ...args(8))).toBe('0')
  })

  test('ftruncate and fremovexattr too', () => {
    const house = scene()
    house.inherit(9, '/o/canary', O_RDWR)
    house.hold(8, 'open', '/w/f', O_RDWR)
    const before = outside(house)
    expect(house.call('ftruncate', 9, 0)).toBe('EACCES')
    expect(house.call('fremovexattr', 9, 'user.a')).toBe('EACCES')
    expect(outside(house)).toEqual(before)
    expect(house.call('ftruncate', 8, 2)).toBe('0')
    expect(house.read('/w/f')).toBe('wr')
    for (const fd of [99, -1, AT_FDCWD]) expect(house.call('ftruncate', fd, 0)).toBe('EBADF')
  })

  test('a file that was moved is judged by where it is now', () => {
    const house = scene()
    house.hold(7, 'open', '/w/f', O_RDWR)
    house.kernel.files.at('/o').entries.set('moved', house.kernel.files.at('/w/f'))
    house.kernel.files.at('/w').entries.delete('f')
    expect(house.call('fchmod', 7, 0o777)).toBe('EACCES')
    expect(house.violations).toEqual(['violation write /o/moved'])
  })

  test("an unlinked file is judged by the name it had, a nameless one is its holder's", () => {
    const house = scene()
    house.hold(7, 'open', '/w/f', O_RDWR)
    house.hold(8, 'open', '/r/f', O_RDONLY)
    house.kernel.files.remove(house.kernel.files.at('/w'), 'f')
    house.kernel.files.remove(house.kernel.files.at('/r'), 'f')
    expect(house.call('fchmod', 7, 0o600)).toBe('0')
    expect(house.call('fchmod', 8, 0o600)).toBe('EACCES')
    house.hold(9, 'memfd_create', 'm', 0)
    expect(house.call('fchmod', 9, 0o600)).toBe('0')
    expect(house.call('ftruncate', 9, 100)).toBe('0')
    house.hold(10, 'open', '/w', O_TMPFILE | O_RDWR, 0o600)
    expect(house.call('fchmod', 10, 0o600)).toBe('0')
  })
})

describe('no second name for what is held', () => {
  test.each<[string, (house: House) => Register[]]>([
    ['an empty path', () => [7, '', AT_FDCWD, '/w/new', AT_EMPTY_PATH]],
    ['/proc/self/fd', () => [AT_FDCWD, '/proc/self/fd/7', AT_FDCWD, '/w/new', AT_SYMLINK_FOLLOW]],
    ['/proc/self/fd, as a link', () => [AT_FDCWD, '/proc/self/fd/7', AT_FDCWD, '/w/new', 0]],
  ])('linkat of %s', (_, args) => {
    const house = scene()
    house.hold(7, 'open', '/r/f', O_RDONLY)
    expect(house.call('linkat', ...args(house))).not.toBe('0')
    expect(house.kernel.files.at('/w').entries.has('new')).toBe(false)
  })
})

describe('reopening through /proc/self/fd', () => {
  test.each<[string, number, number, string]>([
    ['/r/f', O_RDONLY, O_RDONLY, 'fd /r/f'],
    ['/r/f', O_RDONLY, O_RDWR, 'EACCES'],
    ['/r/f', O_RDONLY, O_RDONLY | O_TRUNC, 'EACCES'],
    ['/w/f', O_RDONLY, O_RDWR, 'fd /w/f'],
    ['/o/canary', O_RDWR, O_RDONLY, 'EACCES'],
    ['/o/canary', O_RDWR, O_WRONLY | O_APPEND, 'EACCES'],
  ])('%s, held with %i, opened with %i, is %s: as by its path', (path, held, wanted, expected) => {
    for (const way of [
      '/proc/self/fd/7',
      '/dev/fd/7',
      '/proc/thread-self/fd/7',
      '/proc/100/fd/7',
      '/proc/100/task/100/fd/7',
    ]) {
      const house = scene()
      house.inherit(7, path, held)
      const thread = house.kernel.files.at('/proc/100/task/100/fd')
      for (const [name, link] of house.kernel.files.at('/proc/100/fd').entries) thread.entries.set(name, link)
      const before = outside(house)
      expect([way, house.call('open', way, wanted)]).toEqual([way, expected])
      expect(outside(house)).toEqual(before)
    }
  })

  test.each<[number, number, string]>([
    [O_RDONLY, O_RDONLY, 'fd pipe:[1]'],
    [O_RDONLY, O_WRONLY, 'EACCES'],
    [O_RDONLY, O_RDWR, 'EACCES'],
    [O_RDONLY, 3, 'EACCES'],
    [O_WRONLY, O_WRONLY, 'fd pipe:[1]'],
    [O_WRONLY, O_RDONLY, 'EACCES'],
    [O_RDONLY, O_RDONLY | O_TRUNC, 'EACCES'],
  ])('a pipe end held with %i, opened with %i, is %s', (held, wanted, expected) => {
    const house = scene()
    const reply = house.run('pipe2', [new Uint8Array(8), 0])
    if (!('kind' in reply) || reply.kind !== 'pair') throw new Error('no pair')
    const end = reply.fds[held === O_RDONLY ? 0 : 1]
    house.takePair(7, end)
    expect(house.call('open', '/proc/self/fd/7', wanted)).toBe(expected)
    expect(house.violations.length).toBe(expected === 'EACCES' ? 1 : 0)
  })

  test('a handle that was opened for nothing gives nothing', () => {
    const house = scene()
    house.inherit(7, '/w/f', O_PATH)
    house.kernel.files.remove(house.kernel.files.at('/w'), 'f')
    house.kernel.files.at('/proc/100/fd/7').text = '/w/f (deleted)'
    expect(house.call('open', '/proc/self/fd/7', O_RDONLY)).toBe('EACCES')
    expect(house.violations).toHaveLength(1)
  })

  test('below a file that has no name any more is ENOTDIR, below a directory ENOENT, however their names end', () => {
    const house = scene()
    house.hold(7, 'open', '/w/f', O_RDONLY)
    house.hold(8, 'open', '/w/d', O_RDONLY)
    for (const name of ['f', 'd']) house.kernel.files.remove(house.kernel.files.at('/w'), name)
    expect([7, 8].map((fd) => house.call('openat', fd, 'x', O_RDONLY))).toEqual(['ENOTDIR', 'ENOENT'])
    for (const [fd, name] of [
      [7, 'f'],
      [8, 'd'],
    ] as const)
      house.kernel.files.at(`/proc/100/fd/${fd}`).text = `/w/${name} (deleted)`
    for (const call of ['open', 'chdir'] as const) {
      expect([7, 8].map((fd) => house.call(call, `/proc/self/fd/${fd}/x`, O_RDONLY))).toEqual(['ENOTDIR', 'ENOENT'])
    }
    expect([7, 8].map((fd) => house.call('newfstatat', fd, 'x', new Uint8Array(200), 0))).toEqual(['ENOTDIR', 'ENOENT'])
    expect(house.violations).toEqual([])
  })

  test('what is not open, or is no number, is not there', () => {
    const house = scene()
    for (const path of ['/proc/self/fd/99', '/dev/fd/99', '/proc/self/fd/x', '/dev/stdin'])
      expect(house.call('open', path, O_RDONLY)).toBe('ENOENT')
  })
})

describe('/proc/self means the worker', () => {
  test.each([
    ['/proc/self', 'fd /proc/100'],
    ['/proc/self/', 'fd /proc/100'],
    ['/proc/self/status', 'fd /proc/100/status'],
    ['/proc/self/environ', 'fd /proc/100/environ'],
    ['/proc/thread-self/status', 'fd /proc/100/task/100/status'],
    ['/proc/100/status', 'fd /proc/100/status'],
    ['/proc/../proc/self/./status', 'fd /proc/100/status'],
    ['/proc/self/task/100/status', 'fd /proc/100/task/100/status'],
    ['/proc/1/environ', 'EACCES'],
    ['/proc/1/mem', 'EACCES'],
    ['/proc/1/task/1/status', 'EACCES'],
    ['/proc/1/fd', 'EACCES'],
    // What another process's links lead to may be granted, and is not found by them.
    ['/proc/1/cwd/f', 'EACCES'],
    ['/proc/1/root/r/f', 'EACCES'],
    ['/proc/self/../1/environ', 'EACCES'],
    ['/proc/self/root/o/canary', 'EACCES'],
    ['/proc/self/root/r/f', 'fd /r/f'],
    ['/proc/self/cwd/f', 'fd /r/f'],
    ['/proc/self/exe', 'EACCES'],
    ['/proc/meminfo', 'EACCES'],
    ['/proc', 'EACCES'],
  ])('open of %s is %s', (path, expected) => {
    expect(scene().call('open', path, O_RDONLY)).toBe(expected)
  })

  test('of a thread, and of a child, each its own', () => {
    const files = {
      proc: {
        100: { status: 'worker', task: { 101: { comm: 'thread' } }, fd: {} },
        200: { status: 'child', fd: {} },
        1: { status: 'broker' },
        self: '-> 1',
        'thread-self': '-> 1',
      },
    }
    const thread = scene({ files, process: 100, tid: 101 })
    expect(thread.call('open', '/proc/self/status', O_RDONLY)).toBe('fd /proc/100/status')
    expect(thread.call('open', '/proc/thread-self/comm', O_RDONLY)).toBe('fd /proc/100/task/101/comm')
    const child = scene({ files, process: 200 })
    expect(child.call('open', '/proc/self/status', O_RDONLY)).toBe('fd /proc/200/status')
    expect(child.call('open', '/proc/100/status', O_RDONLY)).toBe('EACCES')
  })

  test('a process that ends between the walk and the open gets nothing of its successor', () => {
    const house = scene()
    const plain = house.run('open', ['/proc/self/status', O_RDONLY])
    expect(house.show(plain)).toBe('fd /proc/100/status')
    for (let goneFrom = 0; goneFrom < 40; goneFrom++) {
      const reply = scene().run('open', ['/proc/self/status', O_RDONLY], { goneFrom })
      if ('kind' in reply && reply.kind === 'descriptor') return expect(goneFrom).toBeGreaterThan(5)
      expect(reply).toEqual({ kind: 'gone' })
    }
    throw new Error('it is never answered')
  })

  test('and is not written to', () => {
    const house = scene()
    expect(house.call('open', '/proc/self/mem', O_RDWR)).toBe('EACCES')
    expect(house.violations).toEqual(['violation write /proc/self/mem'])
  })
})
