import * as fc from 'fast-check'
import { expect } from 'vitest'
import { compile } from '../../src/bpf/compile.js'
import { MAX_BRANCH } from '../../src/bpf/instruction.js'
import { evaluate, type Filter, type SeccompData } from '../../src/bpf/rules.js'
import { isConstantAllow, simulate } from '../../src/bpf/simulate.js'
import {
  networkedFilter,
  receivingFilter,
  sealFilter,
  socketlessFilter,
  spawnerFilter,
  workerFilter,
} from '../../src/syscalls/filter.js'
import { law } from '../laws/law.js'
import { calls, filters, filtersWithCalls } from './arbitraries.js'

const FORMS = ['search', 'linear'] as const

function meansTheSame(filter: Filter, data: readonly SeccompData[]): void {
  for (const optimize of FORMS) {
    const program = compile(filter, { optimize })
    for (const call of data) expect(simulate(program, call).action).toEqual(evaluate(filter, call))
  }
}

law(
  'a program does what its filter means, searching and linear',
  { cases: 400 },
  [filtersWithCalls()],
  ({ filter, data }) => meansTheSame(filter, data),
)

law(
  'and so it does with jumps beyond 255',
  { cases: 60 },
  [filtersWithCalls({ minRules: 100, maxRules: 160 })],
  ({ filter, data }) => {
    expect(Math.min(...FORMS.map((optimize) => compile(filter, { optimize }).length))).toBeGreaterThan(MAX_BRANCH)
    meansTheSame(filter, data)
  },
)

const ours = (['x64', 'arm64'] as const)
  .flatMap((arch) => [
    workerFilter(arch),
    receivingFilter(arch),
    socketlessFilter(arch),
    networkedFilter(arch),
    sealFilter(arch),
    spawnerFilter(arch),
  ])
  .map((filter) => ({ filter, programs: FORMS.map((optimize) => compile(filter, { optimize })), calls: calls(filter) }))
const ourCalls = fc.constantFrom(...ours.keys()).chain((which) =>
  fc.record({
    which: fc.constant(which),
    data: fc.array(ours[which]?.calls ?? fc.constant(undefined), { minLength: 1, maxLength: 40 }),
  }),
)

law(
  'the filters that are installed do what they mean, for any number, architecture and register',
  { cases: 400 },
  [ourCalls],
  ({ which, data }) => {
    const { filter, programs } = ours[which] ?? { programs: [] }
    for (const call of data) {
      if (filter === undefined || call === undefined) throw new Error('no such filter')
      for (const program of programs) expect(simulate(program, call).action).toEqual(evaluate(filter, call))
    }
  },
)

const shuffled = filters().chain((filter) =>
  fc.tuple(fc.constant(filter), fc.shuffledSubarray([...filter.rules], { minLength: filter.rules.length })),
)

law('the order of the rules of a filter does not matter', { cases: 100 }, [shuffled], ([filter, rules]) => {
  expect(compile({ ...filter, rules })).toEqual(compile(filter))
})

law(
  'a number that is allowed whatever its arguments is allowed without running the filter',
  { cases: 200 },
  [filters()],
  (filter) => {
    const program = compile(filter)
    for (const { number, cases, otherwise } of filter.rules) {
      const unconditional = cases.length === 0 && otherwise === 'allow'
      if (unconditional) expect(isConstantAllow(program, filter.arch, number)).toBe(true)
      const neverAllowed = otherwise !== 'allow' && cases.every(({ action }) => action !== 'allow')
      if (neverAllowed) expect(isConstantAllow(program, filter.arch, number)).toBe(false)
    }
  },
)
