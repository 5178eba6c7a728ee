import { describe, expect, test } from 'vitest'
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../src/abi/mode.js'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../../src/abi/path-flags.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { rawPath } from '../../src/policy/request.js'
import { shown, type Register } from './house.js'
import { outside, scene } from './scene.js'

type Case = [SyscallName, Register[], string, string[]]

/** The call, what it gives, what is recorded; the outside must be as it was. */
function check(cases: readonly Case[]): void {
  const titled = cases.map(([name, args, ...rest]) => [name, shown(args), ...rest, args] as const)
  test.each(titled)('%s(%s) is %s', (name, _, expected, recorded, args) => {
    const house = scene()
    const before = outside(house)
    expect(house.call(name, ...args)).toBe(expected)
    expect(house.recorded).toEqual(recorded)
    expect(outside(house)).toEqual(before)
  })
}

describe('making', () => {
  check([
    ['mkdir', ['/w/new', 0o777], '0', []],
    ['mkdir', ['/w/new/', 0o777], '0', []],
    ['mkdir', ['/w/d', 0o777], 'EEXIST', []],
    ['mkdir', ['/w/l', 0o777], 'EEXIST', []],
    ['mkdir', ['/w/dangling', 0o777], 'EEXIST', []],
    ['mkdir', ['/w/dangling/', 0o777], 'EEXIST', []],
    ['mkdir', ['/w/none/x', 0o777], 'ENOENT', []],
    ['mkdir', ['/w/f/x', 0o777], 'ENOTDIR', []],
    ['mkdir', ['/w/.', 0o777], 'EEXIST', []],
    ['mkdir', ['/w/..', 0o777], 'EEXIST', []],
    ['mkdir', ['/', 0o777], 'EEXIST', []],
    ['mkdir', ['', 0o777], 'ENOENT', []],
    // What is there and may be seen is EEXIST; mkdir -p and fs.mkdir({ recursive }) rely on that.
    ['mkdir', ['/r', 0o777], 'EEXIST', ['quiet write /r']],
    ['mkdir', ['/r/d', 0o777], 'EEXIST', ['quiet write /r/d']],
    ['mkdir', ['/r/new', 0o777], 'EACCES', ['violation write /r/new']],
    ['mkdir', ['/o', 0o777], 'EACCES', ['violation write /o']],
    ['mkdir', ['/o/new', 0o777], 'EACCES', ['violation write /o/new']],
    ['mkdir', ['/w/out/new', 0o777], 'EACCES', ['violation write /o/new']],
    ['mkdir', ['/w/keep/new', 0o777], 'EACCES', ['violation write /w/keep/new']],
    ['mknod', ['/w/p', S_IFIFO | 0o600, 0], '0', []],
    ['mknod', ['/w/n', 0o600, 0], '0', []],
    ['mknod', ['/w/n', S_IFREG | 0o600, 0], '0', []],
    ['mknod', ['/w/s', S_IFSOCK | 0o600, 0], '0', []],
    ['mknod', ['/w/c', S_IFCHR | 0o600, 0x103], 'EPERM', ['forbidden a test cannot make a device node']],
    ['mknod', ['/w/b', S_IFBLK | 0o600, 0x103], 'EPERM', ['forbidden a test cannot make a device node']],
    ['mknod', ['/w/n/', S_IFREG | 0o600, 0], 'ENOENT', []],
    ['mknod', ['/o/n', S_IFREG | 0o600, 0], 'EACCES', ['violation write /o/n']],
    ['symlink', ['/o/canary', '/w/new'], '0', []],
    ['symlink', ['x', '/w/f'], 'EEXIST', []],
    ['symlink', ['', '/w/new'], 'ENOENT', []],
    ['symlink', ['x', '/r/new'], 'EACCES', ['violation write /r/new']],
    ['symlink', ['x', '/w/out/new'], 'EACCES', ['violation write /o/new']],
    ['symlink', ['x'.repeat(5000), '/w/new'], 'ENAMETOOLONG', []],
  ])

  test.each([S_IFDIR, S_IFLNK, 0o030000, 0o170000])('a node of type %o is never made', (type) => {
    const house = scene()
    expect(house.call('mknod', '/w/n', type | 0o600, 0)).not.toBe('0')
    expect(house.kernel.files.at('/w').entries.has('n')).toBe(false)
  })

  test('the mode is less the umask of the caller', () => {
    const house = scene()
    house.target.mask = 0o077
    house.call('mkdir', '/w/new', 0o777)
    house.call('mknod', '/w/p', S_IFIFO | 0o666, 0)
    expect([house.kernel.files.at('/w/new').permissions, house.kernel.files.at('/w/p').permissions]).toEqual([
      0o700, 0o600,
    ])
  })
})

describe('removing', () => {
  check([
    ['unlink', ['/w/f'], '0', []],
    ['unlink', ['/w/l'], '0', []],
    ['unlink', ['/w/outFile'], '0', []],
    ['unlink', ['/w/fifo'], '0', []],
    ['unlink', ['/w/d'], 'EISDIR', []],
    ['unlink', ['/w/none'], 'ENOENT', []],
    ['unlink', ['/w/f/'], 'ENOTDIR', []],
    ['unlink', ['/w/.'], 'EISDIR', []],
    ['unlink', ['/r/f'], 'EACCES', ['violation write /r/f']],
    ['unlink', ['/w/out/canary'], 'EACCES', ['violation write /o/canary']],
    ['unlink', ['/w/keep/k'], 'EACCES', ['violation write /w/keep/k']],
    // Nothing is looked up there: not even whether it is there.
    ['unlink', ['/o/none'], 'EACCES', ['violation write /o/none']],
    ['unlink', ['/none'], 'ENOENT', ['quiet write /none']],
    ['rmdir', ['/w/e'], '0', []],
    ['rmdir', ['/w/e/'], '0', []],
    ['rmdir', ['/w/d'], 'ENOTEMPTY', []],
    ['rmdir', ['/w/f'], 'ENOTDIR', []],
    ['rmdir', ['/w/toDir'], 'ENOTDIR', []],
    ['rmdir', ['/w/toDir/'], 'ENOTDIR', []],
    ['rmdir', ['/w/.'], 'EINVAL', []],
    ['rmdir', ['/w/..'], 'ENOTEMPTY', []],
    ['rmdir', ['/'], 'EBUSY', []],
    ['rmdir', ['/o/d'], 'EACCES', ['violation write /o/d']],
    ['unlinkat', [AT_FDCWD, '/w/e', AT_REMOVEDIR], '0', []],
    ['unlinkat', [AT_FDCWD, '/w/e', 0x400], 'EINVAL', []],
  ])
})

describe('renaming', () => {
  check([
    ['rename', ['/w/f', '/w/new'], '0', []],
    ['rename', ['/w/f', '/w/x'], '0', []],
    ['rename', ['/w/d', '/w/e'], '0', []],
    ['rename', ['/w/l', '/w/new'], '0', []],
    ['rename', ['/w/f', '/w/e'], 'EISDIR', []],
    ['rename', ['/w/e', '/w/f'], 'ENOTDIR', []],
    ['rename', ['/w/e', '/w/d'], 'ENOTEMPTY', []],
    ['rename', ['/w/d', '/w/d/x'], 'EINVAL', []],
    ['rename', ['/w/none', '/w/new'], 'ENOENT', []],
    ['rename', ['/w/.', '/w/new'], 'EBUSY', []],
    ['rename', ['/w/f', '/w/..'], 'EBUSY', []],
    ['rename', ['/w/f', '/w/new/'], 'ENOTDIR', []],
    // Both ends need it.
    ['rename', ['/r/f', '/w/new'], 'EACCES', ['violation write /r/f']],
    ['rename', ['/w/f', '/r/new'], 'EACCES', ['violation write /r/new']],
    ['rename', ['/w/f', '/r/f'], 'EACCES', ['violation write /r/f']],
    ['rename', ['/o/canary', '/w/new'], 'EACCES', ['violation write /o/canary']],
    ['rename', ['/w/f', '/o/canary'], 'EACCES', ['violation write /o/canary']],
    ['rename', ['/w/f', '/w/keep/k'], 'EACCES', ['violation write /w/keep/k']],
    ['rename', ['/w/keep/k', '/w/new'], 'EACCES', ['violation write /w/keep/k']],
    ['rename', ['/w/f', '/w/out/canary'], 'EACCES', ['violation write /o/canary']],
    // A directory takes along what lies below it.
    ['rename', ['/w/keep', '/w/new'], 'EACCES', ['violation move /w/keep']],
    ['rename', ['/r/d', '/w/new'], 'EACCES', ['violation move /r/d']],
    ['rename', ['/o/d', '/w/new'], 'EACCES', ['violation write /o/d']],
    ['rename', ['/w/d', '/o/new'], 'EACCES', ['violation move /o/new']],
    ['rename', ['/w', '/w2'], 'EACCES', ['violation move /w']],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/x', RENAME_NOREPLACE], 'EEXIST', []],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/d', RENAME_EXCHANGE], '0', []],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/none', RENAME_EXCHANGE], 'ENOENT', []],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/o/canary', RENAME_EXCHANGE], 'EACCES', ['violation write /o/canary']],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/keep', RENAME_EXCHANGE], 'EACCES', ['violation move /w/keep']],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/o/d', RENAME_EXCHANGE], 'EACCES', ['violation write /o/d']],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/new', RENAME_WHITEOUT], 'EPERM', []],
    ['renameat2', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/new', RENAME_NOREPLACE | RENAME_EXCHANGE], 'EINVAL', []],
  ])

  test('a directory with something excluded below does not move, whatever the file beside it does', () => {
    const house = scene({ rules: [['write +/w/', 'write !/w/d/g']] })
    expect(house.call('rename', '/w/d', '/w/new')).toBe('EACCES')
    expect(house.call('rename', '/w/e', '/w/new')).toBe('0')
    expect(house.call('rename', '/w/d/g', '/w/mine')).toBe('EACCES')
  })

  // races/rename-other-than-looked-at: looked at in one directory, moved in the other.
  test('a working directory that changes meanwhile moves nothing but what was looked at', () => {
    const house = scene({ rules: [['write +/w/', 'write !/w/d/g']] })
    expect(house.call('mknod', '/w/e/d', S_IFREG | 0o666)).toBe('0')
    let asked = 0
    house.target.workingDirectory = () => rawPath(asked++ === 0 ? '/w/e' : '/w')
    expect(house.call('rename', 'd', '/w/new')).toBe('0')
    expect(house.read('/w/d/g')).toBe('deep')
    expect(house.call('rename', 'd', '/w/newer')).toBe('EACCES')
  })
})

describe('linking', () => {
  check([
    ['link', ['/w/f', '/w/new'], '0', []],
    ['link', ['/w/l', '/w/new'], '0', []],
    ['link', ['/w/f', '/w/x'], 'EEXIST', []],
    ['link', ['/w/d', '/w/new'], 'EPERM', []],
    ['link', ['/w/none', '/w/new'], 'ENOENT', []],
    // A second name with more rights than the first would be a way to write what may only be read.
    ['link', ['/r/f', '/w/new'], 'EACCES', ['violation write /r/f']],
    ['link', ['/o/canary', '/w/new'], 'EACCES', ['violation write /o/canary']],
    ['link', ['/w/keep/k', '/w/new'], 'EACCES', ['violation write /w/keep/k']],
    ['link', ['/w/f', '/r/new'], 'EACCES', ['violation write /r/new']],
    ['link', ['/w/f', '/o/new'], 'EACCES', ['violation write /o/new']],
    [
      'linkat',
      [AT_FDCWD, '/w/outFile', AT_FDCWD, '/w/new', AT_SYMLINK_FOLLOW],
      'EACCES',
      ['violation write /o/canary'],
    ],
    ['linkat', [AT_FDCWD, '/w/l', AT_FDCWD, '/w/new', AT_SYMLINK_FOLLOW], '0', []],
    ['linkat', [5, '', AT_FDCWD, '/w/new', AT_EMPTY_PATH], 'ENOENT', []],
    ['linkat', [AT_FDCWD, '/w/f', AT_FDCWD, '/w/new', 0x1], 'EINVAL', []],
  ])

  test('link of a link names the link, or with AT_SYMLINK_FOLLOW the file', () => {
    const house = scene()
    house.call('link', '/w/l', '/w/one')
    house.call('linkat', AT_FDCWD, '/w/l', AT_FDCWD, '/w/two', AT_SYMLINK_FOLLOW)
    expect([house.kernel.files.at('/w/one').kind, house.kernel.files.at('/w/two').kind]).toEqual(['link', 'regular'])
  })
})

const now = 0
const timeval = new Uint8Array(32)
const tooManyMicros = Uint8Array.from({ length: 32 }, (_, index) => (index === 11 ? 1 : 0))

describe('attributes by path', () => {
  check([
    ['chmod', ['/w/f', 0o600], '0', []],
    ['chmod', ['/w/l', 0o600], '0', []],
    ['chmod', ['/r/f', 0o600], 'EACCES', ['violation write /r/f']],
    ['chmod', ['/w/outFile', 0o777], 'EACCES', ['violation write /o/canary']],
    ['chmod', ['/w/keep/k', 0o777], 'EACCES', ['violation write /w/keep/k']],
    ['chmod', ['/', 0o777], 'EACCES', ['violation write /']],
    ['fchmodat', [AT_FDCWD, '/o/canary', 0o777], 'EACCES', ['violation write /o/canary']],
    ['fchmodat2', [AT_FDCWD, '/w/l', 0o600, AT_SYMLINK_NOFOLLOW], 'EOPNOTSUPP', []],
    ['fchmodat2', [AT_FDCWD, '/o/canary', 0o777, 0], 'EACCES', ['violation write /o/canary']],
    ['fchmodat2', [AT_FDCWD, '/w/f', 0o777, 0x800], 'EINVAL', []],
    ['chown', ['/w/f', 1, 2], '0', []],
    ['chown', ['/w/outFile', 1, 2], 'EACCES', ['violation write /o/canary']],
    ['lchown', ['/w/outFile', 1, 2], '0', []],
    ['fchownat', [AT_FDCWD, '/r/f', 1, 2, 0], 'EACCES', ['violation write /r/f']],
    ['utime', ['/w/f', new Uint8Array(16)], '0', []],
    ['utimes', ['/w/f', timeval], '0', []],
    ['utimes', ['/w/f', now], '0', []],
    ['utimes', ['/w/f', tooManyMicros], 'EINVAL', []],
    ['utimes', ['/r/f', timeval], 'EACCES', ['violation write /r/f']],
    ['futimesat', [AT_FDCWD, '/w/outFile', timeval], 'EACCES', ['violation write /o/canary']],
    ['utimensat', [AT_FDCWD, '/w/f', now, 0], '0', []],
    ['utimensat', [AT_FDCWD, '/w/outFile', now, AT_SYMLINK_NOFOLLOW], '0', []],
    ['utimensat', [AT_FDCWD, '/w/outFile', now, 0], 'EACCES', ['violation write /o/canary']],
    ['utimensat', [AT_FDCWD, '/r/f', now, 0], 'EACCES', ['violation write /r/f']],
    ['truncate', ['/w/f', 2], '0', []],
    ['truncate', ['/w/f', -1], 'EINVAL', []],
    ['truncate', ['/w/d', 0], 'EISDIR', []],
    ['truncate', ['/r/f', 0], 'EACCES', ['violation write /r/f']],
    ['truncate', ['/w/outFile', 0], 'EACCES', ['violation write /o/canary']],
    ['truncate', ['/o/none', 0], 'EACCES', ['violation write /o/none']],
    ['setxattr', ['/w/f', 'user.a', 'v', 1, 0], '0', []],
    ['setxattr', ['/w/outFile', 'user.a', 'v', 1, 0], 'EACCES', ['violation write /o/canary']],
    ['lsetxattr', ['/w/outFile', 'user.a', 'v', 1, 0], 'EPERM', []],
    ['setxattr', ['/r/f', 'user.a', 'v', 1, 0], 'EACCES', ['violation write /r/f']],
    ['setxattr', ['/w/f', 'user.a', 'v', 65_537, 0], 'E2BIG', []],
    ['setxattr', ['/w/f', 'user.a', 'v', 3, 0], 'EFAULT', []],
    ['setxattr', ['/w/f', 'x'.repeat(300), 'v', 1, 0], 'ERANGE', []],
    ['removexattr', ['/w/f', 'user.a'], 'ENODATA', []],
    ['removexattr', ['/r/f', 'user.a'], 'EACCES', ['violation write /r/f']],
  ])
})

test('a rename moves what was looked at, or nothing, where a link on the way changes in between', () => {
  const files = { w: { d1: { x: 'file' }, d2: { x: { secret: 'excluded' } }, l: '-> d1' } }
  const house = scene({ files, rules: [['write +/w/', 'write !/w/d2/x/secret']] })
  const linkText = house.kernel.linkText.bind(house.kernel)
  let looks = 0
  // At the first look it leads to a file, and from then on to a directory, which may not be moved.
  house.kernel.linkText = (path) => (path === '/w/l' ? rawPath(looks++ === 0 ? 'd1' : 'd2') : linkText(path))
  expect(house.call('rename', '/w/l/x', '/w/new')).toMatch(/^E[A-Z]+$/)
  expect(house.read('/w/d2/x/secret')).toBe('excluded')
})

describe('what the manifest names stays what it is: no symbolic link takes its place', () => {
  const rules = ['write +/w/', 'read +/w/a/b/']
  const files = { w: { a: { b: { f: 'x' } }, x: {}, l: '-> /o', f: 'file' }, o: { canary: 'alive' } }

  test.each<[string, [SyscallName, ...Register[]][]]>([
    [
      'by symlink',
      [
        ['rename', '/w/a/b', '/w/old'],
        ['symlink', '/o', '/w/a/b'],
      ],
    ],
    [
      'above it',
      [
        ['rename', '/w/a', '/w/old'],
        ['symlink', '/o', '/w/a'],
      ],
    ],
    [
      'by rename',
      [
        ['rename', '/w/a', '/w/old'],
        ['rename', '/w/l', '/w/a'],
      ],
    ],
    ['by exchange', [['renameat2', AT_FDCWD, '/w/l', AT_FDCWD, '/w/a', RENAME_EXCHANGE]]],
    ['by exchange, the other way', [['renameat2', AT_FDCWD, '/w/a', AT_FDCWD, '/w/l', RENAME_EXCHANGE]]],
    [
      'by link',
      [
        ['rename', '/w/a', '/w/old'],
        ['link', '/w/l', '/w/a'],
      ],
    ],
    [
      'by a directory that holds a link',
      [
        ['rename', '/w/a', '/w/old'],
        ['symlink', '/o', '/w/x/b'],
        ['rename', '/w/x', '/w/a'],
      ],
    ],
    [
      'by exchange with one',
      [
        ['symlink', '/o', '/w/x/b'],
        ['renameat2', AT_FDCWD, '/w/x', AT_FDCWD, '/w/a', RENAME_EXCHANGE],
      ],
    ],
  ])('%s', (_, steps) => {
    const house = scene({ files, rules })
    for (const [name, ...args] of steps) house.call(name, ...args)
    for (const anchor of ['/w/a/b', '/w/a', '/w']) {
      const found = house.kernel.kindOf(rawPath(anchor))
      expect(['directory', 'ENOENT', 'ENOTDIR'], anchor).toContain(found.toString())
    }
  })

  test('what is there already is EEXIST, as ever', () => {
    const house = scene({ files, rules })
    expect(house.call('symlink', '/o', '/w/a/b')).toBe('EEXIST')
    expect(house.call('link', '/w/l', '/w/a')).toBe('EEXIST')
    expect(house.violations).toEqual([])
  })
})

test("the worker's temporary directory stays where it is, whatever the grants say", () => {
  const house = scene({ tmp: rawPath('/w/e') })
  expect(house.call('rmdir', '/w/e')).toBe('EBUSY')
  expect(house.call('unlinkat', AT_FDCWD, '/w/e/', AT_REMOVEDIR)).toBe('EBUSY')
  expect(house.call('rename', '/w/e', '/w/other')).toBe('EBUSY')
  expect(house.call('rename', '/w/d', '/w/e')).toBe('EBUSY')
  expect(house.call('renameat2', AT_FDCWD, '/w/d', AT_FDCWD, '/w/e', RENAME_EXCHANGE)).toBe('EBUSY')
  expect(house.call('mkdir', '/w/e/below', 0o777)).toBe('0')
  expect(house.call('rename', '/w/e/below', '/w/e/moved')).toBe('0')
  expect(house.call('rmdir', '/w/e/moved')).toBe('0')
})

test('no directory moves to where links may not be made, except from such a place', () => {
  const house = scene()
  house.policy = { ...house.policy, linkless: [rawPath('/w/e')] }
  const before = outside(house)
  expect(house.call('rename', '/w/d', '/w/e/d')).toBe('EXDEV')
  expect(house.call('renameat2', AT_FDCWD, '/w/e', AT_FDCWD, '/w/d', RENAME_EXCHANGE)).toBe('EXDEV')
  expect(house.call('rename', '/w/l', '/w/e/l')).toBe('EACCES')
  expect(outside(house)).toEqual(before)
  expect(house.call('rename', '/w/f', '/w/e/f')).toBe('0')
  expect(house.call('mkdir', '/w/e/one', 0o777)).toBe('0')
  expect(house.call('rename', '/w/e/one', '/w/e/two')).toBe('0')
  expect(house.call('rename', '/w/e/two', '/w/two')).toBe('0')
})
