import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../src/bpf/compile.js'
import { disassemble } from '../../src/bpf/disassemble.js'
import { OP } from '../../src/bpf/instruction.js'
import { filters } from './arbitraries.js'
import { ALLOW, ins } from './programs.js'

test('a small filter reads like this', () => {
  const program = compile({
    arch: 'x64',
    otherwise: 'notify',
    rules: [
      { number: 0, cases: [], otherwise: 'allow' },
      { number: 1, cases: [], otherwise: 'allow' },
      {
        number: 16,
        cases: [
          { all: [{ arg: 1, is: 'equal', value: 0x5401n }], action: 'allow' },
          { all: [{ arg: 1, is: 'masked', mask: 0xffn, value: 0x12n }], action: { errno: 1 } },
        ],
        otherwise: 'notify',
      },
    ],
  })
  expect(disassemble(program, 'x64')).toBe(`\
     load arch
     unless arch == x64 goto L3
     load nr
     unless nr has any bit of 0x40000000 goto L0
     if nr == -1 goto L4 else L3
L0:  if nr >= 16 (ioctl) goto L1
     if nr >= 2 (open) goto L4 else L5
L1:  if nr >= 17 (pread64) goto L4
     load arg1.low
     unless arg1.low == 0x5401 goto L2
     load arg1.high
     if arg1.high == 0x0 goto L5
L2:  load arg1.low
     and 0xff
     if (arg1.low & 0xff) == 0x12 goto L6 else L4
L3:  return kill-process
L4:  return notify
L5:  return allow
L6:  return EPERM
`)
})

test('every line says something, and every label that is named exists', () => {
  fc.assert(
    fc.property(filters({ maxRules: 40 }), (filter) => {
      const program = compile(filter)
      const text = disassemble(program, filter.arch)
      expect(text.trimEnd().split('\n')).toHaveLength(program.length)
      expect(text).not.toMatch(/undefined|\?/)
      const defined = new Set([...text.matchAll(/^(L\d+):/gm)].map(([, name]) => name))
      const used = new Set([...text.matchAll(/(?:goto|else) (L\d+)/g)].map(([, name]) => name))
      expect(used).toEqual(defined)
    }),
  )
})

test('where ways meet with different contents, the accumulator is only A', () => {
  const program = [
    ins(OP.load, 0),
    ins(OP.jumpEqual, 1, 1, 0),
    ins(OP.load, 20),
    ins(OP.jumpEqual, 7, 0, 1),
    ins(OP.return, 0x50002),
    ALLOW,
  ]
  expect(disassemble(program, 'arm64')).toBe(`\
     load nr
     if nr == 1 (io_destroy) goto L0
     load arg0.high
L0:  unless A == 0x7 goto L1
     return ENOENT
L1:  return allow
`)
})
