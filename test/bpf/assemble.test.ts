import { describe, expect, test } from 'vitest'
import { assemble, type Line } from '../../src/bpf/assemble.js'
import { BpfError } from '../../src/bpf/errors.js'
import { OP } from '../../src/bpf/instruction.js'
import { seccompData } from '../../src/bpf/rules.js'
import { simulate } from '../../src/bpf/simulate.js'

const label = (name: string): Line => ({ op: 'label', name })
const returning = (value: number): Line => ({ op: 'return', value })
const branch = (value: number, yes: string, no: string): Line => ({ op: 'branch', when: 'equal', value, yes, no })
const loadNumber: Line = { op: 'load', offset: 0 }
const errno = (n: number): number => 0x50000 | n
const filler = (count: number): readonly Line[] => Array.from({ length: count }, () => loadNumber)

test('distances count from the instruction behind the branch', () => {
  const answers = [label('no'), returning(errno(1)), label('yes'), returning(errno(2))]
  const program = assemble([loadNumber, branch(7, 'yes', 'no'), ...answers])
  expect(program[1]).toEqual({ code: OP.jumpEqual, k: 7, jt: 1, jf: 0 })
})

describe.each([254, 255, 256, 600])('targets behind %i instructions', (between) => {
  // The first two are blocks of more than a return, which cannot be copied.
  const far = (yes: string, no: string): readonly Line[] => [
    loadNumber,
    branch(7, yes, no),
    label('near'),
    ...filler(between),
    returning(errno(9)),
    label('a'),
    loadNumber,
    returning(errno(1)),
    label('b'),
    loadNumber,
    returning(errno(2)),
    label('c'),
    returning(errno(3)),
  ]

  test.each([
    { yes: 'a', no: 'b', taken: 1, notTaken: 2 },
    { yes: 'b', no: 'a', taken: 2, notTaken: 1 },
    { yes: 'c', no: 'a', taken: 3, notTaken: 1 },
    { yes: 'near', no: 'a', taken: 9, notTaken: 1 },
    { yes: 'a', no: 'near', taken: 1, notTaken: 9 },
    { yes: 'a', no: 'a', taken: 1, notTaken: 1 },
    { yes: 'c', no: 'c', taken: 3, notTaken: 3 },
  ])('$yes or else $no', ({ yes, no, taken, notTaken }) => {
    const program = assemble(far(yes, no))
    expect(simulate(program, seccompData('x64', 7)).action).toEqual({ errno: taken })
    expect(simulate(program, seccompData('x64', 8)).action).toEqual({ errno: notTaken })
  })
})

test('a far return is copied, so that it costs no step', () => {
  const lines = [loadNumber, branch(7, 'far', 'far'), label('next'), ...filler(300), label('far'), returning(errno(1))]
  expect(simulate(assemble(lines), seccompData('x64', 7)).steps).toBe(3)
})

describe('mistakes', () => {
  test.each<{ readonly why: string; readonly lines: readonly Line[]; readonly message: string }>([
    { why: 'a label that is nowhere', lines: [branch(0, 'x', 'x'), returning(0)], message: 'label x' },
    { why: 'a label above its use', lines: [label('x'), branch(0, 'x', 'x'), returning(0)], message: 'label x' },
    { why: 'a label twice', lines: [label('x'), returning(0), label('x'), returning(0)], message: 'a second one' },
    { why: 'a label with nothing behind it', lines: [returning(0), label('x')], message: 'the end of the program' },
  ])('$why', ({ lines, message }) => {
    expect(() => assemble(lines)).toThrow(BpfError)
    expect(() => assemble(lines)).toThrow(message)
  })
})
