import { describe, expect, test } from 'vitest'
import { Ledger } from '../../src/broker/ledger.js'
import { allowed, type AccessOutcome } from '../../src/policy/event.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { rawPath, type PathAccess } from '../../src/policy/request.js'
import type { Mark } from '../../src/protocol.js'
import { rule } from '../contracts/rules.js'
import { rowOf } from '../syscalls/house.js'
import { look, used, violation } from './findings.js'

function keep() {
  const state: { label: Mark | undefined } = { label: { file: 'a.test.ts', id: '1', test: 'one', concurrent: false } }
  return { state, ledger: new Ledger(() => state.label) }
}

/** Of something that a base grant covers. */
function always(access: PathAccess): AccessOutcome {
  const policy = compilePolicy({
    mode: 'enforce',
    sockets: [],
    lists: [[{ ...rule('write +/base/'), reason: 'always' }]],
  })
  const verdict = decide(policy, { kind: 'path', access, path: rawPath('/base/x') })
  if (!verdict.allowed) throw new Error('the base grant covers it')
  return allowed(verdict.granted.request, verdict.granted)
}

const told = (ledger: Ledger) =>
  ledger
    .take()
    ?.accesses.map(
      ({ outcome, request, count }) =>
        `${outcome} ${request.access} ${request.kind === 'path' ? request.path : ''} ×${count}`,
    )

describe('the ledger', () => {
  test('counts what was used, refused and hidden, once for each test', () => {
    const { state, ledger } = keep()
    for (let round = 0; round < 3; round++) ledger.add(rowOf('openat'), used('/r/x'))
    ledger.add(rowOf('openat'), used('/r/x', 'write'))
    ledger.add(rowOf('openat'), violation('/o/x'))
    ledger.add(rowOf('stat'), look('/o/y', 'directory'))
    state.label = { file: 'a.test.ts', id: '2', test: 'two', concurrent: false }
    ledger.add(rowOf('openat'), used('/r/x'))
    expect(told(ledger)).toEqual([
      'allowed read /r/x ×3',
      'allowed write /r/x ×1',
      'denied read /o/x ×1',
      'hidden look /o/y ×1',
      'allowed read /r/x ×1',
    ])
  })

  test('names the entry that covers an access', () => {
    const { ledger } = keep()
    ledger.add(rowOf('openat'), used('/r/x'))
    expect(ledger.take()?.accesses).toMatchObject([
      { by: { source: '/r/', at: 'test' }, label: { test: 'one' }, call: 'openat' },
    ])
  })

  test('nothing was hidden where nothing is', () => {
    const { ledger } = keep()
    ledger.add(rowOf('stat'), look('/o/y'))
    expect(ledger.take()).toBeUndefined()
  })

  test('keeps of base grants only what is changed through them', () => {
    const { ledger } = keep()
    for (const access of ['look', 'read', 'content', 'write'] as const) ledger.add(rowOf('openat'), always(access))
    expect(told(ledger)).toEqual(['allowed content /base/x ×1', 'allowed write /base/x ×1'])
  })

  test('tells everything once', () => {
    const { ledger } = keep()
    ledger.add(rowOf('openat'), used('/r/x'))
    expect(ledger.take()).toMatchObject({ overflow: false })
    expect(ledger.take()).toBeUndefined()
  })

  test('a flood takes a bounded amount of memory, and is said to be one', () => {
    const { ledger } = keep()
    for (let index = 0; index < 60_000; index++) ledger.add(rowOf('openat'), violation(`/o/${index}`))
    const batch = ledger.take()
    expect(batch?.overflow).toBe(true)
    expect(batch?.accesses).toHaveLength(50_000)
  })
})
