import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RESOURCE_NAME } from '../../src/policy/resource-names.js'
import {
  acquiredFrame,
  acquireFrame,
  decodeFrame,
  encodeFrame,
  ErrorCode,
  frameText,
  helloFrame,
  markFrame,
  MAX_FRAME,
  Opcode,
  readAcquire,
  readHello,
  readMark,
  readRefused,
  readReport,
  refusedFrame,
  reportedFrame,
  reportFrame,
  type Frame,
  type GrantedItem,
  type Reported,
} from '../../src/protocol.js'

function decoded(packet: Uint8Array): Frame {
  const frame = decodeFrame(packet)
  if (typeof frame === 'string') throw new Error(frame)
  return frame
}

const id = fc.nat(0xffff_ffff)
const name = fc.stringMatching(RESOURCE_NAME)
const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((one) => !one.includes('\0'))
const opcode = fc.constantFrom(...Object.values(Opcode))

describe('what is read is what was written', () => {
  test('acquire', () => {
    fc.assert(
      fc.property(id, name, (number, one) => {
        const frame = decoded(acquireFrame(number, one))
        expect([frame.opcode, frame.id, readAcquire(frame)]).toEqual([Opcode.acquire, number, one])
      }),
    )
  })

  test('hello', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), fc.nat(99), fc.boolean(), (listener, landlock, waitKillable) => {
        expect(readHello(decoded(helloFrame({ listener, landlock, waitKillable })))).toEqual({
          listener,
          landlock,
          waitKillable,
        })
      }),
    )
  })

  test('mark', () => {
    fc.assert(
      fc.property(fc.nat(), (descriptor) => {
        expect(readMark(decoded(markFrame(descriptor)))).toBe(descriptor)
      }),
    )
  })

  test('report', () => {
    fc.assert(
      fc.property(id, id, (number, from) => {
        expect(readReport(decoded(reportFrame(number, from)))).toBe(from)
      }),
    )
  })

  test('error', () => {
    fc.assert(
      fc.property(id, fc.constantFrom(...Object.values(ErrorCode)), fc.nat(4095), text, (number, code, errno, told) => {
        const frame = decoded(refusedFrame(number, { code, errno, text: told }))
        expect([frame.opcode, frame.id, readRefused(frame)]).toEqual([
          Opcode.error,
          number,
          { code, errno, text: told },
        ])
      }),
    )
  })

  test('acquired', () => {
    const frame = decoded(acquiredFrame(7, { name: 'db', kind: 'socket', address: 'tcp:127.0.0.1:5432' }))
    expect([frame.id, JSON.parse(frameText(frame))]).toEqual([
      7,
      { name: 'db', kind: 'socket', address: 'tcp:127.0.0.1:5432' },
    ])
  })
})

describe('what cannot be read', () => {
  test('any body at all gives a value of its type or undefined, and never an exception', () => {
    fc.assert(
      fc.property(opcode, id, fc.uint8Array({ maxLength: 300 }), (one, number, body) => {
        const frame = decoded(encodeFrame({ opcode: one, id: number, body }))
        const asked = readAcquire(frame)
        if (asked !== undefined) expect(asked).toMatch(RESOURCE_NAME)
        const hello = readHello(frame)
        if (hello !== undefined) expect(Number.isSafeInteger(hello.listener) && hello.listener >= 0).toBe(true)
        const refused = readRefused(frame)
        if (refused !== undefined) expect(Object.values(ErrorCode)).toContain(refused.code)
        const descriptor = readMark(frame)
        if (descriptor !== undefined) expect(body.length === 4 && Number.isSafeInteger(descriptor)).toBe(true)
        expect(readReport(frame) === undefined).toBe(body.length !== 4)
      }),
      { numRuns: 2000 },
    )
  })

  test.each(['', ' ', '-a', '1a', '_a', '__proto__', 'a b', 'a\0', 'a/b', 'é', 'a\n', 'a'.repeat(65)])(
    '%j names nothing',
    (one) => {
      expect(
        readAcquire(decoded(encodeFrame({ opcode: Opcode.acquire, id: 1, body: Buffer.from(one) }))),
      ).toBeUndefined()
    },
  )

  test.each([
    '',
    '3 7',
    '3 7 2',
    '-1 7 1',
    '3  7 1',
    '3 7 1 ',
    ' 3 7 1',
    '3.5 7 1',
    '1e3 7 1',
    '0x3 7 1',
    '9999999999 7 1',
    '3\n7 1',
  ])('%j is no hello', (one) => {
    expect(readHello(decoded(encodeFrame({ opcode: Opcode.hello, id: 0, body: Buffer.from(one) })))).toBeUndefined()
  })
})

test('a report in pages holds everything once, in order, however long', () => {
  const item = fc.record({
    list: fc.constantFrom('read', 'connect'),
    entry: fc.string({ unit: 'binary', maxLength: 3000 }),
  })
  fc.assert(
    fc.property(fc.array(item, { maxLength: 120, size: 'max' }), (all) => {
      const got: GrantedItem[] = []
      for (let pages = 0; got.length < all.length; pages++) {
        expect(pages).toBeLessThan(all.length)
        const packet = reportedFrame(1, 'enforce', all, got.length)
        expect(packet.length).toBeLessThanOrEqual(MAX_FRAME)
        // What reportedFrame wrote, with its own type.
        const page = JSON.parse(frameText(decoded(packet))) as Reported
        expect(page).toMatchObject({ mode: 'enforce', total: all.length })
        expect(page.items.length).toBeGreaterThan(0)
        got.push(...page.items)
      }
      expect(got).toEqual(all)
    }),
    { numRuns: 30 },
  )
  const page = JSON.parse(frameText(decoded(reportedFrame(1, 'audit', [], 7)))) as Reported
  expect(page).toEqual({ mode: 'audit', total: 0, items: [] })
})

test('an entry that is longer than anybody writes is cut', () => {
  // What reportedFrame wrote, with its own type.
  const page = JSON.parse(
    frameText(decoded(reportedFrame(1, 'enforce', [{ list: 'read', entry: '\u0001'.repeat(100_000) }], 0))),
  ) as Reported
  expect(page.items).toEqual([{ list: 'read', entry: '\u0001'.repeat(4000) }])
})
