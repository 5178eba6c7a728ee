import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bpf/compile.js'
import { BpfError } from '../../src/bpf/errors.js'
import type { Action, ArgTest, Filter, SyscallRule } from '../../src/bpf/rules.js'
import { SeccompPoolError } from '../../src/errors.js'

const rule: SyscallRule = { number: 1, cases: [], otherwise: 'allow' }
const good: Filter = { arch: 'x64', rules: [rule], otherwise: 'notify' }
const withTest = (one: ArgTest): Filter => ({
  ...good,
  rules: [{ ...rule, cases: [{ all: [one], action: 'allow' }] }],
})
// What the types rule out can still come from a plain object: the casts are what these tests are about.
const badAction = 'log' as unknown as Action
const badArg = { arg: 6, is: 'equal', value: 0n } as unknown as ArgTest

test.each<{ readonly why: string; readonly filter: Filter; readonly message: string }>([
  {
    why: 'two rules for a number',
    filter: { ...good, rules: [rule, { ...rule, number: 2 }, rule] },
    message: 'rules[2] (number 1): expected one rule',
  },
  {
    why: 'a number with the x32 bit',
    filter: { ...good, rules: [{ ...rule, number: 0x40000001 }] },
    message: 'expected a system call number',
  },
  { why: '-1', filter: { ...good, rules: [{ ...rule, number: -1 }] }, message: 'found -1' },
  { why: 'half a number', filter: { ...good, rules: [{ ...rule, number: 1.5 }] }, message: 'found 1.5' },
  {
    why: 'errno 0, which would look like success',
    filter: { ...good, otherwise: { errno: 0 } },
    message: 'otherwise: expected an errno from 1 to 4095',
  },
  { why: 'errno 4096', filter: { ...good, rules: [{ ...rule, otherwise: { errno: 4096 } }] }, message: 'found 4096' },
  { why: 'no errno', filter: { ...good, otherwise: { errno: Number.NaN } }, message: 'found NaN' },
  { why: 'an action that is none', filter: { ...good, otherwise: badAction }, message: 'found log' },
  { why: 'argument 6', filter: withTest(badArg), message: 'case 0: expected an argument from 0 to 5' },
  {
    why: 'a negative value',
    filter: withTest({ arg: 0, is: 'equal', value: -100n }),
    message: 'expected an unsigned 64-bit number, found -100',
  },
  {
    why: 'a value of 65 bits',
    filter: withTest({ arg: 0, is: 'equal', value: 1n << 64n }),
    message: 'value for argument 0',
  },
  {
    why: 'a mask of 65 bits',
    filter: withTest({ arg: 0, is: 'masked', mask: 1n << 64n, value: 0n }),
    message: 'mask for argument 0',
  },
  {
    why: 'a test that never holds',
    filter: withTest({ arg: 0, is: 'masked', mask: 1n, value: 2n }),
    message: 'a value within the mask 0x1, found 0x2',
  },
])('$why is an error', ({ filter, message }) => {
  expect(() => compile(filter)).toThrow(message)
  expect(() => compile(filter, { optimize: 'linear' })).toThrow(BpfError)
})

describe('a BpfError', () => {
  test('belongs to the family and carries its parts', () => {
    const error = new BpfError('rules[3]', 'an errno', '0')
    expect(error).toBeInstanceOf(SeccompPoolError)
    expect(error).toMatchObject({ code: 'VITEST_SECCOMP_BPF', at: 'rules[3]', expected: 'an errno', found: '0' })
    expect(error.message).toBe('rules[3]: expected an errno, found 0')
  })
})

test('the good filter that all others are made from is none', () => {
  expect(() => compile(good)).not.toThrow()
})
