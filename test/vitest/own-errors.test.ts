/** When a test's own error gives way to ours, and what is taken for frames. */
import { expect, test } from 'vitest'
import { frames, framesOf, isRefusalOf } from '../../src/vitest/own-errors.js'
import type { Violation } from '../../src/vitest/violations.js'

const violation: Violation = { call: 'openat', access: 'read', resource: '/r/real', asked: '/r/link', message: '' }
const error = (more: object = {}): object => ({
  message: "EACCES: permission denied, open '/r/link'", code: 'EACCES', path: '/r/link', syscall: 'open', errno: -13, ...more,
})

test.each<[string, unknown, boolean]>([
  ['the refusal itself', error(), true],
  ['by its real path', error({ path: '/r/real', message: "EACCES: permission denied, open '/r/real'" }), true],
  ['not in canonical form', error({ path: '/r/./x/../link', message: "EACCES: permission denied, open '/r/./x/../link'" }), true],
  ['of another path', error({ path: '/r/other', message: "EACCES: permission denied, open '/r/other'" }), false],
  ['with words of its own', error({ message: 'no config at /r/link' }), false],
  ['of another kind', error({ code: 'EMFILE', message: "EMFILE: too many open files, open '/r/link'" }), false],
  ['without a path', { message: 'EACCES', code: 'EACCES' }, false],
  ['no error at all', 'EACCES', false], ['null', null, false], ['a path that is none', error({ path: 3 }), false],
])('%s', (_, given, isSame) => expect(isRefusalOf(given, violation)).toBe(isSame))

test('an address is not a path', () => expect(isRefusalOf(error(), { ...violation, access: 'connect' })).toBe(false))

test('only lines that V8 writes as frames are kept, and not too many', () => {
  const given = ['Error: x', '    at one (/a.js:1:2)', 'at zero', '    at \u001b[31mred (/a.js:1:2)', '  @/a.js:1:2', `    at ${'x'.repeat(600)}`, '    at /b.js:3:4'].join('\n')
  expect(frames(given)).toBe('    at one (/a.js:1:2)\n    at /b.js:3:4')
  expect(frames('    at x (/a.js:1:2)\n'.repeat(100)).split('\n')).toHaveLength(30)
  expect([framesOf({ stack: given }), framesOf({}), framesOf(null), framesOf({ stack: 3 })]).toEqual([frames(given), '', '', ''])
})
