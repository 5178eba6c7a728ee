import * as fc from 'fast-check'
import { expect } from 'vitest'
import { decodeFrame, encodeFrame } from '../src/protocol.js'
import { bytes, frame } from './arbitraries/frames.js'
import { law } from './laws/law.js'

law('a frame is decoded as it was encoded', { cases: 1000 }, [frame], (one) => {
  const decoded = decodeFrame(encodeFrame(one))
  if (typeof decoded === 'string') throw new Error(decoded)
  expect({ ...decoded, body: [...decoded.body] }).toEqual({ ...one, body: [...one.body] })
})

law(
  'whatever bytes come, they are a frame or it is said what is wrong, and nothing is read beyond them',
  { cases: 4000 },
  [bytes],
  (some) => {
    const around = Buffer.concat([Buffer.alloc(3, 0xff), some, Buffer.alloc(70_000 - some.length, 0xff)])
    const decoded = decodeFrame(around.subarray(3, 3 + some.length))
    if (typeof decoded === 'string')
      expect(['short', 'magic', 'version', 'opcode', 'length', 'reserved']).toContain(decoded)
    else expect(encodeFrame(decoded)).toEqual(Buffer.from(some))
  },
)

law(
  'a frame with one byte changed is another frame or none',
  { cases: 1000 },
  [frame, fc.nat(400), fc.integer({ min: 1, max: 255 })],
  (one, at, change) => {
    const packet = Buffer.from(encodeFrame(one))
    const index = at % packet.length
    packet.writeUInt8((packet[index] ?? 0) ^ change, index)
    const decoded = decodeFrame(packet)
    if (typeof decoded !== 'string') expect(Buffer.from(encodeFrame(decoded))).toEqual(packet)
  },
)
