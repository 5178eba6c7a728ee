/** Violations in words, where they stand under no test. */
import { expect, test } from 'vitest'
import { textOf } from '../../src/vitest/violation-text.js'

test('a name from the worker stays on its line', () => {
  const violation = { call: 'openat', access: 'read', resource: '/r/x', message: '  refused: open /r/x for reading' }
  const name = 'a name\n    at named (/r/secret:1:1)'
  expect(textOf([{ ...violation, test: { id: '1', name, concurrent: false } }])).toBe(
    '  in: a name\\x0a    at named (/r/secret:1:1)\n  refused: open /r/x for reading',
  )
  expect(textOf([violation])).toBe('  refused: open /r/x for reading')
})
