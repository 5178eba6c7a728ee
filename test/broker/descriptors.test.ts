/** What is left of the descriptors that a process got: looked up in this one. */
import { closeSync, openSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Descriptors } from '../../src/broker/descriptors.js'
import { Traces } from '../../src/broker/traces.js'
import type { AccessOutcome, RefusedEvent } from '../../src/policy/event.js'
import { bytePath, type AccessRequest } from '../../src/policy/request.js'

const label = { file: 'a.test.ts', id: '1', test: 'opens', concurrent: false }
const request: AccessRequest = { kind: 'path', access: 'read', path: bytePath('/etc/hosts') }
const opened: number[] = []
const open = (path: string): number => {
  const fd = openSync(path, 'r')
  opened.push(fd)
  return fd
}
afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd)
})

describe('descriptors', () => {
  test('that are still there are told once, with who opened them', () => {
    const descriptors = new Descriptors(process.pid)
    const [file, dir] = [open('/proc/self/status'), open('/proc')]
    descriptors.add(file, 'file', request, label)
    descriptors.add(dir, 'file', undefined, undefined)
    const { opened: counts, open: left } = descriptors.take(undefined)
    expect(counts).toEqual({ file: 2 })
    expect(left.map(({ kind, descriptor, label: who, request: what }) => [kind, descriptor, who?.test, what])).toEqual([
      ['file', file, 'opens', request],
      ['directory', dir, undefined, undefined],
    ])
    expect(descriptors.take(undefined)).toEqual({ opened: {}, open: [] })
  })

  test('that were closed are gone, also where their number means something else by now', () => {
    const descriptors = new Descriptors(process.pid)
    const fd = openSync('/proc/self/status', 'r')
    descriptors.add(fd, 'file', request, label)
    closeSync(fd)
    expect(descriptors.take(undefined).open).toEqual([])
    const again = openSync('/proc/self/status', 'r')
    descriptors.add(again, 'file', request, label)
    closeSync(again)
    expect(open('/proc/self/maps')).toBe(again)
    expect(descriptors.take(undefined).open).toEqual([])
  })

  test('of the event loop are counted, and no leak', () => {
    const descriptors = new Descriptors(process.pid)
    const fd = open('/proc/self/status')
    for (const kind of ['other', 'other', 'pipe', 'other', 'other'] as const)
      descriptors.add(fd, kind, undefined, label)
    expect(descriptors.take(undefined)).toEqual({ opened: { other: 4, pipe: 1 }, open: [] })
  })

  test('of sockets count where they hold the loop, and get the address that they were given', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    // Of a listening TCP server.
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle
    const { port } = server.address() as AddressInfo
    const address: AccessRequest = {
      kind: 'socket',
      access: 'listen',
      address: { family: 'inet', protocol: 'tcp', host: '127.0.0.1', port },
    }
    const descriptors = new Descriptors(process.pid)
    for (const [busy, kinds] of [
      [new Set([fd]), ['socket']],
      [new Set<number>(), []],
      [undefined, ['socket']],
    ] as const) {
      descriptors.add(fd, 'socket', undefined, label)
      descriptors.addressed(fd, address)
      expect(descriptors.requestOf(fd)).toEqual(address)
      expect(descriptors.take(busy).open.map(({ kind }) => kind)).toEqual(kinds)
    }
    await new Promise((resolve) => server.close(resolve))
  })

  test('of a process that is gone are none', () => {
    const descriptors = new Descriptors(0x7fffffff)
    descriptors.add(3, 'file', request, label)
    expect(descriptors.take(undefined)).toEqual({ opened: { file: 1 }, open: [] })
  })
})

describe('traces', () => {
  const finding = (path: string): Extract<AccessOutcome, { outcome: 'denied' }> => ({
    outcome: 'denied',
    request: { kind: 'path', access: 'read', path: bytePath(path) },
    reason: { why: 'no-grant' },
  })
  const told = (path: string, operation: RefusedEvent['operation'] = 'open'): RefusedEvent => ({
    ...finding(path),
    call: operation,
    operation,
    label,
  })

  test('belong to the last refusal of the thread that runs the tests, once', () => {
    const traces = new Traces()
    expect(traces.take('call')).toBeUndefined()
    traces.refused('open', true, finding('/a'), told('/a'))
    traces.refused('open', false, finding('/b'), told('/b'))
    expect(traces.take('call')).toEqual(told('/a'))
    expect(traces.take('call')).toBeUndefined()
  })

  test('of what was told before are no news', () => {
    const traces = new Traces()
    traces.refused('open', true, finding('/a'), told('/a'))
    traces.refused('open', true, finding('/b'), undefined)
    expect(traces.take('call')).toBeUndefined()
  })

  test('of a program are those of its child, over all places of a search', () => {
    const traces = new Traces()
    traces.refused('run', false, finding('/bin/sh'), told('/bin/sh', 'run'))
    traces.refused('run', false, finding('/bin/sh'), undefined)
    expect(traces.take('call')).toBeUndefined()
    expect(traces.take('program')).toEqual(told('/bin/sh', 'run'))
  })
})
