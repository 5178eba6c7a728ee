/** fifo(7): an open that waits for the other end makes its own thread wait, and nobody else. */
import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/abi/open-flags.js'
import type { Reply } from '../../src/syscalls/call.js'
import { failed } from '../../src/syscalls/outcome.js'
import { policyOf } from '../contracts/rules.js'
import type { House } from './house.js'
import { scene } from './scene.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_NONBLOCK, O_PATH, O_LARGEFILE } = openFlags('x64')

function waiting(reply: Reply): Extract<Reply, { kind: 'later' }> {
  if (failed(reply) || reply.kind !== 'later') throw new Error('it does not wait')
  return reply
}

const live = (house: House): number => house.kernel.ledger.live.size

describe('open of a FIFO', () => {
  test('for reading waits for a writer, and is then as it was asked for', () => {
    const house = scene()
    const reader = waiting(house.run('open', ['/w/fifo', O_RDONLY]))
    expect(house.show(reader.again())).toBe('later')
    expect(live(house)).toBe(1)
    house.hold(8, 'open', '/w/fifo', O_WRONLY)
    const reply = reader.again()
    expect(house.show(reply)).toBe('fd /w/fifo')
    house.hold(9, 'open', '/w/fifo', O_RDONLY)
    expect((house.target.descriptors.get(9)?.flags ?? -1) & ~O_LARGEFILE).toBe(O_RDONLY)
  })

  test('for writing waits for a reader, without holding anything meanwhile', () => {
    const house = scene()
    const writer = waiting(house.run('open', ['/w/fifo', O_WRONLY]))
    expect(house.show(writer.again())).toBe('later')
    expect(live(house)).toBe(0)
    const reader = waiting(house.run('open', ['/w/fifo', O_RDONLY]))
    expect(house.show(writer.again())).toBe('fd /w/fifo')
    expect(house.show(reader.again())).toBe('fd /w/fifo')
  })

  test('a writer that came and went lets the reader go', () => {
    const house = scene()
    const reader = waiting(house.run('open', ['/w/fifo', O_RDONLY]))
    const writer = house.run('open', ['/w/fifo', O_WRONLY])
    if (failed(writer) || writer.kind !== 'descriptor') throw new Error('no writer')
    writer.fd.close()
    expect(house.show(reader.again())).toBe('fd /w/fifo')
  })

  test('given up, it leaves nothing behind', () => {
    const house = scene()
    waiting(house.run('open', ['/w/fifo', O_RDONLY])).cancel()
    waiting(house.run('open', ['/w/fifo', O_WRONLY])).cancel()
    expect(live(house)).toBe(0)
    expect(house.call('open', '/w/fifo', O_WRONLY | O_NONBLOCK)).toBe('ENXIO')
  })

  test.each<[string, number, string]>([
    ['/w/fifo', O_RDONLY | O_NONBLOCK, 'fd /w/fifo'],
    ['/w/fifo', O_WRONLY | O_NONBLOCK, 'ENXIO'],
    ['/w/fifo', O_RDWR, 'fd /w/fifo'],
    ['/w/fifo', O_PATH, 'EACCES'],
    ['/r/fifo', O_WRONLY, 'EACCES'],
    ['/o/fifo', O_RDONLY, 'EACCES'],
    ['/o/fifo', O_WRONLY, 'EACCES'],
    ['/r/sock', O_RDONLY, 'ENXIO'],
    ['/r/fifo', O_RDONLY, 'later'],
  ])('%s with %i is %s at once', (path, flags, expected) => {
    expect(scene().call('open', path, flags)).toBe(expected)
  })

  test('a FIFO that goes away while a writer waits is what the writer is told', () => {
    const house = scene()
    const writer = waiting(house.run('open', ['/w/fifo', O_WRONLY]))
    house.call('unlink', '/w/fifo')
    expect(house.show(writer.again())).toBe('ENOENT')
  })

  test('a writer that waits is decided again once another policy is in force', () => {
    const house = scene()
    const writers = [O_WRONLY, O_WRONLY | O_CREAT].map((flags) => waiting(house.run('open', ['/w/fifo', flags, 0o600])))
    house.policy = policyOf(['read +/w/'])
    house.hold(8, 'open', '/w/fifo', O_RDONLY | O_NONBLOCK)
    expect(writers.map((writer) => house.show(writer.again()))).toEqual(['EACCES', 'EACCES'])
    expect(house.violations).toEqual(['violation write /w/fifo', 'violation write /w/fifo'])
  })

  test('a link put in the place of the FIFO meanwhile is not followed', () => {
    const house = scene()
    const writer = waiting(house.run('open', ['/w/fifo', O_WRONLY]))
    house.call('unlink', '/w/fifo')
    house.call('symlink', '/o/canary', '/w/fifo')
    expect(house.show(writer.again())).toBe('ELOOP')
    expect(live(house)).toBe(0)
  })
})
