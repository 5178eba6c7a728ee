/**
 * The worker's filter, derived from the lists: the baseline is allowed; the table and everything unknown go to the
 * broker.
 */
import type { Arch } from '../abi/arch.js'
import { Errno } from '../abi/errno.js'
import { syscallNumber } from '../abi/syscalls.js'
import type { ArgTest, Filter, FilterCase, SyscallRule } from '../bpf/rules.js'
import { BASELINE, ENTRY, IMMEDIATE, type Condition, type WorkerFilter } from './baseline.js'

/**
 * The part that keeps other processes' descriptors from coming in over a unix socket: the kernel, by SO_PASSRIGHTS
 * (Linux 6.16), or the broker, which then receives for the worker. `none`: the broker cannot reach a worker's sockets,
 * because pidfd_getfd(2) is forbidden, so a worker can have none.
 */
export type Reception = 'kernel' | 'broker' | 'none'

/** Chooses the filter of a worker. With `opensNetwork`, sockets that nothing could decide on are let through. */
export function filterFor(reception: Reception, opensNetwork: boolean): WorkerFilter {
  switch (reception) {
    case 'kernel':
      return 'worker'
    case 'broker':
      return 'receiving'
    case 'none':
      return opensNetwork ? 'networked' : 'socketless'
    default:
      return reception satisfies never
  }
}

/**
 * Makes the filter of a worker. An unlisted number goes to the broker as well, and so does a call of a foreign ABI: the
 * broker refuses and records both. It would hear nothing of a child that the filter itself kills.
 */
export function workerFilter(arch: Arch, kind: WorkerFilter = 'worker'): Filter {
  const rules = new Map<number, SyscallRule>()
  for (const { names, when, only } of BASELINE) {
    if (only?.includes(kind) === false) continue
    for (const name of names) {
      const number = syscallNumber(arch, name)
      if (number === undefined) continue
      const cases = when === undefined ? [] : allOf(when)
      // Any of its groups lets a name through.
      const known = rules.get(number)
      rules.set(number, {
        number,
        cases: [...(known?.cases ?? []), ...cases],
        otherwise: when === undefined ? 'allow' : 'notify',
      })
    }
  }
  for (const { name, errno } of IMMEDIATE) {
    const number = syscallNumber(arch, name)
    if (number !== undefined) rules.set(number, { number, cases: [], otherwise: { errno } })
  }
  return { arch, rules: [...rules.values()], otherwise: 'notify', foreign: 'notify' }
}

/** `workerFilter` for a kernel without SO_PASSRIGHTS. */
export function receivingFilter(arch: Arch): Filter {
  return workerFilter(arch, 'receiving')
}

/** `workerFilter` for machines where the broker cannot reach a worker's sockets: the worker can have none. */
export function socketlessFilter(arch: Arch): Filter {
  return workerFilter(arch, 'socketless')
}

/** `workerFilter` for the same machines, with sockets left alone. */
export function networkedFilter(arch: Arch): Filter {
  return workerFilter(arch, 'networked')
}

/**
 * Ends what `socketless` and `networked` let a worker do before any code of the user's runs: ENTRY. The strictest of
 * two filters counts: seccomp(2).
 */
export function sealFilter(arch: Arch): Filter {
  const rules: SyscallRule[] = []
  for (const { name, when } of ENTRY) {
    const number = syscallNumber(arch, name)
    if (number !== undefined)
      rules.push({
        number,
        cases: allOf(when).map(({ all }) => ({ all, action: { errno: Errno.EPERM } })),
        otherwise: 'allow',
      })
  }
  // What the other filter does with a foreign ABI counts.
  return { arch, rules, otherwise: 'allow', foreign: 'allow' }
}

/**
 * The filter that a spawner thread puts on itself, so that its children are born without a ring. It kills nobody for a
 * foreign ABI, because the worker's own filter has to tell; `notify` means ENOSYS until there is one: seccomp(2).
 */
export function spawnerFilter(arch: Arch): Filter {
  const number = syscallNumber(arch, 'io_uring_setup')
  const rules: SyscallRule[] = number === undefined ? [] : [{ number, cases: [], otherwise: { errno: 38 } }]
  return { arch, rules, otherwise: 'allow', foreign: 'notify' }
}

/** Combines conditions. Each offers alternatives; a case is one choice from each. */
function allOf(conditions: readonly Condition[]): FilterCase[] {
  const choices = conditions.reduce<ArgTest[][]>(
    (sofar, condition) => sofar.flatMap((tests) => alternatives(condition).map((test) => [...tests, test])),
    [[]],
  )
  return choices.map((all) => ({ all, action: 'allow' }))
}

function alternatives(condition: Condition): ArgTest[] {
  const { arg } = condition
  if ('among' in condition) return condition.among.map((value) => ({ arg, is: 'equal', value: BigInt(value) }))
  return [{ arg, is: 'masked', mask: BigInt(condition.without >>> 0), value: 0n }]
}
