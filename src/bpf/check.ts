import { X32_SYSCALL_BIT } from '../abi/arch.js'
import { MAX_ERRNO } from '../abi/errno.js'
import { BpfError } from './errors.js'
import { foreignAction, type Action, type ArgTest, type Filter } from './rules.js'

const MAX_REGISTER = 0xffff_ffff_ffff_ffffn

/** Throws a BpfError for the first mistake in a filter that the types cannot rule out. */
export function checkFilter(filter: Filter): void {
  checkAction(filter.otherwise, 'otherwise')
  checkAction(foreignAction(filter), 'foreign')
  const seen = new Map<number, number>()
  for (const [index, rule] of filter.rules.entries()) {
    const at = `rules[${index}] (number ${rule.number})`
    checkNumber(rule.number, at)
    const first = seen.get(rule.number)
    // With two rules for one number, the order would decide which one wins.
    if (first !== undefined) throw new BpfError(at, 'one rule for each number', `rules[${first}] for the same number`)
    seen.set(rule.number, index)
    checkAction(rule.otherwise, `${at}, otherwise`)
    for (const [position, { all, action }] of rule.cases.entries()) {
      checkAction(action, `${at}, case ${position}`)
      for (const test of all) checkTest(test, `${at}, case ${position}`)
    }
  }
}

function checkNumber(number: number, at: string): void {
  // From this bit on a number is x32's (killed) or -1 (never a call): a rule for it could not take effect.
  if (Number.isInteger(number) && number >= 0 && number < X32_SYSCALL_BIT) return
  throw new BpfError(at, `a system call number from 0 to ${X32_SYSCALL_BIT - 1}`, String(number))
}

function checkAction(action: Action, at: string): void {
  if (typeof action === 'string') {
    if (action === 'allow' || action === 'notify' || action === 'kill-process') return
    throw new BpfError(at, "'allow', 'notify', 'kill-process' or an errno", String(action))
  }
  // Errno 0 would make a refused call look successful; above MAX_ERRNO the kernel would cut it.
  const { errno } = action
  if (Number.isInteger(errno) && errno >= 1 && errno <= MAX_ERRNO) return
  throw new BpfError(at, `an errno from 1 to ${MAX_ERRNO}`, String(errno))
}

function checkTest(test: ArgTest, at: string): void {
  if (!Number.isInteger(test.arg) || test.arg < 0 || test.arg > 5) {
    throw new BpfError(at, 'an argument from 0 to 5', String(test.arg))
  }
  checkRegister(test.value, `${at}, value for argument ${test.arg}`)
  if (test.is === 'equal') return
  checkRegister(test.mask, `${at}, mask for argument ${test.arg}`)
  if ((test.value & ~test.mask) !== 0n) {
    throw new BpfError(at, `a value within the mask 0x${test.mask.toString(16)}`, `0x${test.value.toString(16)}`)
  }
}

function checkRegister(value: bigint, at: string): void {
  if (value >= 0n && value <= MAX_REGISTER) return
  throw new BpfError(at, 'an unsigned 64-bit number', String(value))
}
