import { expect, test } from 'vitest'
import { anotherOf, mapSealed, SealedMemory } from '../../src/sys/sealed-memory.js'

const SIZE = 32 << 20

test('what one object writes is seen through every mapping of it', () => {
  const written = new SealedMemory('test', SIZE)
  using fd = anotherOf(written.fd)
  const read = new Uint8Array(mapSealed(fd, SIZE))
  expect([read.length, read[0], read.at(-1)]).toEqual([SIZE, 0, 0])
  new Uint8Array(written.bytes).set([7], SIZE - 1)
  expect(read.at(-1)).toBe(7)
  written.close()
  expect(() => written.bytes).toThrow(TypeError)
  expect(read.at(-1)).toBe(7)
})

test('V8 counts none of it, so that it collects no garbage for it', () => {
  const before = process.memoryUsage()
  const written = new SealedMemory('test', SIZE)
  const after = process.memoryUsage()
  expect(after.external - before.external).toBeLessThan(SIZE / 2)
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(SIZE / 2)
  written.close()
})
