/** Every row answers exactly once, whatever fails and wherever. */
import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { failed } from '../../src/syscalls/outcome.js'
import { rowsFor } from '../../src/syscalls/table.js'
import { shown } from './house.js'
import { judge } from './oracle.js'
import { furnished, TEMPLATES } from './templates.js'

const ERRNOS = [Errno.EIO, Errno.ELOOP, Errno.EACCES, Errno.EAGAIN, Errno.ENXIO] as const

test('there is a template for every row that does something', () => {
  const named = new Set(TEMPLATES.map(([name]) => name))
  const alike = new Set([
    'tkill',
    'rt_sigqueueinfo',
    'rt_tgsigqueueinfo',
    'getpriority',
    'ioprio_set',
    'ioprio_get',
    'getpgid',
    'getsid',
    'clock_getres',
    'clock_nanosleep',
    'timer_create',
  ])
  const missing = rowsFor('x64').filter(
    ({ name, family }) => family !== 'refused' && !named.has(name) && !alike.has(name) && !name.startsWith('sched_'),
  )
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
        judge(
          furnished(),
          name,
          args.map((arg, at) => (at === index ? bad : arg)),
        )
      }
    }
  })

  test.each(cases)('%s(%s): in audit mode and hidden, too', (name, _, args) => {
    judge(furnished({ mode: 'audit' }), name, args)
    judge(furnished({ denied: 'hide' }), name, args)
  })
})
