/** Any call with any registers, any memory and any fault. */
import * as fc from 'fast-check'
import { Errno } from '../../src/abi/errno.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import { rowsFor } from '../../src/syscalls/table.js'
import { law } from '../laws/law.js'
import type { Register } from './house.js'
import { judge } from './oracle.js'
import { FD, furnished, inet, TEMPLATES, unixAddress, words } from './templates.js'

const ERRNOS = [Errno.EIO, Errno.ELOOP, Errno.EACCES, Errno.EAGAIN, Errno.ENXIO] as const
const O = openFlags('x64')
const step = fc.constantFrom(
  'r',
  'w',
  'o',
  'd',
  'f',
  'x',
  'g',
  'e',
  'keep',
  'k',
  'secret',
  'in',
  'out',
  'outdir',
  'toDir',
  'toR',
  'toKeep',
  'loop',
  'dangling',
  'danglingOut',
  'l',
  'fifo',
  'new',
  '..',
  '.',
  '',
  'canary',
  'proc',
  'self',
  'fd',
  '109',
  '119',
  '100',
  '1',
  'dev',
  'status',
  'environ',
  'root',
  'cwd',
  'up',
)
const path = fc
  .tuple(fc.constantFrom('/', '', '/r/', '/w/', '/w/', '/proc/self/', '/dev/fd/'), fc.array(step, { maxLength: 5 }))
  .map(([start, steps]) => start + steps.join('/'))
const flags = fc
  .array(fc.constantFrom(...Object.values(O)), { maxLength: 4 })
  .map((bits) => bits.reduce((all, bit) => all | bit, 0))
const register: fc.Arbitrary<Register> = fc.oneof(
  { weight: 4, arbitrary: path },
  { weight: 2, arbitrary: fc.record({ first: path, next: path }) },
  // Without a NUL before memory ends, and longer than any path.
  {
    weight: 1,
    arbitrary: fc
      .tuple(path, fc.constantFrom(1, 1, 5000))
      .map(([text, times]) => Buffer.from(text.repeat(times), 'latin1')),
  },
  { weight: 2, arbitrary: fc.constantFrom(...Object.values(FD), AT_FDCWD, -1, 99) },
  { weight: 2, arbitrary: flags },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x100, 0x200, 0x400, 0x1000, 0x1100, 1, 2, 4, 8, 16, 24, 4096, 65_537) },
  { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc
        .tuple(fc.constantFrom(0, 80, 1000, 1002, 3000), fc.constantFrom([127, 0, 0, 1], [0, 0, 0, 0], [10, 0, 0, 1]))
        .map(([port, host]) => inet(port, host)),
      path.map(unixAddress),
      fc
        .tuple(flags, fc.constantFrom(0, 0o644), fc.integer({ min: 0, max: 64 }))
        .map(([all, mode, resolve]) => words(all, mode, resolve)),
    ),
  },
)
const plan = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.record({
      at: fc.nat(40),
      errno: fc.constantFrom(...ERRNOS, Errno.ENOENT, Errno.ESRCH, Errno.EFAULT, Errno.EMFILE),
    }),
  },
  { weight: 1, arbitrary: fc.record({ goneFrom: fc.nat(40) }) },
)
const bent = fc
  .tuple(fc.constantFrom(...TEMPLATES), fc.array(fc.option(register, { freq: 2 }), { minLength: 6, maxLength: 6 }))
  .map(([[name, args], bends]) => ({ name, args: bends.map((bend, index) => bend ?? args[index] ?? 0) }))
const wild = fc.record({
  name: fc.constantFrom(...rowsFor('x64').map((row) => row.name)),
  args: fc.array(register, { minLength: 6, maxLength: 6 }),
})
const conditions = fc.record({
  mode: fc.constantFrom('enforce' as const, 'enforce' as const, 'audit' as const),
  denied: fc.constantFrom('eacces' as const, 'hide' as const),
  cwd: fc.constantFrom('/', '/r', '/w/d', '/o', '/proc'),
})

law(
  'any call with any registers and any fault gives one answer that keeps the promises',
  { cases: 4000 },
  [fc.oneof(bent, bent, wild), plan, conditions],
  ({ name, args }, fault, options) => {
    judge(furnished(options), name, args, fault)
  },
)

law(
  'any calls one after the other keep them as well',
  { cases: 400 },
  [fc.array(bent, { minLength: 2, maxLength: 8 }), conditions],
  (calls, options) => {
    const house = furnished({ ...options, mode: 'enforce' })
    for (const { name, args } of calls) judge(house, name, args)
  },
)
