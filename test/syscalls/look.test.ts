import { describe, expect, test } from 'vitest'
import { S_IFLNK, S_IFMT } from '../../src/abi/mode.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../src/abi/path-flags.js'
import { STAT, STATX } from '../../src/abi/stat-structs.js'
import { compilePolicy } from '../../src/policy/policy.js'
import { policyData, rule } from '../contracts/rules.js'
import { House } from './house.js'
import { outside, scene } from './scene.js'

const { O_RDONLY } = openFlags('x64')
const room = (size: number): Uint8Array => new Uint8Array(size)

/** The file mode that a stat wrote, or the errno. */
function modeOf(house: House, path: string, flags = 0, dirfd = AT_FDCWD): string {
  const pointer = house.target.put(room(STAT.x64.size))
  const answer = house.call('newfstatat', dirfd, path, pointer, flags)
  return answer === '0'
    ? Buffer.from(house.target.bytesAt(pointer)).readUInt32LE(STAT.x64.st_mode.at).toString(8)
    : answer
}

describe('looking', () => {
  test.each<[string, number, string, string[]]>([
    ['/r/f', 0, '100644', []],
    ['/r/d', 0, '40755', []],
    ['/r/in', 0, '100644', []],
    ['/r/in', AT_SYMLINK_NOFOLLOW, '120777', []],
    ['/r/toDir/', AT_SYMLINK_NOFOLLOW, '40755', []],
    ['/r/none', 0, 'ENOENT', []],
    ['/r/f/', 0, 'ENOTDIR', []],
    ['/r/loop', 0, 'ELOOP', []],
    ['/r/loop', AT_SYMLINK_NOFOLLOW, '120777', []],
    ['/r/f', 0x10000, 'EINVAL', []],
    ['', 0, 'ENOENT', []],
    ['', AT_EMPTY_PATH, '40755', []],
    // Ancestors of what is granted, whether they are there or not.
    ['/', 0, '40755', []],
    ['/proc', 0, '40755', []],
    ['/dev', 0, '40755', []],
    ['/gone', 0, 'ENOENT', []],
    // Outside: as if it were not there, and no violation.
    ['/o', 0, 'ENOENT', ['quiet look /o']],
    ['/o/canary', 0, 'ENOENT', ['quiet look /o/canary']],
    ['/o/canary', AT_SYMLINK_NOFOLLOW, 'ENOENT', ['quiet look /o/canary']],
    ['/r/out', 0, 'ENOENT', ['quiet look /o/canary']],
    ['/r/out', AT_SYMLINK_NOFOLLOW, '120777', []],
    ['/r/secret', 0, 'ENOENT', ['quiet look /r/secret']],
    ['/r/secret/k', 0, 'ENOENT', ['quiet look /r/secret/k']],
    ['/r/toSecret', 0, 'ENOENT', ['quiet look /r/secret/k']],
    ['/usr', 0, 'ENOENT', ['quiet look /usr']],
    ['/dev/tty', 0, 'ENOENT', ['quiet look /dev/tty']],
  ])('stat of %s with %i is %s', (path, flags, expected, recorded) => {
    const house = scene()
    expect(modeOf(house, path, flags)).toBe(expected)
    expect(house.recorded).toEqual(recorded)
  })

  test('what lies outside cannot be told from what is not there', () => {
    for (const path of ['/o/canary/x', '/o/canary/', '/o/d/../canary', '/o/fifo/x', '/usr/node/x', '/r/secret/k/x']) {
      const house = scene()
      expect([path, modeOf(house, path)]).toEqual([path, 'ENOENT'])
      expect(house.violations).toEqual([])
    }
  })

  test('no name is looked up in a directory that is not shown', () => {
    for (const [path, asked] of [
      ['/o/canary', ['/o']],
      ['/o/d/../canary', ['/o']],
      ['/r/out', ['/r', '/r/out', '/o']],
      ['/r/secret/k', ['/r', '/r/secret']],
      ['/proc/1/status', ['/proc', '/proc/1']],
    ] as const) {
      const house = scene()
      expect(modeOf(house, path)).toBe('ENOENT')
      for (const one of house.kernel.asked) expect(['/', ...asked]).toContain(one)
    }
  })

  test('in the directory of an automounter, only what is granted is looked up', () => {
    const house = new House({
      files: { net: { host: { dir: { f: 'x' } }, other: {} } },
      rules: ['read +/net/host/dir/'],
    })
    house.kernel.automounted.add('/net')
    expect(modeOf(house, '/net/host/dir/f')).toBe('100644')
    expect(modeOf(house, '/net/host')).toBe('40755')
    expect(modeOf(house, '/net/host/./dir')).toBe('40755')
    for (const path of ['/net/other', '/net/./other', '/net/other/x', '/net/none']) {
      expect([path, modeOf(house, path)]).toEqual([path, 'ENOENT'])
      expect([path, house.call('open', path, O_RDONLY)]).toEqual([path, 'EACCES'])
    }
    expect(house.kernel.asked.filter((path) => /other|none/.test(path))).toEqual([])
  })

  test('an empty path means the descriptor, whatever it is', () => {
    const house = scene()
    // Sent over a socket, say: what one holds one may look at.
    house.inherit(7, '/o/canary')
    expect(modeOf(house, '', AT_EMPTY_PATH, 7)).toBe('100644')
    expect(modeOf(house, '', AT_EMPTY_PATH, 99)).toBe('EBADF')
    expect(modeOf(house, '', 0, 7)).toBe('ENOENT')
    expect(house.recorded).toEqual([])
  })

  test('statx: NULL and an empty path mean the descriptor', () => {
    const house = scene()
    house.hold(7, 'open', '/r/f', O_RDONLY)
    const pointer = house.target.put(room(STATX.size))
    expect(house.call('statx', 7, '', AT_EMPTY_PATH, 0x7ff, pointer)).toBe('0')
    expect(house.call('statx', 7, 0, AT_EMPTY_PATH, 0x7ff, pointer)).toBe('0')
    expect(house.call('statx', 7, 0, 0, 0x7ff, pointer)).toBe('EFAULT')
    expect(house.call('statx', AT_FDCWD, '/r/in', AT_SYMLINK_NOFOLLOW, 0x7ff, pointer)).toBe('0')
    expect(Buffer.from(house.target.bytesAt(pointer)).readUInt16LE(STATX.stx_mode) & S_IFMT).toBe(S_IFLNK)
    expect(house.call('statx', AT_FDCWD, '/r/f', 0, 0x80000000, pointer)).toBe('EINVAL')
    expect(house.call('statx', AT_FDCWD, '/r/f', 0x10000, 0x7ff, pointer)).toBe('EINVAL')
    expect(house.call('statx', AT_FDCWD, '/o/canary', 0, 0x7ff, pointer)).toBe('ENOENT')
  })

  test('a result that cannot be written is EFAULT, and writes nothing', () => {
    const house = scene()
    expect(house.call('stat', '/r/f', 0)).toBe('EFAULT')
    expect(house.call('stat', '/r/f', room(STAT.x64.size - 1))).toBe('EFAULT')
    expect(house.call('readlink', '/r/in', 0, 10)).toBe('EFAULT')
    expect(house.target.written).toEqual([])
  })
})

describe('access', () => {
  test.each<[string, number, string]>([
    ['/r/f', 0, '0'],
    ['/r/f', 4, '0'],
    ['/r/f', 2, 'EACCES'],
    ['/r/f', 6, 'EACCES'],
    ['/r/f', 1, 'EACCES'],
    ['/w/f', 6, '0'],
    ['/w/f', 8, 'EINVAL'],
    ['/w/l', 2, '0'],
    ['/r/d', 5, '0'],
    ['/w', 7, '0'],
    ['/', 0, '0'],
    ['/', 4, 'EACCES'],
    ['/', 2, 'EACCES'],
    ['/o/canary', 0, 'ENOENT'],
    ['/o/canary', 4, 'ENOENT'],
    ['/r/out', 0, 'ENOENT'],
    ['/r/secret/k', 0, 'ENOENT'],
    ['/r/none', 2, 'ENOENT'],
  ])('%s with mode %i is %s, and never a violation', (path, mode, expected) => {
    const house = scene()
    expect(house.call('access', path, mode)).toBe(expected)
    expect(house.call('faccessat2', AT_FDCWD, path, mode, 0)).toBe(expected)
    expect(house.violations).toEqual([])
  })

  test('an empty path means the descriptor, or where the caller stands', () => {
    const house = scene()
    house.inherit(7, '/o/canary')
    expect(house.call('faccessat2', 7, '', 4, AT_EMPTY_PATH)).toBe('0')
    expect(house.call('faccessat2', 99, '', 4, AT_EMPTY_PATH)).toBe('EBADF')
    expect(house.call('faccessat2', AT_FDCWD, '', 0, AT_EMPTY_PATH)).toBe('0')
    expect(house.call('faccessat2', AT_FDCWD, '', 4, 0)).toBe('ENOENT')
    expect(house.recorded).toEqual([])
  })

  test('in audit mode the file alone answers', () => {
    const house = scene({ mode: 'audit' })
    expect(house.call('access', '/r/f', 2)).toBe('0')
    expect(house.call('access', '/o/canary', 6)).toBe('0')
  })
})

describe('readlink', () => {
  const text = (house: House, path: string, size = 100): string => {
    const pointer = house.target.put(room(100))
    const answer = house.call('readlink', path, pointer, size)
    return /^\d+$/.test(answer)
      ? Buffer.from(house.target.bytesAt(pointer)).toString('latin1', 0, Number(answer))
      : answer
  }

  test.each<[string, string]>([
    ['/r/in', 'd/g'],
    ['/r/out', '/o/canary'],
    ['/r/loop', 'loop'],
    ['/r/dangling', 'nothing'],
    ['/r/toDir/in', 'ENOENT'],
    ['/r/f', 'EINVAL'],
    ['/r/d', 'EINVAL'],
    ['/r/toDir/', 'EINVAL'],
    ['/r/none', 'ENOENT'],
    ['/o/canary', 'ENOENT'],
    ['/dev/fd', 'ENOENT'],
    ['/proc/self', '100'],
    ['/proc/thread-self', '100/task/100'],
    ['/proc/self/cwd', '/r'],
    ['/proc/self/exe', '/usr/node'],
    ['/proc//self', '100'],
    ['/proc/./self', '100'],
  ])('of %s is %s', (path, expected) => {
    expect(text(scene(), path)).toBe(expected)
  })

  test('relative to /proc, self is still the worker', () => {
    expect(text(scene({ cwd: '/proc' }), 'self')).toBe('100')
  })

  test('is cut to the size, which must be positive', () => {
    expect(text(scene(), '/r/out', 3)).toBe('/o/')
    expect(text(scene(), '/r/out', 0)).toBe('EINVAL')
    expect(text(scene(), '/r/out', -1)).toBe('EINVAL')
  })
})

describe('attributes, watches, the working directory', () => {
  test('getxattr and listxattr: sizes, absence, outside', () => {
    const house = scene()
    house.kernel.files.at('/r/f').xattrs.set('user.a', Buffer.from('value'))
    house.kernel.files.at('/o/canary').xattrs.set('user.a', Buffer.from('hidden'))
    const pointer = house.target.put(room(16))
    expect(house.call('getxattr', '/r/f', 'user.a', pointer, 16)).toBe('5')
    expect(Buffer.from(house.target.bytesAt(pointer)).toString('latin1', 0, 5)).toBe('value')
    expect(house.call('getxattr', '/r/f', 'user.a', 0, 0)).toBe('5')
    expect(house.call('getxattr', '/r/f', 'user.a', pointer, 2)).toBe('ERANGE')
    expect(house.call('getxattr', '/r/f', 'user.b', pointer, 16)).toBe('ENODATA')
    expect(house.call('getxattr', '/r/f', 'x'.repeat(300), pointer, 16)).toBe('ERANGE')
    expect(house.call('getxattr', '/r/out', 'user.a', pointer, 16)).toBe('ENOENT')
    expect(house.call('lgetxattr', '/r/out', 'user.a', pointer, 16)).toBe('ENODATA')
    expect(house.call('listxattr', '/r/f', pointer, 16)).toBe('7')
    expect(house.call('listxattr', '/o/canary', pointer, 16)).toBe('ENOENT')
    expect(house.call('llistxattr', '/r/in', pointer, 16)).toBe('0')
  })

  test('the attributes of a user need the right to read, or to list a directory', () => {
    const { lists, ...rest } = policyData([['read +/r/'], ['list +/top/shown/']])
    const seen = [{ ...rule('read +/top/f'), access: 'look' as const }]
    const house = new House({
      files: { r: { f: 'f', d: {} }, top: { f: 'f', shown: { f: 'f' } } },
      policy: compilePolicy({ ...rest, lists: [...lists, seen] }),
    })
    for (const path of ['/', '/r', '/r/f', '/r/d', '/top', '/top/f', '/top/shown'])
      house.kernel.files.at(path).xattrs.set('user.a', Buffer.from('value'))
    house.kernel.files.at('/top').xattrs.set('security.a', Buffer.from('label'))
    const pointer = house.target.put(room(16))
    const asked = (path: string, name = 'user.a'): string => house.call('getxattr', path, name, pointer, 16)
    expect(['/r', '/r/f', '/r/d', '/top/shown'].map((path) => asked(path))).toEqual(['5', '5', '5', '5'])
    expect(house.recorded).toEqual([])
    expect(['/', '/top', '/top/f'].map((path) => asked(path))).toEqual(['EACCES', 'EACCES', 'EACCES'])
    expect(house.recorded).toEqual(['violation list /', 'violation list /top', 'violation read /top/f'])
    expect(asked('/top', 'security.a')).toBe('5')
  })

  test('a watch needs reading, and an inotify descriptor', () => {
    const house = scene()
    house.hold(7, 'inotify_init1', 0)
    house.hold(8, 'open', '/r/f', O_RDONLY)
    expect(house.call('inotify_add_watch', 7, '/r/d', 0x100)).toBe('1')
    expect(house.call('inotify_add_watch', 7, '/o/d', 0x100)).toBe('EACCES')
    expect(house.call('inotify_add_watch', 7, '/', 0x100)).toBe('EACCES')
    expect(house.call('inotify_add_watch', 8, '/r/d', 0x100)).toBe('EINVAL')
    expect(house.call('inotify_add_watch', 99, '/r/d', 0x100)).toBe('EBADF')
  })

  test('chdir is decided and then continued', () => {
    const house = scene()
    for (const [path, expected] of [
      ['/r', 'continue'],
      ['/r/toDir', 'continue'],
      ['/', 'continue'],
      ['/r/outdir', 'ENOENT'],
      ['/o', 'ENOENT'],
      ['/r/secret', 'ENOENT'],
      ['/r/none', 'ENOENT'],
      ['', 'ENOENT'],
      ['/r/loop', 'ELOOP'],
    ] as const)
      expect([path, house.call('chdir', path)]).toEqual([path, expected])
  })

  test('nothing that only looks changes anything', () => {
    const house = scene()
    const before = outside(house)
    for (const path of Object.keys(house.kernel.files.snapshot())) {
      modeOf(house, path)
      house.call('access', path, 7)
      house.call('readlink', path, room(10), 10)
    }
    expect(outside(house)).toEqual(before)
  })
})
