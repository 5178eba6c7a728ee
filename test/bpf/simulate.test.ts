import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_ERRNO } from '../../src/abi/errno.js'
import { checkProgram } from '../../src/bpf/check-program.js'
import { compile } from '../../src/bpf/compile.js'
import { BpfError } from '../../src/bpf/errors.js'
import { decode, encode, OP } from '../../src/bpf/instruction.js'
import { actionOf, returnValue } from '../../src/bpf/return-value.js'
import { seccompData } from '../../src/bpf/rules.js'
import { isConstantAllow, simulate } from '../../src/bpf/simulate.js'
import { filters } from './arbitraries.js'
import { ALLOW, ins, INVALID, VALID } from './programs.js'

describe('validity', () => {
  test.each(INVALID)('$why is refused', ({ program }) => {
    expect(() => checkProgram(program)).toThrow(BpfError)
    expect(() => simulate(program, seccompData('x64', 0))).toThrow(BpfError)
  })

  test.each(VALID)('$why is taken', ({ program }) => {
    expect(simulate(program, seccompData('x64', 0)).action).toBe('allow')
  })
})

test.each([
  { why: 'a branch of 256', wide: ins(OP.jumpEqual, 0, 256, 0) },
  { why: 'a negative branch', wide: ins(OP.jumpEqual, 0, 0, -1) },
  { why: 'a constant of 33 bits', wide: ins(OP.and, 0x1_0000_0000) },
  { why: 'a negative constant', wide: ins(OP.and, -1) },
])('$why does not fit into the bytes of a program', ({ wide }) => {
  const program = [wide, ...Array.from({ length: 300 }, () => ALLOW)]
  expect(() => checkProgram(program)).toThrow('fields of 16, 8, 8 and 32 bits')
})

test('steps are the instructions executed', () => {
  expect(simulate([ALLOW], seccompData('x64', 0)).steps).toBe(1)
  expect(simulate([ins(OP.load, 0), ins(OP.jump, 1), ALLOW, ALLOW], seccompData('x64', 0)).steps).toBe(3)
})

test('comparisons are unsigned', () => {
  const program = [ins(OP.load, 0), ins(OP.jumpGreaterOrEqual, 0x80000000, 0, 1), ALLOW, ins(OP.return, 0x50001)]
  expect(simulate(program, seccompData('x64', 0xffffffff)).action).toBe('allow')
  expect(simulate(program, seccompData('x64', 0x7fffffff)).action).toEqual({ errno: 1 })
})

test('the top bit can be masked and tested', () => {
  const program = [
    ins(OP.load, 0),
    ins(OP.and, 0x80000000),
    ins(OP.jumpEqual, 0x80000000, 0, 2),
    ins(OP.jumpAnyBit, 0x80000000, 0, 1),
    ALLOW,
    ins(OP.return, 0x50001),
  ]
  expect(simulate(program, seccompData('x64', 0x80000001)).action).toBe('allow')
  expect(simulate(program, seccompData('x64', 1)).action).toEqual({ errno: 1 })
})

test('a return that is none of our actions is an error and not taken for one', () => {
  // SECCOMP_RET_TRAP, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_KILL_THREAD, errno 0, errno 4096.
  for (const value of [0x00030000, 0x7ff00000, 0x7ffc0000, 0, 0x00050000, 0x00051000]) {
    expect(actionOf(value)).toBeUndefined()
    expect(() => simulate([ins(OP.return, value)], seccompData('x64', 0))).toThrow(BpfError)
  }
})

test('every action survives its return value', () => {
  const actions = ['allow', 'notify', 'kill-process', { errno: 1 }, { errno: MAX_ERRNO }] as const
  for (const action of actions) expect(actionOf(returnValue(action))).toEqual(action)
})

test('a filter that looks at an argument is no constant allow', () => {
  const program = [ins(OP.load, 16), ins(OP.jumpEqual, 0, 0, 0), ALLOW]
  expect(isConstantAllow(program, 'x64', 0)).toBe(false)
  expect(isConstantAllow([ins(OP.load, 4), ins(OP.load, 0), ALLOW], 'x64', 0)).toBe(true)
})

describe('bytes', () => {
  test('little endian, eight for each instruction', () => {
    expect(encode([ins(0x0015, 0xc000003e, 1, 255)]).toString('hex')).toBe('150001ff3e0000c0')
  })

  test('decoding is the inverse', () => {
    fc.assert(
      fc.property(filters(), (filter) => {
        const program = compile(filter)
        expect(decode(encode(program))).toEqual(program)
      }),
    )
  })

  test('half an instruction is an error', () => {
    expect(() => decode(Buffer.alloc(12))).toThrow(BpfError)
  })
})
