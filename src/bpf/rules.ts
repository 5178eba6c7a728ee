import { AUDIT_ARCH, isForeign, type Arch } from '../abi/arch.js'
import { errnoName } from '../abi/errno.js'

/**
 * The filter language. A filter answers every system call with one action:
 *
 *   filter    = for one architecture: rules, otherwise an action
 *   rule      = for one number: cases, otherwise an action        (the first case that matches wins)
 *   case      = all of these tests hold: an action                (no tests: it always matches)
 *   test      = an argument equals a value | an argument masked equals a value
 *
 * A test compares an argument as a whole 64-bit register, unsigned: if it ignored the high half of a pointer or a
 * `long`, it would allow too much. The kernel itself reads only the low half of an `int` argument, so to the kernel a
 * value with other high bits is the same call. To compare only the low 32 bits, use a mask.
 */
export type Action = 'allow' | 'notify' | 'kill-process' | { readonly errno: number }

export type ArgIndex = 0 | 1 | 2 | 3 | 4 | 5

export type ArgTest =
  | { readonly arg: ArgIndex; readonly is: 'equal'; readonly value: bigint }
  | { readonly arg: ArgIndex; readonly is: 'masked'; readonly mask: bigint; readonly value: bigint }

export interface FilterCase {
  readonly all: readonly ArgTest[]
  readonly action: Action
}

export interface SyscallRule {
  readonly number: number
  readonly cases: readonly FilterCase[]
  readonly otherwise: Action
}

export interface Filter {
  readonly arch: Arch
  readonly rules: readonly SyscallRule[]
  readonly otherwise: Action
  /** The action for calls of a foreign ABI, whose numbers mean other calls. Default: `kill-process`. */
  readonly foreign?: Action
}

/** The input of a filter: struct seccomp_data, include/uapi/linux/seccomp.h. */
export interface SeccompData {
  /** The number as u32: -1 is 0xffffffff. */
  readonly nr: number
  /** An AUDIT_ARCH_* value. */
  readonly arch: number
  readonly instructionPointer: bigint
  /** Six registers; a missing one is 0. */
  readonly args: readonly bigint[]
}

/** A system call as the kernel shows it to a filter. */
export function seccompData(arch: Arch, nr: number, args: readonly bigint[] = []): SeccompData {
  return { nr: nr >>> 0, arch: AUDIT_ARCH[arch], instructionPointer: 0n, args }
}

/**
 * The action of a filter, found without compiling it. No rule holds for a foreign architecture, because its numbers
 * mean other calls (seccomp(2), "Caveats"; on x64 that is `int 0x80`), nor for x32, whose numbers carry a bit of their
 * own.
 *
 * One number has that bit and is no x32 call: -1. A debugger or tracer writes it to skip a call, and the filter then
 * sees it (ptrace runs before seccomp since Linux 4.8; seccomp(2), SECCOMP_RET_TRACE). The kernel runs nothing for -1,
 * so it is no way around the filter, and killing would end a worker under a debugger: it gets `otherwise`.
 */
export function evaluate(filter: Filter, data: SeccompData): Action {
  const nr = data.nr >>> 0
  if (isForeign(filter.arch, data.arch, nr)) return foreignAction(filter)
  const rule = filter.rules.find(({ number }) => number === nr)
  if (rule === undefined) return filter.otherwise
  const matching = rule.cases.find(({ all }) => all.every((test) => holds(test, data.args[test.arg] ?? 0n)))
  return matching?.action ?? rule.otherwise
}

export function foreignAction({ foreign = 'kill-process' }: Filter): Action {
  return foreign
}

/** True if a test holds for a register's value. */
export function holds(test: ArgTest, register: bigint): boolean {
  return test.is === 'equal' ? register === test.value : (register & test.mask) === test.value
}

/** The name of an action: `allow`, `notify`, `kill-process`, `EACCES`. Equal actions have equal names. */
export function actionName(action: Action): string {
  return typeof action === 'string' ? action : errnoName(action.errno)
}

export function sameAction(a: Action, b: Action): boolean {
  return typeof a === 'string' || typeof b === 'string' ? a === b : a.errno === b.errno
}
