import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import { Fail, failed } from '../../src/syscalls/outcome.js'
import { FakeFd } from '../contracts/fake-descriptors.js'
import { outside, scene } from './scene.js'
import { words } from './templates.js'

const O = openFlags('x64')
const {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_APPEND,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE,
  O_CLOEXEC,
} = O

describe('open: who gets what', () => {
  test.each<[string, number, string, string[]]>([
    // What is granted.
    ['/r/f', O_RDONLY, 'fd /r/f', []],
    ['/r', O_RDONLY | O_DIRECTORY, 'fd /r', []],
    ['/w/f', O_RDWR, 'fd /w/f', []],
    ['/w/new', O_WRONLY | O_CREAT, 'fd /w/new', []],
    ['/w/new', O_RDWR | O_CREAT | O_EXCL, 'fd /w/new', []],
    ['/w', O_TMPFILE | O_RDWR, 'fd /w (deleted)', []],
    ['/r/caf\xc3\xa9', O_RDONLY, 'fd /r/caf\xc3\xa9', []],
    ['/r/\xff', O_RDONLY, 'fd /r/\xff', []],
    ['/r/f', O_PATH, 'fd /r/f', []],
    ['/dev/null', O_RDONLY, 'fd /dev/null', []],
    // A read grant is enough to open what is there, with O_CREAT too, but for nothing that changes it.
    ['/r/f', O_RDONLY | O_CREAT, 'fd /r/f', []],
    ['/r/d', O_RDONLY | O_CREAT, 'EISDIR', []],
    ['/r/f', O_RDONLY | O_CREAT | O_EXCL, 'EEXIST', ['quiet write /r/f']],
    ['/r/f', O_WRONLY, 'EACCES', ['violation write /r/f']],
    ['/r/f', O_RDWR | O_CREAT, 'EACCES', ['violation write /r/f']],
    ['/r/f', O_RDONLY | O_TRUNC, 'EACCES', ['violation write /r/f']],
    ['/r/f', 3, 'EACCES', ['violation write /r/f']],
    ['/r/f', O_WRONLY | O_APPEND, 'EACCES', ['violation write /r/f']],
    ['/r/new', O_WRONLY | O_CREAT, 'EACCES', ['violation write /r/new']],
    ['/r/new', O_RDONLY | O_CREAT, 'EACCES', ['violation write /r/new']],
    ['/r', O_TMPFILE | O_RDWR, 'EACCES', ['violation write /r']],
    // What is not there: ENOENT and no violation, wherever it is.
    ['/r/none', O_RDONLY, 'ENOENT', []],
    // Nothing is looked up in a directory that is not shown: it cannot be told from what is there.
    ['/o/none', O_RDONLY, 'EACCES', ['violation read /o/none']],
    ['/none', O_RDONLY, 'ENOENT', ['quiet read /none']],
    ['/none', O_RDONLY, 'ENOENT', ['quiet read /none']],
    ['/none/deeper', O_RDONLY, 'ENOENT', ['quiet read /none/deeper']],
    ['/o/none', O_WRONLY, 'EACCES', ['violation write /o/none']],
    ['/o/none', O_RDONLY | O_TRUNC, 'EACCES', ['violation write /o/none']],
    ['/o/none', O_WRONLY | O_CREAT, 'EACCES', ['violation write /o/none']],
    // Outside: EACCES and a violation.
    ['/o/canary', O_RDONLY, 'EACCES', ['violation read /o/canary']],
    ['/o/canary', O_WRONLY | O_TRUNC, 'EACCES', ['violation write /o/canary']],
    ['/o', O_RDONLY | O_DIRECTORY, 'EACCES', ['violation list /o']],
    ['/o/canary', O_PATH, 'EACCES', ['violation read /o/canary']],
    ['/rr', O_RDONLY, 'ENOENT', ['quiet read /rr']],
    // Ancestors of a grant can be looked at, not listed. O_PATH stands for reading: no such descriptor can be injected.
    ['/', O_PATH, 'EACCES', ['violation list /']],
    ['/', O_RDONLY, 'EACCES', ['violation list /']],
    // Exclusions.
    ['/r/secret/k', O_RDONLY, 'EACCES', ['violation read /r/secret/k']],
    ['/r/secret', O_RDONLY, 'EACCES', ['violation list /r/secret']],
    ['/w/keep/k', O_WRONLY, 'EACCES', ['violation write /w/keep/k']],
  ])('%s with %i is %s', (path, flags, expected, recorded) => {
    const house = scene()
    const before = outside(house)
    expect(house.call('openat', AT_FDCWD, path, flags | O_CLOEXEC, 0o644)).toBe(expected)
    expect(house.recorded).toEqual(recorded)
    expect(outside(house)).toEqual(before)
  })
})

describe('open: links and spellings', () => {
  test.each<[string, number, string]>([
    ['/r/in', O_RDONLY, 'fd /r/d/g'],
    ['/r/abs', O_RDONLY, 'fd /r/f'],
    ['/r/d/up', O_RDONLY, 'fd /r/f'],
    ['/r/toDir/g', O_RDONLY, 'fd /r/d/g'],
    ['/r/./d/../f', O_RDONLY, 'fd /r/f'],
    ['/r//f', O_RDONLY, 'fd /r/f'],
    ['//r/f', O_RDONLY, 'fd /r/f'],
    ['/o/../r/f', O_RDONLY, 'fd /r/f'],
    ['/../../r/f', O_RDONLY, 'fd /r/f'],
    ['/r/d/', O_RDONLY, 'fd /r/d'],
    ['/r/toDir/', O_RDONLY, 'fd /r/d'],
    ['/r/f/', O_RDONLY, 'ENOTDIR'],
    ['/r/f/.', O_RDONLY, 'ENOTDIR'],
    ['/r/f/..', O_RDONLY, 'ENOTDIR'],
    ['/r/f/x', O_RDONLY, 'ENOTDIR'],
    ['/r/in/', O_RDONLY, 'ENOTDIR'],
    ['/w/new/', O_WRONLY | O_CREAT, 'EISDIR'],
    ['', O_RDONLY, 'ENOENT'],
    ['/r/loop', O_RDONLY, 'ELOOP'],
    ['/r/a', O_RDONLY, 'ELOOP'],
    ['/r/loop/x', O_RDONLY, 'ELOOP'],
    ['/r/dangling', O_RDONLY, 'ENOENT'],
    [`/r/${'n'.repeat(256)}`, O_RDONLY, 'ENAMETOOLONG'],
    [`/r/${'n/'.repeat(2050)}`, O_RDONLY, 'ENAMETOOLONG'],
    // Out of the grant by a link.
    ['/r/out', O_RDONLY, 'EACCES'],
    ['/r/outdir/canary', O_RDONLY, 'EACCES'],
    ['/r/dotdot', O_RDONLY, 'EACCES'],
    ['/r/../o/canary', O_RDONLY, 'EACCES'],
    ['/w/out/canary', O_WRONLY | O_TRUNC, 'EACCES'],
    ['/w/outFile', O_WRONLY | O_TRUNC, 'EACCES'],
    ['/w/out/new', O_WRONLY | O_CREAT, 'EACCES'],
    ['/w/danglingOut', O_WRONLY | O_CREAT, 'EACCES'],
    ['/w/danglingOut', O_WRONLY | O_CREAT | O_EXCL, 'EEXIST'],
    ['/w/toR/f', O_WRONLY, 'EACCES'],
    ['/r/toSecret', O_RDONLY, 'EACCES'],
    ['/w/toKeep', O_WRONLY, 'EACCES'],
    // Into the grant by a link, and through what lies outside.
    ['/w/toR/f', O_RDONLY, 'fd /r/f'],
    ['/w/dangling', O_WRONLY | O_CREAT, 'fd /w/new'],
    ['/w/dangling', O_WRONLY | O_CREAT | O_EXCL, 'EEXIST'],
    ['/w/l', O_WRONLY | O_TRUNC, 'fd /w/f'],
    // A link that must not be followed.
    ['/r/in', O_RDONLY | O_NOFOLLOW, 'ELOOP'],
    ['/r/in', O_PATH | O_NOFOLLOW, 'EACCES'],
    ['/r/toDir/', O_RDONLY | O_NOFOLLOW, 'fd /r/d'],
    ['/r/toDir/g', O_RDONLY | O_NOFOLLOW, 'fd /r/d/g'],
    ['/r/out', O_RDONLY | O_NOFOLLOW, 'ELOOP'],
    ['/w/l', O_WRONLY | O_NOFOLLOW, 'ELOOP'],
    ['/r/f', O_RDONLY | O_DIRECTORY, 'ENOTDIR'],
    ['/r/d', O_WRONLY, 'EACCES'],
    ['/w/d', O_WRONLY, 'EISDIR'],
    ['/w/d', O_RDONLY | O_CREAT, 'EISDIR'],
    ['/w/d', O_CREAT | O_DIRECTORY, 'EINVAL'],
    ['/r/sock', O_RDONLY, 'ENXIO'],
  ])('%s with %i is %s', (path, flags, expected) => {
    const house = scene()
    const before = outside(house)
    expect(house.call('open', path, flags, 0o644)).toBe(expected)
    expect(outside(house)).toEqual(before)
  })

  test('exactly 40 links are followed', () => {
    const links = Object.fromEntries(
      Array.from({ length: 41 }, (_, index) => [`l${index}`, index === 0 ? '-> f' : `-> l${index - 1}`]),
    )
    const house = scene({ files: { r: { f: 'x', ...links } } })
    expect(house.call('open', '/r/l39', O_RDONLY)).toBe('fd /r/f')
    expect(house.call('open', '/r/l40', O_RDONLY)).toBe('ELOOP')
  })

  test('a relative path starts at the working directory or at the dirfd, which itself grants nothing', () => {
    const house = scene({ cwd: '/r/d' })
    expect(house.call('open', 'g', O_RDONLY)).toBe('fd /r/d/g')
    expect(house.call('open', '../f', O_RDONLY)).toBe('fd /r/f')
    expect(house.call('open', '../../o/canary', O_RDONLY)).toBe('EACCES')
    house.hold(7, 'open', '/w', O_RDONLY)
    house.inherit(8, '/')
    house.hold(9, 'open', '/r/f', O_RDONLY)
    expect(house.call('openat', 7, 'f', O_RDWR)).toBe('fd /w/f')
    expect(house.call('openat', 7, '/r/f', O_RDONLY)).toBe('fd /r/f')
    expect(house.call('openat', 8, 'o/canary', O_RDONLY)).toBe('EACCES')
    expect(house.call('openat', 8, 'r/f', O_RDONLY)).toBe('fd /r/f')
    expect(house.call('openat', 9, 'x', O_RDONLY)).toBe('ENOTDIR')
    expect(house.call('openat', 99, 'x', O_RDONLY)).toBe('EBADF')
    expect(house.call('openat', 99, '/r/f', O_RDONLY)).toBe('fd /r/f')
    expect(house.call('openat', -1, 'x', O_RDONLY)).toBe('EBADF')
    // The upper half of an int register means nothing to the kernel.
    expect(house.call('openat', 0xabcd_0000_0007n, 'f', O_RDONLY)).toBe('fd /w/f')
  })

  test('a directory that was removed or moved away is no way back', () => {
    const house = scene()
    house.hold(7, 'open', '/w/d', O_RDONLY)
    house.kernel.files.remove(house.kernel.files.at('/w'), 'd')
    expect(house.call('openat', 7, 'g', O_RDONLY)).toBe('ENOENT')
    house.target.cwd = '(unreachable)/x'
    expect(house.call('open', 'f', O_RDONLY)).toBe('ENOENT')
  })
})

describe('open: flags, modes, and what the descriptor is', () => {
  const opened = (path: string, flags: number, mode = 0): { flags: number; cloexec: boolean } => {
    const house = scene()
    const reply = house.run('open', [path, flags, mode])
    if (failed(reply) || reply.kind !== 'descriptor' || !(reply.fd instanceof FakeFd))
      throw new Error(house.show(reply))
    return { flags: reply.fd.description.flags & ~O.O_LARGEFILE, cloexec: reply.cloexec }
  }

  test("O_NONBLOCK and O_APPEND are what the caller asked for; O_CLOEXEC is the number's, not the file's", () => {
    expect(opened('/w/f', O_RDWR | O_APPEND)).toEqual({ flags: O_RDWR | O_APPEND, cloexec: false })
    expect(opened('/w/f', O_WRONLY | O.O_NONBLOCK | O_CLOEXEC).flags & (O.O_ACCMODE | O.O_NONBLOCK)).toBe(
      O_WRONLY | O.O_NONBLOCK,
    )
    expect(opened('/w/f', O_RDONLY | O_CLOEXEC).cloexec).toBe(true)
    expect(opened('/r/f', O_PATH | O_CLOEXEC).cloexec).toBe(true)
    expect(opened('/r/f', O_PATH | O_CREAT | O_TRUNC | O_WRONLY).flags).toBe(O_RDONLY)
  })

  test('flags that nobody knows are ignored by open and refused by openat2', () => {
    expect(opened('/r/f', 0x4000_0000 | 0x2000_0000).flags).toBe(0)
  })

  test.each([
    [0o666, 0o022, 0o644],
    [0o777, 0o077, 0o700],
    [0o7777, 0, 0o7777],
    [0o100644, 0, 0o644],
  ])('mode %o under umask %o is %o', (mode, umask, expected) => {
    const house = scene()
    house.target.mask = umask
    expect(house.call('open', '/w/new', O_WRONLY | O_CREAT, mode)).toBe('fd /w/new')
    expect(house.kernel.files.at('/w/new').permissions).toBe(expected)
  })

  test('creat truncates, O_TRUNC truncates what O_RDONLY opens, nothing else does', () => {
    for (const [name, args, content] of [
      ['creat', ['/w/f', 0o644], ''],
      ['open', ['/w/f', O_RDONLY | O_TRUNC], ''],
      ['open', ['/w/f', O_RDWR | O_CREAT, 0o644], 'write me'],
    ] as const) {
      const house = scene()
      expect(house.call(name, ...args)).toBe('fd /w/f')
      expect(house.read('/w/f')).toBe(content)
    }
  })

  test('a bad pointer is EFAULT, and nothing was done', () => {
    const house = scene()
    for (const pointer of [0, 1, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n]) {
      expect(house.call('openat', AT_FDCWD, pointer, O_WRONLY | O_CREAT, 0o644)).toBe('EFAULT')
    }
    expect(house.call('open', Buffer.from('/w/new'), O_WRONLY | O_CREAT, 0o644)).toBe('EFAULT')
    expect(house.kernel.used).toEqual([])
  })
})

describe('openat2', () => {
  const how = (flags: number | bigint, mode = 0, resolve = 0, ...more: number[]): Uint8Array =>
    words(flags, mode, resolve, ...more)
  const rows: [string, Uint8Array, number, string][] = [
    ['/r/in', how(O_RDONLY), 24, 'fd /r/d/g'],
    ['/w/new', how(O_RDWR | O_CREAT, 0o644), 24, 'fd /w/new'],
    ['/r/f', how(O_WRONLY), 24, 'EACCES'],
    ['/o/canary', how(O_RDONLY), 24, 'EACCES'],
    // A larger struct than is known is right if the rest is zero.
    ['/r/f', how(O_RDONLY, 0, 0, 0, 0), 40, 'fd /r/f'],
    ['/r/f', how(O_RDONLY, 0, 0, 0, 1), 40, 'E2BIG'],
    ['/r/f', how(O_RDONLY, 0, 0, 1), 32, 'E2BIG'],
    ['/r/f', how(O_RDONLY), 0, 'EINVAL'],
    ['/r/f', how(O_RDONLY), 23, 'EINVAL'],
    ['/r/f', how(O_RDONLY), 4097, 'E2BIG'],
    ['/r/f', how(O_RDONLY), 32, 'EFAULT'],
    // What open ignores, openat2 refuses.
    ['/r/f', how(0x4000_0000), 24, 'EINVAL'],
    ['/r/f', how(1n << 40n), 24, 'EINVAL'],
    ['/r/f', how(O_RDONLY, 0o644), 24, 'EINVAL'],
    ['/w/new', how(O_RDWR | O_CREAT, 0o10000), 24, 'EINVAL'],
    ['/r/f', how(O_PATH | O_RDWR), 24, 'EINVAL'],
    // A walk of the kernel's own kind is not offered: callers fall back to openat.
    ['/r/f', how(O_RDONLY, 0, 0x4), 24, 'ENOSYS'],
    ['/r/f', how(O_RDONLY, 0, 0x8), 24, 'ENOSYS'],
    ['/r/in', how(O_RDONLY, 0, 0x10), 24, 'ENOSYS'],
    ['/r/f', how(O_RDONLY, 0, 0x40), 24, 'EINVAL'],
  ]
  test.each(rows.map(([path, bytes, size, expected], index) => [path, index, size, expected, bytes] as const))(
    '%s with the struct of row %i and size %i is %s',
    (path, _, size, expected, bytes) => {
      expect(scene().call('openat2', AT_FDCWD, path, bytes, size)).toBe(expected)
    },
  )
})

describe('a tree that changes under the walk', () => {
  test('is walked again, a few times, and then given up', () => {
    const answers = new Set(
      Array.from({ length: 20 }, (_, at) => {
        const house = scene()
        return house.show(house.run('open', ['/r/in', O_RDONLY], { at, errno: Errno.ELOOP }))
      }),
    )
    // A link that appeared at the moment of the open: the second walk goes through.
    expect([...answers].toSorted()).toEqual(['ELOOP', 'fd /r/d/g'])
    const house = scene()
    const { open } = house.kernel
    let attempts = 0
    house.kernel.open = (place, options) =>
      ++attempts < 3 ? Fail.of(Errno.ELOOP) : open.call(house.kernel, place, options)
    expect(house.call('open', '/r/in', O_RDONLY)).toBe('fd /r/d/g')
    house.kernel.open = () => Fail.of(Errno.ELOOP)
    expect(house.call('open', '/r/f', O_RDONLY)).toBe('ELOOP')
  })
})

describe('denied and audit', () => {
  test("denied: 'hide' shows nothing of the outside, and records it all the same", () => {
    const house = scene({ denied: 'hide' })
    for (const path of ['/o/canary', '/r/out', '/r/secret/k', '/o/canary/x', '/o/fifo/', '/o']) {
      expect([path, house.call('open', path, O_RDONLY)]).toEqual([path, 'ENOENT'])
    }
    expect(house.call('open', '/o/new', O_WRONLY | O_CREAT, 0o644)).toBe('ENOENT')
    expect(house.violations).toContain('violation read /o/canary')
    expect(house.violations).toContain('violation write /o/new')
  })

  test("audit lets everything pass, records it, and still follows no link of the kernel's", () => {
    const house = scene({ mode: 'audit' })
    expect(house.call('open', '/o/canary', O_RDONLY)).toBe('fd /o/canary')
    expect(house.call('open', '/r/out', O_RDWR)).toBe('fd /o/canary')
    expect(house.call('open', '/o/new', O_WRONLY | O_CREAT, 0o644)).toBe('fd /o/new')
    expect(house.call('open', '/r/secret/k', O_RDONLY)).toBe('fd /r/secret/k')
    expect(house.call('open', '/proc/self/environ', O_RDONLY)).toBe('fd /proc/100/environ')
    expect(house.violations).toEqual([
      'violation read /o/canary',
      'violation write /o/canary',
      'violation write /o/new',
      'violation read /r/secret/k',
    ])
  })
})
