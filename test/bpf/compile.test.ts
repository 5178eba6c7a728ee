import { describe, expect, test } from 'vitest'
import { SKIPPED_SYSCALL, X32_SYSCALL_BIT } from '../../src/abi/arch.js'
import { compile } from '../../src/bpf/compile.js'
import { MAX_INSTRUCTIONS, OP } from '../../src/bpf/instruction.js'
import {
  evaluate,
  sameAction,
  seccompData,
  type Action,
  type ArgTest,
  type Filter,
  type SyscallRule,
} from '../../src/bpf/rules.js'
import { simulate } from '../../src/bpf/simulate.js'
import { boundaries } from './arbitraries.js'

const always = (number: number, otherwise: Action): SyscallRule => ({ number, cases: [], otherwise })
const refuse: Filter = { arch: 'x64', rules: [], otherwise: { errno: 38 } }

/** Alternating actions: nothing can be merged. */
function longFilter(count: number, cases: SyscallRule['cases'] = []): Filter {
  const rules = Array.from({ length: count }, (_, index) => ({
    number: 1000 + index,
    cases,
    otherwise: { errno: 1 + (index % 7) },
  }))
  return { arch: 'x64', rules, otherwise: 'allow' }
}

describe('who is killed', () => {
  const filter: Filter = { arch: 'x64', rules: [always(0, 'allow')], otherwise: { errno: 38 } }
  const program = compile(filter)
  const ask = (nr: number, arch: 'x64' | 'arm64' = 'x64'): Action => simulate(program, seccompData(arch, nr)).action

  test('a foreign architecture, whatever the number', () => {
    expect(ask(0, 'arm64')).toBe('kill-process')
    expect(ask(SKIPPED_SYSCALL, 'arm64')).toBe('kill-process')
  })

  test('x32 numbers, and what lies between them and -1', () => {
    for (const nr of [X32_SYSCALL_BIT, X32_SYSCALL_BIT + 257, 0x7fffffff, 0xc0000000, 0xfffffffe]) {
      expect(ask(nr)).toBe('kill-process')
    }
  })

  test('not -1, which is a skipped call, and not negative numbers without the bit', () => {
    expect(ask(-1)).toEqual({ errno: 38 })
    expect(ask(0x80000000)).toEqual({ errno: 38 })
  })

  test('nobody, if the filter says what else to do', () => {
    const told = compile({ ...filter, foreign: 'notify' })
    for (const data of [seccompData('arm64', 0), seccompData('x64', X32_SYSCALL_BIT + 2)])
      expect(simulate(told, data).action).toBe('notify')
    expect(simulate(told, seccompData('x64', -1)).action).toEqual({ errno: 38 })
  })

  test('not on arm64, which has no x32', () => {
    const arm = compile({ ...filter, arch: 'arm64' })
    expect(simulate(arm, seccompData('arm64', X32_SYSCALL_BIT)).action).toEqual({ errno: 38 })
  })
})

describe('arguments', () => {
  const tests: readonly ArgTest[] = [
    { arg: 0, is: 'equal', value: 0n },
    { arg: 3, is: 'equal', value: 0x5412n },
    { arg: 5, is: 'equal', value: 0xffff_ffff_ffff_ff9cn },
    { arg: 1, is: 'masked', mask: 0xffff_ffffn, value: 0x5412n },
    { arg: 2, is: 'masked', mask: 0xffff_ffff_0000_0000n, value: 0x1_0000_0000n },
    { arg: 4, is: 'masked', mask: 0x8000_0000_0000_0001n, value: 1n },
    { arg: 4, is: 'masked', mask: 0n, value: 0n },
  ]

  test.each(tests)('argument $arg $is $value at all of its boundaries', (one) => {
    const rules = [{ number: 16, cases: [{ all: [one], action: 'allow' as const }], otherwise: { errno: 1 } }]
    const filter: Filter = { ...refuse, rules }
    for (const optimize of ['search', 'linear'] as const) {
      const program = compile(filter, { optimize })
      for (const value of boundaries(one)) {
        const call = seccompData(
          'x64',
          16,
          Array.from({ length: 6 }, (_, index) => (index === one.arg ? value : 7n)),
        )
        expect(simulate(program, call).action, `0x${value.toString(16)}`).toEqual(evaluate(filter, call))
      }
    }
  })

  test('the high half counts: a pointer is not equal to its low half', () => {
    const cases = [{ all: [{ arg: 1, is: 'equal', value: 0x5401n } as const], action: 'allow' as const }]
    const program = compile({ ...refuse, rules: [{ number: 16, cases, otherwise: { errno: 25 } }] })
    expect(simulate(program, seccompData('x64', 16, [0n, 0x5401n])).action).toBe('allow')
    expect(simulate(program, seccompData('x64', 16, [0n, 0x1_0000_5401n])).action).toEqual({ errno: 25 })
  })

  test('the first case that matches wins', () => {
    const first = { all: [{ arg: 0, is: 'masked', mask: 1n, value: 1n } as const], action: { errno: 1 } }
    const second = { all: [{ arg: 0, is: 'equal', value: 3n } as const], action: { errno: 2 } }
    const program = compile({ ...refuse, rules: [{ number: 0, cases: [first, second], otherwise: { errno: 3 } }] })
    expect(simulate(program, seccompData('x64', 0, [3n])).action).toEqual({ errno: 1 })
    expect(simulate(program, seccompData('x64', 0, [2n])).action).toEqual({ errno: 3 })
  })
})

describe('cost', () => {
  test('the number of steps grows with the logarithm of the number of rules', () => {
    for (const count of [1, 10, 100, 1000]) {
      const filter = longFilter(count)
      const program = compile(filter)
      const steps = filter.rules.map(({ number }) => simulate(program, seccompData('x64', number)).steps)
      // 4 for the head, one for the return, one for a jump that had to be bridged.
      expect(Math.max(...steps)).toBeLessThanOrEqual(6 + Math.ceil(Math.log2(2 * count + 1)))
    }
  })

  test('neighbours with one action are one range', () => {
    const rules = Array.from({ length: 300 }, (_, number) => always(number, 'allow'))
    // Head, one comparison, two returns and the kill.
    expect(compile({ ...refuse, rules })).toHaveLength(5 + 1 + 3)
  })

  test('cases that cannot matter load no argument', () => {
    const same = { all: [{ arg: 0, is: 'equal', value: 1n } as const], action: 'allow' as const }
    const program = compile({ ...refuse, rules: [{ number: 0, cases: [same], otherwise: 'allow' }] })
    expect(program.filter(({ code }) => code === OP.load)).toHaveLength(2)
  })
})

describe('long programs', () => {
  const blocks = [{ all: [{ arg: 0, is: 'equal', value: 1n } as const], action: 'notify' as const }]

  test.each([{ count: 254 }, { count: 255 }, { count: 256 }, { count: 257 }, { count: 900 }, { count: 1800 }])(
    '$count rules, each reached',
    ({ count }) => {
      const filter = longFilter(count, blocks)
      for (const optimize of ['search', 'linear'] as const) {
        const program = compile(filter, { optimize })
        const calls = Array.from({ length: 2 * (count + 2) }, (_, index) =>
          seccompData('x64', 999 + (index >> 1), [BigInt(index & 1)]),
        )
        const wrong = calls.filter((call) => !sameAction(simulate(program, call).action, evaluate(filter, call)))
        expect(wrong).toEqual([])
      }
    },
  )

  test('the linear form needs stepping stones', () => {
    const program = compile(longFilter(1500), { optimize: 'linear' })
    expect(program.filter(({ code }) => code === OP.return).length).toBeGreaterThan(8)
  })

  test(`more than ${MAX_INSTRUCTIONS} instructions are an error`, () => {
    expect(() => compile(longFilter(5000))).toThrow(/at most 4096 instructions/)
  })
})
