import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MARK, MarkReader, writeMark, type Block, type Mark } from '../../src/protocol.js'

function block(): Block {
  const bytes = Buffer.alloc(MARK.size)
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) }
}

/** Through one buffer, which the next read writes over. */
function readerOf({ bytes }: Block): MarkReader {
  const buffer = Buffer.alloc(MARK.size)
  return new MarkReader((offset, length) => {
    bytes.copy(buffer, 0, offset, offset + length)
    return buffer.subarray(0, length)
  })
}

const mark = (test: string, file = 'a.test.ts'): Mark => ({ file, id: '1_0', test, concurrent: false })
const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((one) => !one.includes('\0'))

describe('which test runs', () => {
  test('is read as it was written last', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ file: text, id: text, test: text, concurrent: fc.boolean() }), {
          minLength: 1,
          maxLength: 5,
        }),
        (marks) => {
          const there = block()
          const reader = readerOf(there)
          for (const one of marks) {
            writeMark(there, one)
            expect([reader.now(), reader.now()]).toEqual([one, one])
          }
        },
      ),
    )
  })

  test('is nothing before the first, and nothing once the memory is gone', () => {
    const there = block()
    let isThere = true
    const reader = new MarkReader((offset, length) =>
      isThere ? there.bytes.subarray(offset, offset + length) : undefined,
    )
    expect(reader.now()).toBeUndefined()
    writeMark(there, mark('one'))
    expect(reader.now()).toEqual(mark('one'))
    isThere = false
    expect(reader.now()).toBeUndefined()
  })

  test('is the one before while the next is written, and never half of both', () => {
    const there = block()
    let between = (): void => {}
    const reader = new MarkReader((offset, length) => {
      const read = Uint8Array.from(there.bytes.subarray(offset, offset + length))
      if (offset === MARK.text) between()
      return read
    })
    writeMark(there, mark('one'))
    expect(reader.now()).toEqual(mark('one'))
    Atomics.add(there.words, MARK.version / 4, 1)
    there.bytes.write('half', MARK.text)
    expect(reader.now()).toEqual(mark('one'))
    Atomics.add(there.words, MARK.version / 4, 1)
    let changes = 0
    between = () => {
      if (changes++ === 0) writeMark(there, mark('a longer one'))
    }
    writeMark(there, mark('two'))
    expect(reader.now()).toEqual(mark('a longer one'))
    // Somebody who writes whenever it is read.
    between = () => writeMark(there, mark(`${changes++}`))
    writeMark(there, mark('three'))
    expect(reader.now()).toEqual(mark('a longer one'))
  })

  test('is cut where it is too long, at a whole character', () => {
    const there = block()
    writeMark(there, mark('n'.repeat(5000)))
    expect(readerOf(there).now()).toEqual(mark('n'.repeat(1000)))
    writeMark(there, { ...mark('é'.repeat(1000)), file: 'x'.repeat(MARK.size - 110) })
    expect(readerOf(there).now()?.test).toMatch(/^é{40,60}$/)
  })

  test('is read from any block at all, within it, without an exception', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(0xffff_ffff),
        fc.nat(0xffff_ffff),
        (body, version, length) => {
          const there = block()
          there.bytes.set(body, MARK.text)
          there.bytes.writeUInt32LE(version, MARK.version)
          there.bytes.writeUInt32LE(length, MARK.length)
          const found = new MarkReader((offset, count) => {
            expect(offset + count).toBeLessThanOrEqual(MARK.size)
            return there.bytes.subarray(offset, offset + count)
          }).now()
          if (found !== undefined) expect(Object.keys(found)).toEqual(['file', 'id', 'test', 'concurrent'])
          else expect(version === 0 || version % 2 === 1).toBe(true)
        },
      ),
      { numRuns: 2000 },
    )
  })
})
