import * as fc from 'fast-check'
import { expect } from 'vitest'
import { ProtocolError } from '../src/errors.js'
import { frame, FrameReader } from '../src/framing.js'
import { law } from './laws/law.js'

const message = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.record({ type: fc.string(), data: fc.uint8Array({ maxLength: 2000 }) }),
  fc.array(fc.boolean()),
  fc.constantFrom(undefined, null),
)

/** Cuts the bytes at these places. */
function* pieces(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].toSorted((a, b) => a - b)
  for (const [index, start] of places.slice(0, -1).entries()) yield bytes.subarray(start, places[index + 1])
}

law(
  'messages over a stream come out as they went in, in order, however it is cut',
  { cases: 200 },
  [fc.array(message, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 })],
  (messages, cuts) => {
    const reader = new FrameReader(1 << 20)
    const received: unknown[] = []
    for (const piece of pieces(Buffer.concat(messages.map(frame)), cuts)) received.push(...reader.push(piece))
    expect(received).toEqual(messages)
  },
)

law(
  'any bytes of a stream end in messages or in a ProtocolError',
  { cases: 300 },
  [fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 })],
  (chunks) => {
    const reader = new FrameReader(64)
    try {
      for (const chunk of chunks) for (const one of reader.push(Buffer.from(chunk))) void one
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError)
    }
  },
)
