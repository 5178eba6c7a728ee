import { describe, expect, test } from 'vitest'
import { Incidents } from '../../src/broker/incidents.js'
import type { AccessEvent, AccessOutcome } from '../../src/policy/event.js'
import { rawPath, type PathAccess } from '../../src/policy/request.js'
import type { Mark } from '../../src/protocol.js'
import { rowOf } from '../syscalls/house.js'
import { used } from './findings.js'

const violation = (path: string, access: PathAccess = 'read'): AccessOutcome => ({
  outcome: 'denied',
  request: { kind: 'path', access, path: rawPath(path) },
  reason: { why: 'no-grant' },
})

function watch() {
  const told: AccessEvent[] = []
  const state: { label: Mark | undefined } = { label: { file: 'a.test.ts', id: '1', test: 'one', concurrent: false } }
  const incidents = new Incidents(
    (incident) => void told.push(incident),
    () => state.label,
  )
  return { told, state, incidents }
}

describe('incidents', () => {
  test('the same thing is told once per test, and again for the next', () => {
    const { told, state, incidents } = watch()
    for (let round = 0; round < 3; round++) incidents.add(rowOf('openat'), violation('/o/x'))
    expect(told).toHaveLength(1)
    state.label = { file: 'a.test.ts', id: '2', test: 'two', concurrent: false }
    incidents.add(rowOf('openat'), violation('/o/x'))
    state.label = undefined
    incidents.add(rowOf('openat'), violation('/o/x'))
    expect(told.map(({ label }) => label?.test)).toEqual(['one', 'two', undefined])
  })

  test('another path, or another kind of access, is another incident; another call for the same is not', () => {
    const { told, incidents } = watch()
    incidents.add(rowOf('openat'), violation('/o/x'))
    incidents.add(rowOf('open'), violation('/o/x'))
    incidents.add(rowOf('openat'), violation('/o/x', 'write'))
    incidents.add(rowOf('rename'), violation('/o/x', 'move'))
    incidents.add(rowOf('openat'), violation('/o/y'))
    expect(
      told.map((incident) => (incident.outcome === 'denied' ? `${incident.call} ${incident.request.access}` : '')),
    ).toEqual(['openat read', 'openat write', 'openat read'])
  })

  test('a server that names no address tries two, and is told by the first', () => {
    const { told, state, incidents } = watch()
    const listen = (host: string, port: number): AccessOutcome => ({
      outcome: 'denied',
      request: { kind: 'socket', access: 'listen', address: { family: 'inet', protocol: 'tcp', host, port } },
      reason: { why: 'no-grant' },
    })
    const add = (host: string, port: number) => incidents.add(rowOf('bind'), listen(host, port))
    add('::', 80)
    add('0.0.0.0', 80)
    expect(told).toHaveLength(1)
    add('0.0.0.0', 81)
    add('::', 81)
    state.label = undefined
    add('0.0.0.0', 80)
    expect(told).toHaveLength(4)
  })

  test('what is granted and what is only looked at is not told', () => {
    const { told, incidents } = watch()
    incidents.add(rowOf('openat'), used('/r/x'))
    incidents.add(rowOf('stat'), { outcome: 'hidden', request: { kind: 'path', access: 'look', path: rawPath('/o') } })
    expect(told).toEqual([])
  })

  test('forbidden and unknown calls are told by name', () => {
    const { told, incidents } = watch()
    const unknown = { name: 'syscall 999', operation: 'forbidden' } as const
    incidents.add(rowOf('ptrace'), { outcome: 'forbidden', why: 'reaches into another process', violation: true })
    incidents.add(rowOf('ptrace'), { outcome: 'forbidden', why: 'reaches into another process', violation: true })
    incidents.add(unknown, { outcome: 'forbidden', why: 'unknown', violation: false })
    incidents.add(unknown, { outcome: 'forbidden', why: 'unknown', violation: false })
    expect(told).toMatchObject([
      { outcome: 'forbidden', call: 'ptrace', violation: true },
      { outcome: 'forbidden', call: 'syscall 999', violation: false },
    ])
  })

  test('a flood is told as one, and ends at the next test file', () => {
    const { told, incidents } = watch()
    for (let index = 0; index < 5000; index++) incidents.add(rowOf('openat'), violation(`/o/${index}`))
    expect(told).toHaveLength(1001)
    expect(told.at(-1)).toMatchObject({ outcome: 'overflow' })
    incidents.reset()
    incidents.add(rowOf('openat'), violation('/o/1'))
    expect(told.at(-1)).toMatchObject({ outcome: 'denied' })
  })
})
