import { closeSync, fstatSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SlowCloses } from '../../src/broker/slow-closes.js'

test('closes all that it is given, and says so for each', async () => {
  const closes = new SlowCloses()
  const fds = Array.from({ length: 5 }, () => openSync('/dev/null', 'r'))
  const order: number[] = []
  await Promise.all(
    fds.map(
      (fd, index) =>
        new Promise<void>((resolve) =>
          closes.add(fd, () => {
            order.push(index)
            resolve()
          }),
        ),
    ),
  )
  expect(order.toSorted()).toEqual([0, 1, 2, 3, 4])
  for (const fd of fds) expect(() => fstatSync(fd)).toThrow('EBADF')
})

test('a descriptor that is none does not keep the others from being closed', async () => {
  const closes = new SlowCloses()
  const gone = openSync('/dev/null', 'r')
  const fd = openSync('/dev/null', 'r')
  closeSync(gone)
  closes.add(gone + 1000, () => {})
  await new Promise<void>((resolve) => closes.add(fd, resolve))
  expect(() => fstatSync(fd)).toThrow('EBADF')
})
