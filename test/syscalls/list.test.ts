/** `list`: the names in a directory, and nothing of what bears them. */
import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import type { Sketch } from '../contracts/fake-files.js'
import { House, type HouseOptions } from './house.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_DIRECTORY, O_PATH, O_NOFOLLOW, O_CREAT, O_TMPFILE } = openFlags('x64')
const FILES: Sketch = {
  l: { f: 'a file', d: { g: 'deeper' }, link: '-> d', out: '-> /o' },
  o: { canary: 'alive' },
  toL: '-> l',
  r: { f: 'read me', d: {} },
}

function listed(options: HouseOptions = {}): House {
  return new House({ files: FILES, rules: ['list +/l/', 'read +/r/'], ...options })
}

describe('a listed directory', () => {
  test.each([
    ['/l', O_RDONLY],
    ['/l/', O_RDONLY],
    ['/l', O_RDONLY | O_DIRECTORY],
    ['/l', O_PATH],
    ['/l', O_PATH | O_DIRECTORY | O_NOFOLLOW],
    ['/toL', O_RDONLY],
    ['/l/d/..', O_PATH],
  ])('%s is opened with %i', (path, flags) => {
    const house = listed()
    expect(house.call('openat', AT_FDCWD, path, flags, 0)).toBe('fd /l')
    expect(house.violations).toEqual([])
  })

  test('is looked at, stood in, watched and asked whether it can be read', () => {
    const house = listed()
    house.hold(7, 'inotify_init1', 0)
    expect(house.call('stat', '/l', new Uint8Array(144))).toBe('0')
    expect(house.call('chdir', '/l')).toBe('continue')
    expect(house.call('inotify_add_watch', 7, '/l', 0x100)).toBe('1')
    expect(house.call('access', '/l', 5)).toBe('0')
    expect(house.call('access', '/l', 2)).toBe('EACCES')
    expect(house.violations).toEqual([])
  })

  test('and so is everything above it looked at, as for any grant', () => {
    const house = listed({ files: { a: { b: {} } }, rules: ['list +/a/b/'] })
    expect(house.call('stat', '/a', new Uint8Array(144))).toBe('0')
    expect(house.call('open', '/a', O_RDONLY)).toBe('EACCES')
    expect(house.violations).toEqual(['violation list /a'])
  })

  test.each([
    ['open', ['/l/f', O_RDONLY], 'EACCES', ['violation read /l/f']],
    ['open', ['/l/f', O_PATH], 'EACCES', ['violation read /l/f']],
    ['open', ['/l/d', O_RDONLY], 'EACCES', ['violation list /l/d']],
    ['open', ['/l/link', O_RDONLY | O_DIRECTORY], 'EACCES', ['violation list /l/d']],
    ['open', ['/l/out', O_RDONLY], 'EACCES', ['violation list /o']],
    ['open', ['/l/out/canary', O_RDONLY], 'EACCES', ['violation read /o/canary']],
    ['open', ['/l/d/g', O_RDONLY], 'EACCES', ['violation read /l/d/g']],
    ['open', ['/l/none', O_RDONLY], 'ENOENT', []],
    ['open', ['/l/new', O_WRONLY | O_CREAT, 0o644], 'EACCES', ['violation write /l/new']],
    ['open', ['/l', O_RDWR], 'EACCES', ['violation write /l']],
    ['open', ['/l', O_TMPFILE | O_RDWR, 0o600], 'EACCES', ['violation write /l']],
    ['open', ['/l/f', O_RDONLY | O_DIRECTORY], 'ENOTDIR', []],
    ['mkdir', ['/l/new', 0o755], 'EACCES', ['violation write /l/new']],
    ['rmdir', ['/l/d'], 'EACCES', ['violation write /l/d']],
    ['chmod', ['/l', 0o777], 'EACCES', ['violation write /l']],
    ['execve', ['/l/f', 0, 0], 'EACCES', ['violation execute /l/f']],
    ['stat', ['/l/f', new Uint8Array(144)], 'ENOENT', []],
    ['lstat', ['/l/link', new Uint8Array(144)], 'ENOENT', []],
    ['readlink', ['/l/link', new Uint8Array(9), 9], 'ENOENT', []],
  ] as const)('%s(%j) of what lies in it, or more than its names, is %s', (name, args, expected, violations) => {
    const house = listed()
    expect(house.call(name, ...args)).toBe(expected)
    expect(house.violations).toEqual(violations)
  })

  test('is opened as a directory and as nothing else, whatever has come to stand there', () => {
    const house = listed()
    const inode = house.kernel.files.at('/l')
    const { open, handle } = house.kernel
    const swap = (): void => {
      house.kernel.files.remove(house.kernel.files.root, 'l')
      house.kernel.files.add(house.kernel.files.root, 'l', house.kernel.files.at('/o/canary'))
    }
    house.kernel.open = (place, how) => {
      swap()
      return open.call(house.kernel, place, how)
    }
    expect(house.call('open', '/l', O_RDONLY)).toBe('ENOTDIR')
    house.kernel.files.remove(house.kernel.files.root, 'l')
    house.kernel.files.add(house.kernel.files.root, 'l', inode)
    house.kernel.open = open
    house.kernel.handle = (place, last) => {
      swap()
      return handle.call(house.kernel, place, last)
    }
    house.hold(7, 'inotify_init1', 0)
    expect(house.call('inotify_add_watch', 7, '/l', 0x100)).toMatch(/^E/)
  })
})

test('that a directory was opened for its names only is recorded as that, whatever allows it', () => {
  for (const [path, flags, access] of [
    ['/r', O_RDONLY | O_DIRECTORY, 'list'],
    ['/r/d/', O_RDONLY, 'list'],
    ['/l', O_RDONLY, 'list'],
    ['/r/f', O_RDONLY, 'read'],
  ] as const) {
    const house = listed()
    expect(house.call('open', path, flags)).toMatch(/^fd/)
    expect([
      path,
      house.findings.map(({ outcome, ...rest }) => ('request' in rest ? rest.request.access : outcome)),
    ]).toEqual([path, [access]])
  }
})
