import * as fc from 'fast-check'
import { ARCHES, AUDIT_ARCH, SKIPPED_SYSCALL, X32_SYSCALL_BIT, type Arch } from '../../src/abi/arch.js'
import type { Action, ArgIndex, ArgTest, Filter, FilterCase, SeccompData, SyscallRule } from '../../src/bpf/rules.js'

const MAX_REGISTER = 0xffff_ffff_ffff_ffffn

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.constantFrom<Action>('allow', 'notify', 'kill-process'),
  // Few errnos, so that neighbours with the same action are common; and the ends of the range.
  fc.constantFrom(1, 2, 13, 4095).map((errno) => ({ errno })),
)

/** Registers as programs fill them: small numbers, sign-extended ones, edges of either half, anything. */
const register: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt(0n, 8n),
  fc.constantFrom(0n, 0xffff_ffffn, 0x1_0000_0000n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, MAX_REGISTER),
  fc.bigInt(0n, MAX_REGISTER),
)

const argIndex = fc.constantFrom<ArgIndex>(0, 1, 2, 3, 4, 5)

const argTest: fc.Arbitrary<ArgTest> = fc.oneof(
  fc.record({ arg: argIndex, is: fc.constant('equal' as const), value: register }),
  fc
    .record({ arg: argIndex, mask: register, value: register })
    .map(({ arg, mask, value }) => ({ arg, is: 'masked' as const, mask, value: value & mask })),
)

const filterCase: fc.Arbitrary<FilterCase> = fc.record({ all: fc.array(argTest, { maxLength: 3 }), action })

/** Dense numbers, so that ranges touch; far ones; the last that a rule may have. */
const number = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.integer({ min: 0, max: 500 }),
  fc.constantFrom(X32_SYSCALL_BIT - 1, X32_SYSCALL_BIT - 2),
)

const rule: fc.Arbitrary<SyscallRule> = fc.record({
  number,
  cases: fc.array(filterCase, { maxLength: 4 }),
  otherwise: action,
})

export interface FilterSize {
  readonly minRules?: number
  readonly maxRules?: number
}

/** Filters without mistakes. */
export function filters({ minRules = 0, maxRules = 24 }: FilterSize = {}): fc.Arbitrary<Filter> {
  return fc.record(
    {
      arch: fc.constantFrom(...ARCHES),
      rules: fc.uniqueArray(rule, { selector: (one) => one.number, minLength: minRules, maxLength: maxRules }),
      otherwise: action,
      foreign: action,
    },
    { requiredKeys: ['arch', 'rules', 'otherwise'] },
  )
}

/** The values of a register at which a test changes its mind, and some bits beside. */
export function boundaries(test: ArgTest): readonly bigint[] {
  const mask = test.is === 'equal' ? MAX_REGISTER : test.mask
  const bits = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit))
  const flipped = bits.map((bit) => test.value ^ bit)
  const beside = [test.value, test.value | (~mask & MAX_REGISTER), test.value - 1n, test.value + 1n]
  // The same low half under another high half, and the other way round: what a 32-bit comparison would confuse.
  const halves = [test.value & 0xffff_ffffn, test.value & 0xffff_ffff_0000_0000n, test.value | 0xffff_ffff_0000_0000n]
  return [...beside, ...halves, ...flipped].map((value) => BigInt.asUintN(64, value))
}

/** Calls that a filter has an opinion about: its own numbers and their neighbours, its own arguments' boundaries. */
export function calls(filter: Filter): fc.Arbitrary<SeccompData> {
  const numbers = filter.rules.flatMap((one) => [one.number - 1, one.number, one.number + 1]).filter((nr) => nr >= 0)
  const special = [0, X32_SYSCALL_BIT, X32_SYSCALL_BIT | 1, 0x7fffffff, 0x80000000, 0xfffffffe, SKIPPED_SYSCALL]
  const nr = fc.oneof(
    { arbitrary: fc.constantFrom(...numbers, ...special), weight: 8 },
    { arbitrary: fc.integer({ min: 0, max: 0xffffffff }), weight: 1 },
  )
  return nr.chain((chosen) => {
    const tests = filter.rules.find((one) => one.number === chosen)?.cases.flatMap(({ all }) => all) ?? []
    return fc.record({
      nr: fc.constant(chosen),
      arch: architecture(filter.arch),
      instructionPointer: register,
      args: fc.tuple(...([0, 1, 2, 3, 4, 5] as const).map((arg) => argument(tests, arg))),
    })
  })
}

function argument(tests: readonly ArgTest[], arg: ArgIndex): fc.Arbitrary<bigint> {
  const values = tests.filter((test) => test.arg === arg).flatMap(boundaries)
  const matching = tests.filter((test) => test.arg === arg).map(({ value }) => value)
  if (values.length === 0) return register
  return fc.oneof(
    { arbitrary: fc.constantFrom(...matching), weight: 4 },
    { arbitrary: fc.constantFrom(...values), weight: 4 },
    { arbitrary: register, weight: 1 },
  )
}

function architecture(native: Arch): fc.Arbitrary<number> {
  // AUDIT_ARCH_I386, include/uapi/linux/audit.h: what `int 0x80` on x64 shows.
  const foreign = fc.constantFrom(AUDIT_ARCH.x64, AUDIT_ARCH.arm64, 0x40000003, 0, 0xffffffff)
  return fc.oneof({ arbitrary: fc.constant(AUDIT_ARCH[native]), weight: 12 }, { arbitrary: foreign, weight: 1 })
}

/** A filter and calls for it. */
export function filtersWithCalls(size?: FilterSize): fc.Arbitrary<{
  readonly filter: Filter
  readonly data: readonly SeccompData[]
}> {
  return filters(size).chain((filter) =>
    fc.record({ filter: fc.constant(filter), data: fc.array(calls(filter), { minLength: 1, maxLength: 40 }) }),
  )
}
