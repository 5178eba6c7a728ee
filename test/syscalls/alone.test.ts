/** Calls that wait for a directory, or for their turn to accept, and what is decided when they go on. */
import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { AF_UNIX, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/abi/socket.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { auditGrant } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { alone } from '../../src/syscalls/alone.js'
import { DONE, type Call, type Reply } from '../../src/syscalls/call.js'
import { Fail, failed } from '../../src/syscalls/outcome.js'
import { Place } from '../../src/syscalls/place.js'
import { must } from '../contracts/kernel.contract.js'
import { policyOf } from '../contracts/rules.js'
import { House, someCall, type Register } from './house.js'

const FILES = { w: { f: 'content', d: {} }, v: { g: 'other' } }

function house(): House {
  return new House({ files: FILES, rules: ['write +/w/', 'write +/v/'] })
}

function waiting(reply: Reply): Extract<Reply, { kind: 'later' }> {
  if (failed(reply) || reply.kind !== 'later') throw new Error('it does not wait')
  return reply
}

describe('what makes or moves a link or a directory waits for who has the directory', () => {
  const CALLS: readonly (readonly [SyscallName, readonly Register[], string])[] = [
    ['mkdir', ['/v/new', 0o777], '/v/new'],
    ['symlink', ['f', '/v/new'], '/v/new'],
    ['link', ['/w/f', '/v/new'], '/v/new'],
    ['rename', ['/w/f', '/v/new'], '/v/new'],
  ]
  test.each(CALLS)('%s', (name, args, made) => {
    const there = house()
    const isThere = (path: string): boolean => !failed(there.kernel.kindOf(rawPath(path)))
    there.kernel.taken.add('/v')
    let reply = waiting(there.run(name, args))
    reply = waiting(reply.again())
    expect(isThere(made)).toBe(false)
    there.kernel.taken.clear()
    expect([there.show(reply.again()), isThere(made)]).toEqual(['0', true])
  })

  test('also for that of what is moved away', () => {
    const there = house()
    there.kernel.taken.add('/w')
    const reply = waiting(there.run('rename', ['/w/f', '/v/new']))
    there.kernel.taken.clear()
    expect(there.show(reply.again())).toBe('0')
  })

  test('what came to be a directory meanwhile is moved as one, or not at all', () => {
    const there = new House({ files: FILES, rules: ['write +/w/', ['write +/v/', 'write !/v/new/secret']] })
    there.kernel.taken.add('/v')
    const reply = waiting(there.run('rename', ['/w/f', '/v/new']))
    there.call('unlink', '/w/f')
    there.call('mkdir', '/w/f', 0o777)
    there.kernel.taken.clear()
    expect(there.show(reply.again())).toBe('EACCES')
    expect(there.recorded).toEqual(['violation move /v/new'])
  })
})

test('a call that goes on under another policy is made anew', () => {
  const plain = someCall()
  const granted = auditGrant(policyOf([], 'audit'), { kind: 'path', access: 'write', path: rawPath('/w/new') })
  const there = new House({ files: FILES })
  const call: { -readonly [K in keyof Call]: Call[K] } = { ...plain, kernel: there.kernel }
  const replies: string[] = []
  const act = (): Reply => {
    replies.push('act')
    return Fail.of(Errno.ELOOP)
  }
  const anew = (): Reply => {
    replies.push('anew')
    return DONE
  }
  there.kernel.taken.add('/w')
  const reply = waiting(alone(call, new Place(granted, 0, false), act, anew))
  const other = waiting(alone(call, new Place(granted, 0, false), act, anew))
  there.kernel.taken.clear()
  expect(there.show(reply.again())).toBe('0')
  expect(replies).toEqual(['act', 'anew'])
  call.policy = policyOf(['write +/w/'])
  expect(there.show(other.again())).toBe('0')
  expect(replies).toEqual(['act', 'anew', 'anew'])
})

test.each([
  ['that waits', 0, 'later'],
  ['that does not', SOCK_NONBLOCK, 'EAGAIN'],
])('accept on a socket %s waits for its turn', (_, flags, nobody) => {
  const there = house()
  const server = there.kernel.sockets.make(AF_UNIX, SOCK_STREAM | flags)
  must(there.kernel.sockets.listen(server))
  there.target.hold(30, server)
  there.kernel.sockets.isTaken = true
  const reply = waiting(waiting(there.run('accept4', [30, 0, 0, 0])).again())
  there.kernel.sockets.isTaken = false
  expect(there.show(reply.again())).toBe(nobody)
})
