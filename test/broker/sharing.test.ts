/** The register of what workers have together, with threads that ask, make, and go at any moment. */
import { once } from 'node:events'
import {
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import { SharedResources } from '../../src/broker/shared-resources.js'
import { Sharing, type PendingSharing, type SharingAnswer, type SharingRequest } from '../../src/broker/sharing.js'
import { codeOf } from '../../src/errors.js'
import { bytePath } from '../../src/policy/request.js'
import { Identities } from '../../src/sys/identity.js'
import { OwnedFd } from '../../src/sys/owned-fd.js'
import { Pinned } from '../../src/sys/raw.js'
import { failed } from '../../src/syscalls/outcome.js'

const someFd = (): OwnedFd => new OwnedFd(openSync('/dev/null', 'r'))

/** How many descriptors such as these this process has. */
function held(): number {
  return readdirSync('/proc/self/fd').filter(
    (fd) => isOpen(Number(fd)) && readlinkSync(`/proc/self/fd/${fd}`) === '/dev/null',
  ).length
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch (error) {
    if (codeOf(error) === 'EBADF') return false
    throw error
  }
}

/** A worker with its thread; what they say to each other waits until it is delivered. */
class Peer {
  readonly toMain: SharingRequest[] = []
  readonly toThread: SharingAnswer[] = []
  readonly sharing = new Sharing((request) => void this.toMain.push(request))
  readonly reply = (answer: SharingAnswer): void => void this.toThread.push(answer)

  constructor(readonly register: SharedResources) {}

  deliver(): boolean {
    const request = this.toMain.shift()
    const answer = this.toThread.shift()
    if (request !== undefined) this.register.receive(request, this.reply)
    if (answer !== undefined) this.sharing.receive(answer)
    return request !== undefined || answer !== undefined
  }
}

function settle(...peers: readonly Peer[]): void {
  while (peers.some((peer) => peer.deliver()));
}

describe('a listener', () => {
  test('is made by whoever asks first, and then everybody has the same', () => {
    const register = new SharedResources()
    const [first, second, third] = [new Peer(register), new Peer(register), new Peer(register)]
    const asked = [first, second].map(({ sharing }) => sharing.ask('listen a', ''))
    settle(first, second)
    expect(asked.map((one) => one.result())).toEqual(['make', undefined])
    const made = someFd()
    asked[0]?.made(made)
    settle(first, second)
    const late = third.sharing.ask('listen a', '')
    settle(third)
    expect([asked[1]?.result(), late.result()]).toMatchObject([{ number: made.number }, { number: made.number }])
    register.close()
    expect(isOpen(made.number)).toBe(false)
  })

  test("that could not be made is the next one's to make; so is one whose maker is gone", () => {
    const register = new SharedResources()
    const [first, second, third] = [new Peer(register), new Peer(register), new Peer(register)]
    const asked = [first, second, third].map(({ sharing }) => sharing.ask('listen a', ''))
    settle(first, second, third)
    expect(asked[0]?.result()).toBe('make')
    asked[0]?.made(undefined)
    settle(first, second, third)
    expect(asked[1]?.result()).toBe('make')
    register.left(second.reply)
    settle(third)
    expect(asked[2]?.result()).toBe('make')
  })

  describe('with a path', () => {
    let scratch: string
    let directory: string
    let path: string
    const servers: Server[] = []

    beforeEach(async () => {
      scratch = realpathSync(mkdtempSync(join(tmpdir(), 'sharing-')))
      directory = join(scratch, 'sockets')
      path = join(directory, 'socket')
      mkdirSync(directory)
      const server = createServer().listen(path)
      servers.push(server)
      await once(server, 'listening')
    })

    afterEach(() => {
      for (const server of servers.splice(0)) server.close()
      rmSync(scratch, { recursive: true })
    })

    /** A register with the listener at the path. */
    function registered(): SharedResources {
      const register = new SharedResources()
      const peer = new Peer(register)
      const asked = peer.sharing.ask('listen a', '')
      settle(peer)
      asked.result()
      const file = new Identities().of(AT_FDCWD, new Pinned(path.length + 1).text(path), 0)
      asked.made(someFd(), { path: bytePath(path), ...(failed(file) ? {} : { file }) })
      settle(peer)
      return register
    }

    test('leaves no file behind', () => {
      registered().close()
      expect(existsSync(path)).toBe(false)
    })

    test('leaves none behind in a directory that was moved, and removes nothing where its path leads then', () => {
      const register = registered()
      renameSync(directory, join(scratch, 'moved'))
      mkdirSync(join(scratch, 'other'))
      writeFileSync(join(scratch, 'other/socket'), '')
      symlinkSync('other', directory)
      register.close()
      expect(readdirSync(join(scratch, 'moved'))).toEqual([])
      expect(readdirSync(join(scratch, 'other'))).toEqual(['socket'])
    })

    test('removes no other file that has its name', () => {
      const register = registered()
      rmSync(path)
      writeFileSync(path, '')
      register.close()
      expect(existsSync(path)).toBe(true)
    })
  })
})

describe('an end of a pair', () => {
  test('at most 16 wait for their peer', () => {
    const before = held()
    const register = new SharedResources()
    const peer = new Peer(register)
    for (let count = 0; count < 20; count++) {
      const asked = peer.sharing.ask('pair p', 'here')
      settle(peer)
      expect(asked.result()).toBe('make')
      asked.made(someFd())
      settle(peer)
    }
    expect(held()).toBe(before + 16)
    register.close()
    expect(held()).toBe(before)
  })

  test('that nobody takes any more is closed', () => {
    const register = new SharedResources()
    const [here, there] = [new Peer(register), new Peer(register)]
    const made = here.sharing.ask('pair p', 'here')
    settle(here)
    made.result()
    const fd = someFd()
    const { number } = fd
    made.made(fd)
    settle(here)
    const asked = there.sharing.ask('pair p', 'there')
    there.deliver()
    // Its answer is on the way.
    asked.cancel()
    settle(there)
    expect(isOpen(number)).toBe(false)
  })

  test('whatever happens in whatever order: each end goes to one other, and none is left', () => {
    const step = fc.record({
      peer: fc.nat(3),
      what: fc.constantFrom('ask', 'ask', 'deliver', 'deliver', 'deliver', 'take', 'take', 'cancel', 'fail', 'leave'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const before = held()
        const register = new SharedResources()
        let peers = [0, 1, 2, 3].map(() => new Peer(register))
        const open: { readonly asked: PendingSharing; readonly peer: number; readonly end: string }[] = []
        const made = new Map<number, string>()
        const take = (index: number, fails: boolean): void => {
          const [entry] = open.splice(index, 1)
          const got = entry?.asked.result()
          if (entry === undefined || got === undefined) return entry?.asked.cancel()
          if (got === 'make') {
            const fd = fails ? undefined : someFd()
            if (fd !== undefined) made.set(fd.number, entry.end)
            return entry.asked.made(fd)
          }
          // Of the other name, and of nobody else.
          expect(got).toBeInstanceOf(OwnedFd)
          if (!(got instanceof OwnedFd)) return
          expect(made.get(got.number)).not.toBe(entry.end)
          expect(made.delete(got.number)).toBe(true)
          got.close()
        }
        for (const { peer: at, what } of steps) {
          const peer = peers[at]
          if (peer === undefined) continue
          const mine = open.findIndex((one) => one.peer === at)
          if (what === 'ask')
            open.push({
              asked: peer.sharing.ask('pair p', at % 2 === 0 ? 'here' : 'there'),
              peer: at,
              end: at % 2 === 0 ? 'here' : 'there',
            })
          else if (what === 'deliver') peer.deliver()
          else if (what === 'take' || what === 'fail') take(mine, what === 'fail')
          else if (what === 'cancel' && mine >= 0) open.splice(mine, 1)[0]?.asked.cancel()
          else if (what === 'leave') {
            for (let index = open.length - 1; index >= 0; index--)
              if (open[index]?.peer === at) open.splice(index, 1)[0]?.asked.cancel()
            settle(peer)
            register.left(peer.reply)
            settle(peer)
            peers = peers.map((one) => (one === peer ? new Peer(register) : one))
          }
        }
        for (const { asked } of open) asked.cancel()
        settle(...peers)
        register.close()
        expect(held()).toBe(before)
      }),
      { numRuns: 500 },
    )
  })
})
