import { describe, expect, test } from 'vitest'
import { AF_UNIX, MSG_CTRUNC, MSG_DONTWAIT, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/abi/socket.js'
import { MSGHDR } from '../../src/abi/structs.js'
import { failed } from '../../src/syscalls/outcome.js'
import { FakeFd } from '../contracts/fake-descriptors.js'
import { must } from '../contracts/kernel.contract.js'
import type { House } from './house.js'
import { FD, furnished, words } from './templates.js'

const room = (size: number): Uint8Array => new Uint8Array(size)

/** A header for what arrives, and where its parts are. */
function receiver(
  house: House,
  control = 64,
): { readonly header: bigint; readonly data: number; readonly control: number } {
  const data = house.target.put(room(64))
  const cmsg = house.target.put(room(64))
  const vector = house.target.put(words(data, 64))
  return { header: BigInt(house.target.put(words(0, 0, vector, 1, cmsg, control, 0))), data, control: cmsg }
}

function flagsOf(house: House, header: bigint): number {
  return Buffer.from(house.target.bytesAt(Number(header))).readUInt32LE(MSGHDR.msg_flags)
}

/** A socket at 30 of which somebody outside holds the other end; its number is in `outside`. */
function stranger(house: House): FakeFd {
  const [own, outside] = must(house.kernel.sockets.pair())
  house.kernel.sockets.strangers.add(own.description)
  house.target.hold(30, own)
  return outside
}

describe('descriptors that come in', () => {
  test('over an end of an own pair are handed on', () => {
    const house = furnished()
    const [own, other] = must(house.kernel.sockets.pair())
    house.target.hold(30, own)
    const passed = must(house.kernel.anonymous({ kind: 'eventfd', initial: 0, flags: 0 }))
    must(house.kernel.sockets.send(other, Buffer.from('data'), 0, undefined, [passed]))
    const { header } = receiver(house)
    const reply = house.run('recvmsg', [30, header, MSG_DONTWAIT])
    if (failed(reply) || reply.kind !== 'received') throw new Error('nothing was received')
    expect(reply.fds).toHaveLength(1)
    expect(reply.finish([50])).toEqual({ kind: 'value', value: 4 })
    expect(flagsOf(house, header)).toBe(0)
    expect(house.violations).toEqual([])
  })

  test('over any other unix socket are not, and that is a violation', () => {
    const house = furnished()
    const outside = stranger(house)
    const passed = must(house.kernel.anonymous({ kind: 'eventfd', initial: 0, flags: 0 }))
    must(house.kernel.sockets.send(outside, Buffer.from('data'), 0, undefined, [passed]))
    const { header } = receiver(house)
    expect(house.call('recvmsg', 30, header, MSG_DONTWAIT)).toBe('4')
    expect(flagsOf(house, header)).toBe(MSG_CTRUNC)
    expect(house.violations).toHaveLength(1)
    // Who has no room for descriptors asks for none.
    must(house.kernel.sockets.send(outside, Buffer.from('data'), 0, undefined, [passed]))
    expect(house.call('recvmsg', 30, receiver(house, 0).header, MSG_DONTWAIT)).toBe('4')
    expect(house.violations).toHaveLength(1)
  })

  test('are not those of another socket that has got the number of an own end meanwhile', () => {
    const house = furnished()
    const [own, other] = must(house.kernel.sockets.pair())
    own.description.flags = 0
    house.target.hold(30, own)
    const reply = house.run('recvmsg', [30, receiver(house).header, 0])
    if (failed(reply) || reply.kind !== 'later') throw new Error('it does not wait')
    const outside = stranger(house)
    const passed = must(house.kernel.anonymous({ kind: 'eventfd', initial: 0, flags: 0 }))
    must(house.kernel.sockets.send(outside, Buffer.from('bad'), 0, undefined, [passed]))
    const still = reply.again()
    if (failed(still) || still.kind !== 'later') throw new Error('it took what came to another socket')
    must(house.kernel.sockets.send(other, Buffer.from('good'), 0, undefined, []))
    expect(still.again()).toEqual({ kind: 'value', value: 4 })
  })
})

test('what is received is read into memory that was named once', () => {
  const house = furnished()
  const [own, other] = must(house.kernel.sockets.pair())
  house.target.hold(30, own)
  must(house.kernel.sockets.send(other, Buffer.from('hello'), 0, undefined, []))
  const into = receiver(house)
  expect(house.call('recvmsg', 30, into.header, 0)).toBe('5')
  expect(Buffer.from(house.target.bytesAt(into.data)).toString('latin1', 0, 5)).toBe('hello')
})

test('an empty socket answers as it waits: not at all, or later', () => {
  const house = furnished()
  house.target.hold(30, house.kernel.sockets.make(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK))
  house.target.hold(31, house.kernel.sockets.make(AF_UNIX, SOCK_STREAM))
  expect(house.call('recvmsg', 30, receiver(house).header, 0)).toBe('EAGAIN')
  expect(house.call('recvmsg', 31, receiver(house).header, MSG_DONTWAIT)).toBe('EAGAIN')
  expect(house.call('recvmsg', 31, receiver(house).header, 0)).toBe('later')
  expect(house.call('recvmsg', FD.read, receiver(house).header, 0)).toBe('ENOTSOCK')
})
