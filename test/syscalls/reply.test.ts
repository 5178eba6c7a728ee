/** Every row answers exactly once, whatever fails and wherever. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import { failed } from '../../src/syscalls/outcome.js'
import { rowsFor } from '../../src/syscalls/table.js'
import { shown, type Register } from './house.js'
import { judge } from './oracle.js'
import { FD, furnished, inet, TEMPLATES, unixAddress, words } from './templates.js'

const ERRNOS = [Errno.EIO, Errno.ELOOP, Errno.EACCES, Errno.EAGAIN, Errno.ENXIO] as const

test('there is a template for every row that does something', () => {
  const named = new Set(TEMPLATES.map(([name]) => name))
  const alike = new Set(['tkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'getpriority', 'ioprio_set', 'ioprio_get', 'getpgid', 'getsid', 'clock_getres', 'clock_nanosleep', 'timer_create'])
  const missing = rowsFor('x64').filter(({ name, family }) => family !== 'refused' && !named.has(name) && !alike.has(name) && !name.startsWith('sched_'))
  expect(missing.map(({ name }) => name)).toEqual([])
})

const cases = TEMPLATES.map(([name, args]) => [name, shown(args), args] as const)

describe('at every point', () => {
  test.each(cases)('%s(%s): each port call may fail, with any errno', (name, _, args) => {
    const { calls } = judge(furnished(), name, args)
    for (let at = 0; at < calls; at++) {
      for (const errno of ERRNOS) judge(furnished(), name, args, { at, errno })
    }
  })

  test.each(cases)('%s(%s): the target may be gone', (name, _, args) => {
    const { calls } = judge(furnished(), name, args)
    for (let goneFrom = 0; goneFrom <= calls; goneFrom++) {
      const { reply } = judge(furnished(), name, args, { goneFrom })
      // Whoever asks is told; a call that was decoded before the target went does nothing at all.
      if (goneFrom === 0) expect(failed(reply) || reply.kind === 'gone').toBe(true)
    }
  })

  test.each(cases)('%s(%s): any argument may be no address', (name, _, args) => {
    for (const index of args.keys()) {
      for (const bad of [0, 1, 0xffff_ffff_ffff_f000n, 0x8000_0000_0000_0000n, 2n ** 53n]) {
        judge(furnished(), name, args.map((arg, at) => (at === index ? bad : arg)))
      }
    }
  })

  test.each(cases)('%s(%s): in audit mode and hidden, too', (name, _, args) => {
    judge(furnished({ mode: 'audit' }), name, args)
    judge(furnished({ denied: 'hide' }), name, args)
  })
})

const O = openFlags('x64')
const step = fc.constantFrom('r', 'w', 'o', 'd', 'f', 'x', 'g', 'e', 'keep', 'k', 'secret', 'in', 'out', 'outdir', 'toDir', 'toR', 'toKeep', 'loop', 'dangling',
  'danglingOut', 'l', 'fifo', 'new', '..', '.', '', 'canary', 'proc', 'self', 'fd', '9', '19', '100', '1', 'dev', 'status', 'environ', 'root', 'cwd', 'up')
const path = fc.tuple(fc.constantFrom('/', '', '/r/', '/w/', '/w/', '/proc/self/', '/dev/fd/'), fc.array(step, { maxLength: 5 })).map(([start, steps]) => start + steps.join('/'))
const flags = fc.array(fc.constantFrom(...Object.values(O)), { maxLength: 4 }).map((bits) => bits.reduce((all, bit) => all | bit, 0))
const register: fc.Arbitrary<Register> = fc.oneof(
  { weight: 4, arbitrary: path },
  { weight: 2, arbitrary: fc.constantFrom(...Object.values(FD), AT_FDCWD, -1, 99) },
  { weight: 2, arbitrary: flags },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x100, 0x200, 0x400, 0x1000, 0x1100, 1, 2, 4, 8, 16, 24, 4096, 65_537) },
  { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc.tuple(fc.constantFrom(0, 80, 1000, 1002, 3000), fc.constantFrom([127, 0, 0, 1], [0, 0, 0, 0], [10, 0, 0, 1])).map(([port, host]) => inet(port, host)),
      path.map(unixAddress),
      fc.tuple(flags, fc.constantFrom(0, 0o644), fc.integer({ min: 0, max: 64 })).map(([all, mode, resolve]) => words(all, mode, resolve)),
    ),
  },
)
const plan = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: fc.record({ at: fc.nat(40), errno: fc.constantFrom(...ERRNOS, Errno.ENOENT, Errno.ESRCH, Errno.EFAULT, Errno.EMFILE) }) },
  { weight: 1, arbitrary: fc.record({ goneFrom: fc.nat(40) }) },
)
const bent = fc.tuple(fc.constantFrom(...TEMPLATES), fc.array(fc.option(register, { freq: 2 }), { minLength: 6, maxLength: 6 }))
  .map(([[name, args], bends]) => ({ name, args: bends.map((bend, index) => bend ?? args[index] ?? 0) }))
const wild = fc.record({ name: fc.constantFrom(...rowsFor('x64').map((row) => row.name)), args: fc.array(register, { minLength: 6, maxLength: 6 }) })
const conditions = fc.record({ mode: fc.constantFrom('enforce' as const, 'enforce' as const, 'audit' as const), denied: fc.constantFrom('eacces' as const, 'hide' as const), cwd: fc.constantFrom('/', '/r', '/w/d', '/o', '/proc') })
const runs = Number(process.env['MODEL_RUNS'] ?? 4000)

test('any call with any registers and any fault gives one answer that keeps the laws', () => {
  fc.assert(fc.property(fc.oneof(bent, bent, wild), plan, conditions, ({ name, args }, fault, options) => {
    judge(furnished(options), name, args, fault)
  }), { numRuns: runs })
})

test('any calls one after the other keep them as well', () => {
  fc.assert(fc.property(fc.array(bent, { minLength: 2, maxLength: 8 }), conditions, (calls, options) => {
    const house = furnished({ ...options, mode: 'enforce' })
    for (const { name, args } of calls) judge(house, name, args)
  }), { numRuns: runs / 10 })
})
