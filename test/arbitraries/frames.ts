/** Frames of the broker's channel, and bytes that are nearly one. */
import * as fc from 'fast-check'
import { encodeFrame, Opcode, type Frame } from '../../src/protocol.js'

export const frame: fc.Arbitrary<Frame> = fc.record({
  opcode: fc.constantFrom(...Object.values(Opcode)),
  id: fc.nat(0xffff_ffff),
  body: fc.uint8Array({ maxLength: 300 }),
})

/** A frame as it is sent, cut, prolonged, or with some bytes overwritten. */
const spoiled = fc
  .tuple(frame, fc.integer({ min: -40, max: 40 }), fc.array(fc.tuple(fc.nat(24), fc.nat(255)), { maxLength: 3 }))
  .map(([one, more, changes]) => {
    const packet = Buffer.from(encodeFrame(one))
    for (const [at, byte] of changes) if (at < packet.length) packet[at] = byte
    return Uint8Array.from(
      more < 0 ? packet.subarray(0, Math.max(0, packet.length + more)) : Buffer.concat([packet, Buffer.alloc(more)]),
    )
  })

export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: spoiled },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 400 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(65_535, 65_536, 65_537, 69_000).map((size) => new Uint8Array(size).fill(0x53)),
  },
)
