import { expect, test } from 'vitest'
import { rowsFor, tableFor } from '../../src/syscalls/table.js'
import { withoutSockets } from '../../src/syscalls/without-sockets.js'
import { Faults } from '../contracts/faults.js'
import { ARCH, House } from './house.js'

const NONE = new Faults({})
const row = (name: string) => {
  const found = [...tableFor(ARCH, 'none').values()].find((one) => one.name === name)
  if (found === undefined) throw new Error(`no row for ${name}`)
  return found
}

test('rows of sockets refuse, and all others are the same', () => {
  const rows = rowsFor(ARCH)
  expect(rows.filter((one) => withoutSockets(one) !== one).map(({ name }) => name)).toEqual(
    rows.filter(({ family }) => family === 'sockets').map(({ name }) => name),
  )
  for (const { name, family } of rows) {
    if (family !== 'sockets' || name === 'socket') continue
    const house = new House()
    expect(house.show(house.runRow(row(name), [3, 0, 0, 0, 0, 0], NONE)), name).toBe('EACCES')
    expect(house.findings, name).toMatchObject([{ outcome: 'forbidden', violation: false }])
  }
})

test.each([
  ['TCP', [2, 1, 0], 'EACCES', true],
  ['TCP over IPv6, not blocking', [10, 1 | 0x80800, 6], 'EACCES', true],
  ['UDP, as libc asks name servers', [2, 2, 0], 'EACCES', false],
  ['unix, as libc asks name services', [1, 1, 0], 'EACCES', false],
  ['routes, as getifaddrs asks', [16, 3, 0], 'EACCES', false],
] as const)('a socket for %s', (_, args, errno, violation) => {
  const house = new House()
  expect(house.show(house.runRow(row('socket'), args, NONE))).toBe(errno)
  expect(house.findings).toMatchObject([{ outcome: 'forbidden', violation }])
})

test('what is no kind of socket is said as ever', () => {
  const house = new House()
  expect(house.show(house.runRow(row('socket'), [99, 1, 0], NONE))).toBe('EAFNOSUPPORT')
  expect(house.findings).toEqual([])
})
