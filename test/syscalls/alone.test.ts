/** Calls that wait for a directory, or for their turn to accept, and what is decided when they go on. */
import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { S_IFIFO } from '../../src/abi/mode.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { AF_UNIX, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/abi/socket.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { auditGrant } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { alone, whenAwake } from '../../src/syscalls/alone.js'
import { DONE, type Call, type Reply } from '../../src/syscalls/call.js'
import { Fail, failed } from '../../src/syscalls/outcome.js'
import { Place } from '../../src/syscalls/place.js'
import { must } from '../contracts/kernel.contract.js'
import { policyOf } from '../contracts/rules.js'
import { House, someCall, type Register } from './house.js'

const O = openFlags('x64')
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

describe('what makes or removes another name waits while a call sleeps with its directory', () => {
  const CREATE = O.O_CREAT | O.O_WRONLY
  const CALLS: readonly (readonly [SyscallName, readonly Register[], string, string])[] = [
    ['open', ['/v/new', CREATE, 0o600], '/v/new', 'fd'],
    ['mknod', ['/v/new', S_IFIFO | 0o600, 0], '/v/new', '0'],
    ['unlink', ['/v/g'], '/v/g', '0'],
  ]
  test.each(CALLS)('%s', (name, args, path, result) => {
    const there = house()
    const isThere = (): boolean => !failed(there.kernel.kindOf(rawPath(path)))
    const before = isThere()
    there.kernel.busy.add('/v')
    const reply = waiting(waiting(there.run(name, args)).again())
    expect(isThere()).toBe(before)
    there.kernel.busy.clear()
    expect(there.show(reply.again())).toContain(result)
    expect(isThere()).toBe(!before)
  })

  test('what opens a file that is there does not', () => {
    const there = house()
    there.kernel.busy.add('/v')
    expect(there.call('open', '/v/g', O.O_RDONLY, 0)).toContain('fd')
    expect(there.call('open', '/w/new', CREATE, 0o600)).toContain('fd')
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
  there.kernel.busy.add('/w')
  const asleep = waiting(whenAwake(call, new Place(granted, 0, false), act, anew))
  there.kernel.busy.clear()
  call.policy = policyOf(['write +/w/'])
  expect([other, asleep].map((waits) => there.show(waits.again()))).toEqual(['0', '0'])
  expect(replies).toEqual(['act', 'anew', 'anew', 'anew'])
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
