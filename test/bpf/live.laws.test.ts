import { describe, expect } from 'vitest'
import type { Arch } from '../../src/abi/arch.js'
import { compile } from '../../src/bpf/compile.js'
import { evaluate, seccompData, type Action, type Filter } from '../../src/bpf/rules.js'
import { law } from '../laws/law.js'
import { boundaries, filters } from './arbitraries.js'
import { call, errnoOf, install, native, run, UNASSIGNED } from './confined.js'

/** No killing: the process must live to tell what it saw. */
function tame(action: Action): Action {
  return action === 'kill-process' ? { errno: 77 } : action
}

describe.skipIf(native === undefined)('in a process (skipped where the system is not Linux on x64 or arm64)', () => {
  const arch: Arch = native ?? 'x64'
  const tameFilters = filters({ minRules: 8, maxRules: 40 }).map(({ rules }): Filter => ({
    arch,
    otherwise: 'allow',
    rules: rules.map(({ number, cases, otherwise }) => ({
      number: UNASSIGNED + (number % 100_000),
      cases: cases.map(({ all, action }) => ({ all, action: tame(action) })),
      otherwise: tame(otherwise),
    })),
  }))
  const distinct = tameFilters.filter(({ rules }) => new Set(rules.map(({ number }) => number)).size === rules.length)

  law('the kernel answers as the filter means', { cases: 8 }, [distinct], (filter) => {
    const asked = filter.rules.flatMap(({ number, cases }) => [
      { number, args: [] },
      ...cases.flatMap(({ all }) => {
        const matching = Array.from({ length: 6 }, (_, arg) => all.find((one) => one.arg === arg)?.value ?? 0n)
        const beside = all.flatMap((one) =>
          boundaries(one)
            .slice(0, 12)
            .map((value) => matching.map((other, arg) => (arg === one.arg ? value : other))),
        )
        return [matching, ...beside].map((args) => ({ number, args }))
      }),
    ])
    const { errnos } = run([install(compile(filter)), ...asked.map(({ number, args }) => call(number, args))])
    const meant = asked.map(({ number, args }) => errnoOf(evaluate(filter, seccompData(arch, number, args))))
    expect(errnos).toEqual([0, ...meant])
  })
})
