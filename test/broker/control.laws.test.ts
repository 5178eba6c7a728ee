/** What a runner says is one of the requests, whole and of the right types, or a breach of the protocol. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRequest } from '../../src/broker/control.js'
import { ProtocolError } from '../../src/errors.js'
import { law } from '../laws/law.js'

const launch = {
  execArgv: ['--x'],
  env: { A: 'b' },
  cwd: '/',
  denied: 'eacces',
  ledger: false,
  stageTimeout: 5000,
}
const policy = { mode: 'enforce', lists: [], sockets: [] }
const subject = { root: '/project', files: ['/project/a.test.ts'] }
const setup = { landlock: [], preload: [], runner: 'node:path' }

const requests: readonly object[] = [
  { type: 'launch', id: 1, launch, subject },
  { type: 'launch', id: 2, launch: { ...launch, executable: 'any', tmp: '/tmp/x', shared: 'key' }, subject },
  { type: 'received', id: 1, role: 'stdout' },
  { type: 'attach', id: 1, policy, setup, subject },
  { type: 'policy', id: 1, sequence: 1, policy, subject },
  { type: 'settle', id: 1, sequence: 2 },
  { type: 'running', id: 1, sequence: 3 },
  { type: 'tell-ledger', id: 1, sequence: 4 },
  { type: 'stop', id: 1, sequence: 5 },
  { type: 'look-again' },
]

describe('a request', () => {
  test.each(requests)('%j is understood', (request) => {
    expect(parseRequest(request)).toEqual(request)
  })

  test.each([
    [{ type: 'launch', id: 1, launch: { ...launch, cwd: 'relative' }, subject }],
    [{ type: 'launch', id: 1, launch: { ...launch, env: { 'A=B': 'c' } }, subject }],
    [{ type: 'launch', id: 1, launch: { ...launch, env: { A: 'b\0c' } }, subject }],
    [{ type: 'launch', id: 1, launch: { ...launch, tmp: '../x' }, subject }],
    [{ type: 'launch', id: 1, launch: { ...launch, executable: ['sh'] }, subject }],
    [{ type: 'launch', id: 1, launch: { ...launch, more: 1 }, subject }],
    [{ type: 'launch', id: 0, launch, subject }],
    [{ type: 'stop', id: 1 }],
    [{ type: 'exit', id: 1, sequence: 1 }],
    [{ type: 'attach', id: 1, policy: {}, setup, subject }],
    [{ type: 'attach', id: 1, policy, setup }],
    [{ type: 'policy', id: 1, sequence: 1, policy, subject: { ...subject, root: '.' } }],
    [{ type: 'policy', id: 1, sequence: 1, policy, subject: { ...subject, files: ['a.test.ts'] } }],
    [{ type: 'launch', id: 1, launch: { ...launch, streams: [0, 1, 2] }, subject }],
    [[]],
    [null],
    ['launch'],
  ])('%j is a breach, and says where', (request) => {
    expect(() => parseRequest(request)).toThrow(ProtocolError)
    expect(() => parseRequest(request)).toThrow(/^the runner said something that the broker does not understand: /)
  })

  law('anything else ends in a breach, never in another error', { cases: 300 }, [fc.anything()], (message) => {
    try {
      parseRequest(message)
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError)
    }
  })

  law(
    'one with a field of another kind is not understood',
    { cases: 300 },
    [fc.constantFrom(...requests), fc.nat(5), fc.constantFrom<unknown>(null, [], {}, 'x\0', -1, 1.5, Symbol.iterator)],
    (request, at, wrong) => {
      const fields = Object.entries(request)
      const [name] = fields[at % fields.length] ?? ['type']
      expect(() => parseRequest({ ...request, [name]: wrong })).toThrow(ProtocolError)
    },
  )
})
