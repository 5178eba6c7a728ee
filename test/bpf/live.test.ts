import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isArch, SKIPPED_SYSCALL, X32_SYSCALL_BIT, type Arch } from '../../src/abi/arch.js'
import { Errno } from '../../src/abi/errno.js'
import { syscallNumber, type SyscallName } from '../../src/abi/syscalls.js'
import { compile } from '../../src/bpf/compile.js'
import { encode, type Program } from '../../src/bpf/instruction.js'
import { evaluate, seccompData, type Action, type Filter, type SyscallRule } from '../../src/bpf/rules.js'
import { boundaries, filters } from './arbitraries.js'
import { INVALID, VALID } from './programs.js'

type Step = { readonly install: string } | { readonly call: readonly string[] }

const install = (program: Program): Step => ({ install: encode(program).toString('hex') })
const call = (nr: number, args: readonly bigint[] = []): Step => ({ call: [nr, ...args].map(String) })

/** Performs the steps in a process of its own: a filter stays for as long as its process lives. */
function run(steps: readonly Step[]): { readonly errnos: readonly number[]; readonly signal: string | null } {
  const child = spawnSync(process.execPath, [fileURLToPath(new URL('confined-child.cjs', import.meta.url))], {
    input: JSON.stringify(steps),
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  if (child.error !== undefined) throw child.error
  if (child.signal !== null) return { errnos: [], signal: child.signal }
  if (child.status !== 0) throw new Error(child.stderr)
  // The cast: what confined-child.cjs prints.
  return { errnos: JSON.parse(child.stdout) as number[], signal: null }
}

/** No killing: the process must live to tell what it saw. */
function tame(action: Action): Action {
  return action === 'kill-process' ? { errno: 77 } : action
}

/** What a call answers whose number no kernel has. A notification without a listener is ENOSYS as well. */
function errnoOf(action: Action): number {
  return typeof action === 'string' ? Errno.ENOSYS : action.errno
}

/** Beyond all system calls: there a filter's answer is all that can happen. */
const UNASSIGNED = 1000

const native: Arch | undefined = process.platform === 'linux' && isArch(process.arch) ? process.arch : undefined

describe.skipIf(native === undefined)('in a process (skipped where the system is not Linux on x64 or arm64)', () => {
  const arch: Arch = native ?? 'x64'
  const numberOf = (name: SyscallName): number => syscallNumber(arch, name) ?? -1
  const getppid = numberOf('getppid')
  const getpgid = numberOf('getpgid')

  test('errnos take effect, by number and by argument', () => {
    const filter: Filter = {
      arch,
      otherwise: 'allow',
      rules: [
        { number: getppid, cases: [], otherwise: { errno: Errno.EXDEV } },
        {
          number: getpgid,
          cases: [{ all: [{ arg: 0, is: 'equal', value: 0n }], action: 'allow' }],
          otherwise: { errno: 4095 },
        },
      ],
    }
    const steps = [
      call(getppid),
      install(compile(filter)),
      call(getppid),
      call(getpgid, [0n]),
      call(getpgid, [1n]),
      // The kernel would take this for pid 0, as it reads only the low half: the filter must not.
      call(getpgid, [0x1_0000_0000n]),
    ]
    expect(run(steps).errnos).toEqual([0, 0, Errno.EXDEV, 0, 4095, 4095])
  })

  test('a program of more than 2000 instructions with long jumps does what its filter means', () => {
    const rules = Array.from({ length: 500 }, (_, index): SyscallRule => ({
      number: UNASSIGNED + index,
      cases: [{ all: [{ arg: 2, is: 'equal', value: BigInt(index) }], action: { errno: 1 + (index % 30) } }],
      otherwise: { errno: 40 + (index % 50) },
    }))
    for (const optimize of ['search', 'linear'] as const) {
      const filter: Filter = { arch, rules, otherwise: 'allow' }
      const program = compile(filter, { optimize })
      expect(program.length).toBeGreaterThan(2000)
      const asked = rules.flatMap(({ number }, index) =>
        [0n, 1n, 1n << 32n].map((more) => ({ number, args: [0n, 0n, BigInt(index) + more] })),
      )
      const { errnos } = run([install(program), ...asked.map(({ number, args }) => call(number, args))])
      const meant = asked.map(({ number, args }) => errnoOf(evaluate(filter, seccompData(arch, number, args))))
      expect(errnos).toEqual([0, ...meant])
    }
  })

  test('the kernel answers as evaluate does, for random filters', () => {
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
    fc.assert(
      fc.property(distinct, (filter) => {
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
      }),
      { numRuns: 8 },
    )
  })

  test('kill-process kills', () => {
    const filter: Filter = {
      arch,
      rules: [{ number: UNASSIGNED, cases: [], otherwise: 'kill-process' }],
      otherwise: 'allow',
    }
    expect(run([install(compile(filter)), call(UNASSIGNED)]).signal).toBe('SIGSYS')
  })

  test.skipIf(arch !== 'x64')('x32 is killed, -1 is not (skipped where there is no x32: on arm64)', () => {
    const filter: Filter = { arch, rules: [], otherwise: 'allow' }
    expect(run([install(compile(filter)), call(X32_SYSCALL_BIT + getppid)]).signal).toBe('SIGSYS')
    const skipped = run([install(compile(filter)), call(SKIPPED_SYSCALL | 0)])
    expect(skipped).toEqual({ errnos: [0, Errno.ENOSYS], signal: null })
  })

  test('the kernel refuses what checkProgram refuses, and takes what it takes', () => {
    const { errnos } = run([...INVALID, ...VALID].map(({ program }) => install(program)))
    expect(errnos).toEqual([...INVALID.map(() => Errno.EINVAL), ...VALID.map(() => 0)])
  })
})
