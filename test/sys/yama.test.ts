import { expect, test } from 'vitest'
import { missingByYama, yamaAllows, yamaFacts } from '../../src/sys/yama.js'

test.each([
  [undefined, false, true],
  [0, false, true],
  [1, false, true],
  [2, false, false],
  [2, true, true],
  [3, false, false],
  [3, true, false],
])('ptrace_scope %s, with CAP_SYS_PTRACE: %s: %s', (scope, canTrace, allowed) => {
  expect(yamaAllows({ scope, canTrace })).toBe(allowed)
  expect(missingByYama({ scope, canTrace }).length).toBe(allowed ? 0 : 1)
})

test('what is missing is said, with the way out', () => {
  expect(missingByYama({ scope: 2, canTrace: false })).toEqual([
    'a way to reach workers, which Yama forbids (kernel.yama.ptrace_scope is 2): sysctl kernel.yama.ptrace_scope=1, or CAP_SYS_PTRACE',
  ])
  expect(missingByYama({ scope: 3, canTrace: true })[0]).toContain(
    'kernel.yama.ptrace_scope=1 at boot: 3 cannot be taken back',
  )
})

test('this machine has an answer', () => {
  const { scope, canTrace } = yamaFacts()
  expect(scope === undefined || [0, 1, 2, 3].includes(scope)).toBe(true)
  expect(canTrace).toBeTypeOf('boolean')
})
