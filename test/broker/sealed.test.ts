/** A worker whose listener nobody can take: what its first lines may do is over once they are through. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Unsafe } from '../../src/policy/manifest.js'
import { fixture, runConfined } from '../harness/confined.js'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'sealed-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const sealed = (unsafe: readonly Unsafe[]) =>
  runConfined({
    manifest: { read: [`${fixture('../..')}/`] },
    module: fixture('container/sealed.mjs'),
    args: [],
    root: scratch,
    support: { takesDescriptors: false },
    unsafe,
  })

test('no second filter, no message like the one with the listener, no socket but for pairs', async () => {
  const { result, faults, incidents } = await sealed([])
  expect(result).toEqual({
    'another filter on all threads': 'EPERM',
    'another filter on this thread': 'EPERM',
    'a message as the one with the listener': 'EPERM',
    'another message': 'EACCES',
    'a TCP socket': 'EACCES',
    'a UDP socket': 'EACCES',
    'a unix socket': 'EACCES',
    'a packet socket': 'EACCES',
    through: [3, 3],
  })
  expect(faults).toEqual([])
  const violations = incidents.filter((incident) => !('violation' in incident) || incident.violation)
  expect(violations).toMatchObject([
    { outcome: 'forbidden', call: 'seccomp' },
    { outcome: 'forbidden', call: 'socket', why: expect.stringContaining('sockets are refused in this container') },
  ])
})

test('with sockets left alone the same holds, but for sockets', async () => {
  const { result } = await sealed(['network'])
  expect(result).toMatchObject({
    'another filter on all threads': 'EPERM',
    'another filter on this thread': 'EPERM',
    'a message as the one with the listener': 'EPERM',
    'a TCP socket': expect.any(Number),
    'a UDP socket': expect.any(Number),
    'a unix socket': expect.any(Number),
    'a packet socket': 'EACCES',
    through: [3, 3],
  })
})
