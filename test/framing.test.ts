import { serialize } from 'node:v8'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../src/errors.js'
import { frame, FrameReader } from '../src/framing.js'

const length = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

describe('messages over a stream', () => {
  test('byte by byte', () => {
    const reader = new FrameReader(1000)
    const received: unknown[] = []
    for (const byte of Buffer.concat([frame('one'), frame('two')])) received.push(...reader.push(Buffer.from([byte])))
    expect(received).toEqual(['one', 'two'])
  })

  test('a message is given as soon as it is whole, even where a bad one follows', () => {
    const reader = new FrameReader(1000)
    const received = reader.push(Buffer.concat([frame('good'), length(5000)]))
    expect(received.next()).toEqual({ value: 'good', done: false })
    expect(() => received.next()).toThrow(ProtocolError)
  })

  test('a length over the limit is refused before its bytes come', () => {
    expect(() => [...new FrameReader(1000).push(length(1001))]).toThrow(
      'a message of 1001 bytes, where at most 1000 are allowed',
    )
    expect([...new FrameReader(1000).push(length(1000))]).toEqual([])
    expect(() => [...new FrameReader(1 << 30).push(length(0xffff_ffff))]).toThrow(ProtocolError)
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(10)],
    ['text', Buffer.from('hello')],
    ['a cut message', serialize({ a: 'long enough' }).subarray(0, 8)],
    ['a header alone', Buffer.from([0xff, 0x0f])],
  ])('%s as a message is a ProtocolError', (_, body) => {
    expect(() => [...new FrameReader(1000).push(Buffer.concat([length(body.length), body]))]).toThrow(ProtocolError)
  })
})
