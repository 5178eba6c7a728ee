import { describe, expect, test } from 'vitest'
import { SKIPPED_SYSCALL, X32_SYSCALL_BIT, type Arch } from '../../src/abi/arch.js'
import { Errno } from '../../src/abi/errno.js'
import { syscallNumber, type SyscallName } from '../../src/abi/syscalls.js'
import { compile } from '../../src/bpf/compile.js'
import { evaluate, seccompData, type Filter, type SyscallRule } from '../../src/bpf/rules.js'
import { call, errnoOf, install, native, run, UNASSIGNED } from './confined.js'
import { INVALID, VALID } from './programs.js'

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
