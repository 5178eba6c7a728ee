import { describe, expect, test } from 'vitest'
import {
  decodeFrame,
  encodeFrame,
  frameText,
  MAX_FRAME,
  Opcode,
  PROTOCOL_VERSION,
  textFrame,
} from '../../src/protocol.js'

const HEADER = 16

describe('frames', () => {
  test.each<[string, (bytes: Buffer) => Uint8Array, string]>([
    ['nothing', () => Buffer.alloc(0), 'short'],
    ['less than a header', (bytes) => bytes.subarray(0, HEADER - 1), 'short'],
    ['more than the limit', () => Buffer.alloc(MAX_FRAME + 1), 'short'],
    ['cut by a byte', (bytes) => bytes.subarray(0, -1), 'length'],
    ['with a byte too many', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]), 'length'],
    ['of another protocol', (bytes) => Buffer.concat([Buffer.from('XX'), bytes.subarray(2)]), 'magic'],
    ['of another version', (bytes) => Buffer.from(bytes).fill(PROTOCOL_VERSION + 1, 2, 3), 'version'],
    ['without an opcode', (bytes) => Buffer.from(bytes).fill(0, 3, 4), 'opcode'],
    ['of an opcode to come', (bytes) => Buffer.from(bytes).fill(200, 3, 4), 'opcode'],
    ['with something in what is reserved', (bytes) => Buffer.from(bytes).fill(1, 15, 16), 'reserved'],
    ['with a length that wraps', (bytes) => Buffer.from(bytes).fill(255, 8, 12), 'length'],
  ])('%s: %s', (_, spoil, fault) => {
    expect(decodeFrame(spoil(Buffer.from(textFrame(Opcode.mark, 'text'))))).toBe(fault)
  })

  test('the longest body goes through, one byte more is a mistake of the sender', () => {
    const body = new Uint8Array(MAX_FRAME - HEADER)
    expect(decodeFrame(encodeFrame({ opcode: Opcode.setup, id: 0, body }))).toMatchObject({ opcode: Opcode.setup })
    expect(() => encodeFrame({ opcode: Opcode.setup, id: 0, body: new Uint8Array(body.length + 1) })).toThrow(
      RangeError,
    )
  })

  test('a frame inside a larger buffer is read at its own place', () => {
    const bytes = Buffer.from(textFrame(Opcode.stage, 'filter', 7))
    const around = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(5, 0xff)])
    const decoded = decodeFrame(around.subarray(5, 5 + bytes.length))
    if (typeof decoded === 'string') throw new Error(decoded)
    expect([decoded.id, frameText(decoded)]).toEqual([7, 'filter'])
  })

  test('text that is not UTF-8 is text all the same', () => {
    const decoded = decodeFrame(encodeFrame({ opcode: Opcode.mark, id: 0, body: Uint8Array.from([0xff, 0xfe, 0x41]) }))
    expect(typeof decoded === 'string' ? decoded : frameText(decoded)).toBe('\ufffd\ufffdA')
  })
})
