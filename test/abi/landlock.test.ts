import { expect, test } from 'vitest'
import { landlockRights } from '../../src/abi/landlock.js'

// landlock(7), "VERSIONS"
test.each([
  { abi: 1, fs: 0x1fff, net: 0, scoped: 0, attrSize: 8 },
  { abi: 2, fs: 0x3fff, net: 0, scoped: 0, attrSize: 8 },
  { abi: 3, fs: 0x7fff, net: 0, scoped: 0, attrSize: 8 },
  { abi: 4, fs: 0x7fff, net: 0x3, scoped: 0, attrSize: 16 },
  { abi: 5, fs: 0xffff, net: 0x3, scoped: 0, attrSize: 16 },
  { abi: 6, fs: 0xffff, net: 0x3, scoped: 0x3, attrSize: 24 },
  { abi: 7, fs: 0xffff, net: 0x3, scoped: 0x3, attrSize: 24 },
  { abi: 8, fs: 0xffff, net: 0x3, scoped: 0x3, attrSize: 24 },
  { abi: 9, fs: 0x1ffff, net: 0x3, scoped: 0x3, attrSize: 24 },
  { abi: 10, fs: 0x1ffff, net: 0xf, scoped: 0x3, attrSize: 24 },
  { abi: 99, fs: 0x1ffff, net: 0xf, scoped: 0x3, attrSize: 24 },
])('ABI $abi', ({ abi, ...rights }) => {
  expect(landlockRights(abi)).toEqual(rights)
})

test('no Landlock, no rights', () => {
  expect(landlockRights(0)).toBeUndefined()
  expect(landlockRights(-1)).toBeUndefined()
})

test('a right once known stays', () => {
  for (let abi = 1; abi < 12; abi++) {
    const [older, newer] = [landlockRights(abi), landlockRights(abi + 1)]
    for (const kind of ['fs', 'net', 'scoped'] as const) {
      expect((older?.[kind] ?? 0) & ~(newer?.[kind] ?? 0)).toBe(0)
    }
  }
})
