import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { Errno, errnoName, MAX_ERRNO } from '../../src/abi/errno.js'

test('a number has the name that strerrorname_np(3) gives it', () => {
  expect(errnoName(2)).toBe('ENOENT')
  expect(errnoName(11)).toBe('EAGAIN')
  expect(errnoName(35)).toBe('EDEADLK')
  expect(errnoName(95)).toBe('EOPNOTSUPP')
})

test('a number without a name says so', () => {
  expect(errnoName(999)).toBe('errno 999')
  expect(errnoName(0)).toBe('errno 0')
  expect(errnoName(-2)).toBe('errno -2')
})

test('all numbers lie in what a system call can return', () => {
  expect(Object.values(Errno).every((errno) => errno >= 1 && errno <= MAX_ERRNO)).toBe(true)
})

test('Node agrees on all that it knows', ({ skip }) => {
  skip(process.platform !== 'linux', 'the errnos of this system are not those of Linux')
  const ours: Readonly<Record<string, number>> = Errno
  expect(Object.fromEntries(Object.keys(constants.errno).map((name) => [name, ours[name]]))).toEqual(constants.errno)
})
