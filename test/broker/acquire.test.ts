/** Named resources, with real workers: what each kind gives, what it does not, and that nothing is left of any. */
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { bindOptions } from '../../src/policy/bind.js'
import type { Manifest } from '../../src/policy/manifest.js'
import type { PolicyData } from '../../src/policy/policy.js'
import { parseOptions } from '../../src/policy/schema.js'
import { lookup } from '../../src/project/lookup.js'
import { encodeFrame, Opcode, textFrame } from '../../src/protocol.js'
import { policyData } from '../contracts/rules.js'
import { confine, missing, shared as sharing, SOON, within, type Confined } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'

let scratch: string
let directory: string
let open: Confined[] = []
let count = 0

type Acquired = {
  readonly fd: number
  readonly kind: string
  readonly path?: string
  readonly address?: string
  readonly failure?: string
  readonly text?: string
  readonly errno?: string
}

function policy(manifest: Manifest): PolicyData {
  const { lists, sockets, resources } = bindOptions(parseOptions({ manifest }), {
    root: directory,
    workspace: directory,
    home: directory,
    tmp: directory,
    file: directory,
    searchPath: [],
    lookup,
  })
  return {
    ...policyData([['read +/proc/self/'], ['read +/proc/self/fd/']]),
    lists: [...policyData([['read +/proc/self/'], ['read +/proc/self/fd/']]).lists, ...lists],
    sockets,
    resources,
  }
}

async function worker(
  resources: Manifest['resources'],
  more: Omit<Manifest, 'resources'> = {},
  shared?: Awaited<ReturnType<typeof sharing>>,
): Promise<Confined> {
  const confined = await within(
    SOON,
    'start',
    confine({
      runtime: 'broker/runtime.mjs',
      policy: policy({ ...more, resources: resources ?? {} }),
      ...(shared === undefined ? {} : { shared }),
    }),
  )
  open.push(confined)
  return confined
}

async function acquire(confined: Confined, name: string): Promise<Acquired> {
  // What the worker's own client gives, over a line of JSON.
  return (await within(SOON, `acquire ${name}`, confined.value('acquire', name))) as Acquired
}

/** libc opens files of its own now and then. */
const named = ({ incidents }: Confined) => incidents.filter(({ outcome }) => outcome === 'undeclared')

async function stop(confined: Confined): Promise<void> {
  open = open.filter((one) => one !== confined)
  await within(SOON, 'stop', confined.worker.stop())
}

async function listening(where: string | number): Promise<Server> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', (data) => socket.write(`heard ${data.toString()}`))
  })
  if (typeof where === 'number') server.listen(where, '127.0.0.1')
  else server.listen(where)
  await once(server, 'listening')
  return server
}

/** proc_net(5): of connections in TIME_WAIT (6) on this port of 127.0.0.1. */
function timeWaits(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, from, , state]) => from === local && state === '06').length
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

describe.skipIf(missing !== undefined)(`acquire (${missing ?? 'live'})`, () => {
  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'acquire-')))
    directory = scratch
    // The threads of the host are made once and kept.
    await Promise.all((await Promise.all([worker({}), worker({})])).map(stop))
  })
  beforeEach(() => {
    directory = join(scratch, `${++count}`)
    mkdirSync(join(directory, 'dir/sub'), { recursive: true })
    writeFileSync(join(directory, 'f'), 'content')
    writeFileSync(join(directory, 'dir/sub/g'), 'deep')
  })
  afterEach(async () => {
    for (const confined of open) await stop(confined)
  })
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  describe('files', () => {
    test('one to read: its descriptor, and not its path', async () => {
      const confined = await worker({ seed: { read: 'f' } })
      const { fd, kind, path = '' } = await acquire(confined, 'seed')
      expect([kind, path]).toEqual(['file', join(directory, 'f')])
      expect(
        await confined.value('calls', [
          ['readFileSync', fd, 'latin1'],
          ['writeSync', fd, 'x'],
          ['readFileSync', path],
          ['readFileSync', `/proc/self/fd/${fd}`],
          ['fchmodSync', fd, 0o777],
        ]),
      ).toEqual(['content', 'EBADF', 'EACCES', 'EACCES', 'EACCES'])
    })

    test("each time anew: offsets are nobody else's", async () => {
      const confined = await worker({ seed: { read: 'f' } })
      const [first, second] = [await acquire(confined, 'seed'), await acquire(confined, 'seed')]
      expect(
        await confined.value('calls', [
          ['readFileSync', first.fd, 'latin1'],
          ['readFileSync', second.fd, 'latin1'],
          ['readFileSync', first.fd, 'latin1'],
        ]),
      ).toEqual(['content', 'content', ''])
    })

    test('to write, to append, to empty, to make; none of them by its path', async () => {
      writeFileSync(join(directory, 'log'), 'before ')
      const confined = await worker({
        plain: { write: 'f' },
        log: { write: 'log', append: true },
        empty: { write: 'dir/sub/g', truncate: true },
        fresh: { write: 'new', create: true },
        absent: { write: 'not-there' },
      })
      const fd = async (name: string): Promise<number> => (await acquire(confined, name)).fd
      const [plain, log, empty, fresh] = [await fd('plain'), await fd('log'), await fd('empty'), await fd('fresh')]
      await confined.value('calls', [
        ['writeSync', plain, 'C'],
        ['writeSync', log, 'after'],
        ['writeSync', empty, 'e'],
        ['writeSync', fresh, 'n'],
      ])
      const read = (path: string): string => readFileSync(join(directory, path), 'latin1')
      expect([read('f'), read('log'), read('dir/sub/g'), read('new')]).toEqual(['Content', 'before after', 'e', 'n'])
      expect(statSync(join(directory, 'new')).mode & 0o777).toBe(0o644)
      expect(await acquire(confined, 'absent')).toMatchObject({ failure: 'unavailable', errno: 'ENOENT' })
      expect(
        await confined.value('calls', [
          ['writeFileSync', join(directory, 'f'), 'x'],
          ['unlinkSync', join(directory, 'new')],
          ['fchmodSync', plain, 0o777],
        ]),
      ).toEqual(['EACCES', 'EACCES', 'EACCES'])
    })

    test('a link that took its place is not followed', async () => {
      writeFileSync(join(directory, 'secret'), 'secret')
      const confined = await worker({ seed: { read: 'f' }, below: { read: 'dir/sub/g' } })
      unlinkSync(join(directory, 'f'))
      symlinkSync('secret', join(directory, 'f'))
      renameSync(join(directory, 'dir'), join(directory, 'moved'))
      symlinkSync('moved', join(directory, 'dir'))
      expect(await acquire(confined, 'seed')).toMatchObject({ failure: 'unavailable', errno: 'ELOOP' })
      expect(await acquire(confined, 'below')).toMatchObject({ failure: 'unavailable', errno: 'ELOOP' })
    })

    test('a FIFO is no file to acquire: it would wait for its other end', async () => {
      expect(spawnSync('mkfifo', [join(directory, 'fifo')]).status).toBe(0)
      const confined = await worker({ pipe: { read: 'fifo' } })
      expect(await acquire(confined, 'pipe')).toMatchObject({ failure: 'unavailable', errno: 'EINVAL' })
    })

    test('a directory: what lies in it by its path, from then on', async () => {
      const confined = await worker({ dir: { read: 'dir/' } })
      const deep = join(directory, 'dir/sub/g')
      expect(await confined.value('readFile', deep)).toBe('EACCES')
      const { kind, path } = await acquire(confined, 'dir')
      expect([kind, path]).toEqual(['directory', join(directory, 'dir')])
      expect(
        await confined.value('calls', [
          ['readFileSync', deep, 'latin1'],
          ['readdirSync', path],
          ['writeFileSync', deep, ''],
          ['readFileSync', join(directory, 'f')],
        ]),
      ).toEqual(['deep', ['sub'], 'EACCES', 'EACCES'])
      // Another test file, which has none of it.
      await within(SOON, 'the policy', confined.worker.setPolicy(policy({})))
      expect(await confined.value('readFile', deep)).toBe('EACCES')
      expect(await acquire(confined, 'dir')).toMatchObject({ failure: 'ungranted' })
    })
  })

  describe('connections', () => {
    test('over TCP and a unix socket, without a grant for the address; each time a new one', async () => {
      const tcp = await listening(0)
      const unix = await listening(join(directory, 's'))
      const confined = await worker({ tcp: { connect: `tcp:localhost:${portOf(tcp)}` }, unix: { connect: 'unix:s' } })
      for (const name of ['tcp', 'unix', 'tcp']) {
        const { fd, kind } = await acquire(confined, name)
        expect(kind).toBe('socket')
        expect(await within(SOON, 'the talk', confined.value('talk', fd, 'hello'))).toBe('heard hello')
      }
      expect(await confined.value('connectTo', { port: portOf(tcp), host: '127.0.0.1' })).toBe('EACCES')
      expect(await confined.value('connectTo', { path: join(directory, 's') })).toBe('EACCES')
      await stop(confined)
      tcp.close()
      unix.close()
    })

    test.each([
      ['has it, too, is given it', { late: { connect: 'unix:s' } }, { kind: 'socket' }],
      ['has it no more, is refused it', {}, { failure: 'ungranted' }],
    ] as const)('one that waits, for a worker whose next test file %s', async (_, next, expected) => {
      const path = join(directory, 's')
      const listen = `createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => console.log('up'))`
      const server = spawn(process.execPath, ['-e', `require('net').${listen}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        await once(server.stdout, 'data')
        // Nobody takes what fills its queue.
        server.kill('SIGSTOP')
        const queue = Array.from({ length: 3 }, () => connect(path).on('error', () => {}))
        const confined = await worker({ late: { connect: 'unix:s' } })
        const answer = acquire(confined, 'late')
        await new Promise((resolve) => setTimeout(resolve, 300))
        await within(SOON, 'the policy', confined.worker.setPolicy(policy({ resources: next })))
        for (const socket of queue) socket.destroy()
        server.kill('SIGCONT')
        expect(await answer).toMatchObject(expected)
      } finally {
        server.kill('SIGKILL')
      }
    })

    test('nobody there: the reason, and the name', async () => {
      const server = await listening(0)
      const port = portOf(server)
      server.close()
      await once(server, 'close')
      const confined = await worker({ db: { connect: `tcp:localhost:${port}` }, gone: { connect: 'unix:not-there' } })
      expect(await acquire(confined, 'db')).toEqual({
        failure: 'unavailable',
        errno: 'ECONNREFUSED',
        text: `the resource 'db' (connect: tcp:localhost:${port}) could not be opened: ECONNREFUSED`,
      })
      expect(await acquire(confined, 'gone')).toMatchObject({ failure: 'unavailable', errno: 'ENOENT' })
    })

    test('over UDP: to that peer, and to nobody else', async () => {
      const peer = createSocket('udp4').bind(0, '127.0.0.1')
      await once(peer, 'listening')
      const confined = await worker({ metrics: { connect: `udp:127.0.0.1:${peer.address().port}` } })
      const { fd, kind } = await acquire(confined, 'metrics')
      const heard = once(peer, 'message')
      expect(await confined.value('calls', [['writeSync', fd, 'a packet']])).toEqual([8])
      expect([kind, String((await within(SOON, 'the packet', heard))[0])]).toEqual(['datagram', 'a packet'])
      peer.close()
    })
  })

  describe('listeners', () => {
    test('a port of its own for each worker, the same one each time; what it listens on it may connect to', async () => {
      const [first, second] = await Promise.all([
        worker({ web: { listen: 'tcp:127.0.0.1:0' } }),
        worker({ web: { listen: 'tcp:127.0.0.1:0' } }),
      ])
      const [one, again, other] = [
        await acquire(first, 'web'),
        await acquire(first, 'web'),
        await acquire(second, 'web'),
      ]
      expect(one.kind).toBe('server')
      expect(one.address).toMatch(/^tcp:127\.0\.0\.1:\d+$/)
      expect(again.address).toBe(one.address)
      expect(again.fd).not.toBe(one.fd)
      expect(other.address).not.toBe(one.address)
      const port = (acquired: Acquired): number => Number(acquired.address?.split(':').at(-1))
      expect(await within(SOON, 'serving', first.value('serve', one.fd, null, port(one)))).toBe('hello')
      expect(await first.value('connectTo', { port: port(other), host: '127.0.0.1' })).toBe('EACCES')
    })

    test('a port on which connections are in TIME_WAIT, as those of the run before are', async () => {
      const server = createServer((socket) => socket.end())
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const port = portOf(server)
      // Who closes first keeps the port: tcp(7). That is the server here.
      const client = connect(port, '127.0.0.1').resume()
      await once(client, 'close')
      await new Promise((resolve) => void server.close(resolve))
      await vi.waitFor(() => expect(timeWaits(port)).toBeGreaterThan(0), { timeout: SOON })
      const plain = createServer().listen({ port, host: '127.0.0.1' })
      await once(plain, 'listening')
      await new Promise((resolve) => void plain.close(resolve))
      const confined = await worker({ web: { listen: `tcp:127.0.0.1:${port}`, share: 'run' } }, {}, await sharing())
      expect(await acquire(confined, 'web')).toMatchObject({ kind: 'server', address: `tcp:127.0.0.1:${port}` })
    })

    test('a unix socket, which is there for as long as the worker', async () => {
      const confined = await worker({ web: { listen: 'unix:<tmp>/web.sock' } })
      const { fd, address } = await acquire(confined, 'web')
      const path = join(directory, 'web.sock')
      expect(address).toBe(`unix:${path}`)
      expect(await within(SOON, 'serving', confined.value('serve', fd, path, 0))).toBe('hello')
    })

    test('shared by the run: one address, whoever asks first; gone with the run', async () => {
      const before = descriptors()
      const together = await sharing()
      const resources = {
        web: { listen: 'tcp:127.0.0.1:0', share: 'run' },
        sock: { listen: `unix:${directory}/shared.sock`, share: 'run' },
      } as const
      const workers = await Promise.all([worker(resources, {}, together), worker(resources, {}, together)])
      const [a, b] = await Promise.all(workers.map((one) => acquire(one, 'web')))
      expect(a?.address).toMatch(/^tcp:127\.0\.0\.1:\d+$/)
      expect(b?.address).toBe(a?.address)
      const sockets = await Promise.all(workers.map((one) => acquire(one, 'sock')))
      expect(sockets.map(({ address }) => address)).toEqual([
        `unix:${directory}/shared.sock`,
        `unix:${directory}/shared.sock`,
      ])
      await Promise.all(workers.map(stop))
      const later = await worker(resources, {}, together)
      expect((await acquire(later, 'web')).address).toBe(a?.address)
      await stop(later)
      expect(existsSync(`${directory}/shared.sock`)).toBe(true)
      together.close()
      expect(existsSync(`${directory}/shared.sock`)).toBe(false)
      await asBefore(before)
    })

    test('an address that somebody has already', async () => {
      const server = await listening(0)
      const confined = await worker({ web: { listen: `tcp:127.0.0.1:${portOf(server)}`, share: 'run' } })
      expect(await acquire(confined, 'web')).toMatchObject({ failure: 'unavailable', errno: 'EADDRINUSE' })
      server.close()
    })
  })

  describe('pairs', () => {
    const resources = { alice: { pair: 'line' }, bob: { pair: 'line' } } as const

    test('the n-th of one end talks to the n-th of the other, in whatever order they come', async () => {
      const together = await sharing()
      const [alice, bob] = await Promise.all([worker(resources, {}, together), worker(resources, {}, together)])
      for (const order of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        const ends = new Map<Confined, Acquired>()
        for (const one of order) ends.set(one, await acquire(one, one === alice ? 'alice' : 'bob'))
        const fd = (one: Confined): number => ends.get(one)?.fd ?? -1
        const [heardByBob, heardByAlice] = await within(
          SOON,
          'the talk',
          Promise.all([bob.value('talk', fd(bob), 'from bob'), alice.value('talk', fd(alice), 'from alice')]),
        )
        expect([heardByBob, heardByAlice]).toEqual(['from alice', 'from bob'])
      }
      await Promise.all([stop(alice), stop(bob)])
      together.close()
    })

    test('what one end said before it went is still heard; an end whose peer went without a word is not given out', async () => {
      const before = descriptors()
      const together = await sharing()
      const alice = await worker(resources, {}, together)
      // Taken, and never used.
      await acquire(alice, 'alice')
      await stop(alice)
      const again = await worker(resources, {}, together)
      const { fd } = await acquire(again, 'alice')
      await within(SOON, 'a word', again.value('talk', fd, 'last words', { hangUp: false, hear: false }))
      await stop(again)
      const bob = await worker(resources, {}, together)
      const end = await acquire(bob, 'bob')
      expect(await within(SOON, 'the words', bob.value('talk', end.fd, ''))).toBe('last words')
      await stop(bob)
      together.close()
      await asBefore(before)
    })
  })

  describe('names', () => {
    test.each(['db', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'Web', 'web.', 'a'.repeat(64)])(
      '%s is not granted, and that is a violation',
      async (name) => {
        const confined = await worker({ web: { listen: 'tcp:127.0.0.1:0' } })
        const answer = await acquire(confined, name)
        expect(answer.failure).toBe(name === '__proto__' ? 'malformed' : 'ungranted')
        await confined.worker.settled()
        expect(named(confined)).toMatchObject(name === '__proto__' ? [] : [{ outcome: 'undeclared', name }])
      },
    )

    test('the nearest name is told', async () => {
      const confined = await worker({ database: { read: 'f' }, web: { listen: 'tcp:127.0.0.1:0' } })
      expect(await acquire(confined, 'databse')).toEqual({
        failure: 'ungranted',
        text: "this test file has no resource 'databse': did you mean 'database'?",
      })
      expect(await acquire(confined, 'xyzzy')).toEqual({
        failure: 'ungranted',
        text: "this test file has no resource 'xyzzy': it has 'database' and 'web'",
      })
    })

    test.each([
      ['NUL', 'web\0'],
      ['too long', 'a'.repeat(65)],
      ['empty', ''],
      ['a path', '../web'],
      ['not ASCII', 'wéb'],
    ])('%s on the wire is malformed, and nothing else happens', async (_, name) => {
      const confined = await worker({ web: { listen: 'tcp:127.0.0.1:0' } })
      await confined.value('send', [Buffer.from(textFrame(Opcode.acquire, name, 77)).toString('hex')])
      expect((await acquire(confined, 'web')).kind).toBe('server')
      await stop(confined)
      expect([named(confined), confined.faults]).toEqual([[], []])
    })
  })

  test('report: what may be used, in pages', async () => {
    const entries = Array.from({ length: 3000 }, (_, index) => `data/${'x'.repeat(60)}-${index}`)
    const confined = await worker(
      { web: { listen: 'tcp:127.0.0.1:0' }, seed: { read: 'f' } },
      { read: entries, connect: ['tcp:127.0.0.1:5432'] },
    )
    // What granted() of the client gives, over a line of JSON.
    const { mode, items } = (await within(SOON, 'granted', confined.value('granted'))) as {
      mode: string
      items: { list: string; entry: string }[]
    }
    expect(mode).toBe('enforce')
    expect(items.filter(({ list }) => list === 'read').map(({ entry }) => entry)).toEqual(
      expect.arrayContaining(entries),
    )
    expect(items.slice(-3)).toEqual([
      { list: 'connect', entry: 'tcp:127.0.0.1:5432' },
      { list: 'resources', entry: 'web', kind: 'server' },
      { list: 'resources', entry: 'seed', kind: 'file' },
    ])
  })

  describe('on the wire', () => {
    const hex = (frame: Uint8Array): string => Buffer.from(frame).toString('hex')

    test('thousands of requests whose answers nobody reads: no descriptor more, and the rest of the world goes on', async () => {
      const both = (): Promise<Confined[]> =>
        Promise.all([worker({ seed: { read: 'f' } }), worker({ seed: { read: 'f' } })])
      // The two threads that serve them stay for a while, each with an event loop.
      for (const first of await both()) await stop(first)
      const before = descriptors()
      const [confined, other] = await both()
      if (confined === undefined || other === undefined) throw new Error('two were started')
      const flood = confined.ask('flood', hex(textFrame(Opcode.acquire, 'seed', 7)), 2 ** 30)
      for (let round = 0; round < 50; round++) {
        const { fd } = await acquire(other, 'seed')
        expect(
          await other.value('calls', [
            ['readFileSync', fd, 'latin1'],
            ['closeSync', fd],
          ]),
        ).toEqual(['content', null])
        expect(descriptors().length - before.length).toBeLessThan(100)
      }
      await within(SOON, 'the policy', confined.worker.setPolicy(policy({})))
      await stop(confined)
      await stop(other)
      expect(await flood).toBeUndefined()
      expect([confined.faults, other.faults]).toEqual([[], []])
      await asBefore(before)
    })

    test('many at once, read late: each is answered, with its own id', async () => {
      const confined = await worker({ seed: { read: 'f' } })
      const requests = Array.from({ length: 300 }, (_, index) =>
        hex(textFrame(Opcode.acquire, index % 2 === 0 ? 'seed' : 'nothing', 1000 + index)),
      )
      const answers = await within(SOON, 'the answers', confined.value('pipeline', requests))
      expect(answers).toEqual(
        requests.map((_, index) => [1000 + index, index % 2 === 0 ? Opcode.acquired : Opcode.error, index % 2 === 0]),
      )
    })

    test('without room for another descriptor it says so, and with room it works again', async () => {
      const confined = await worker({ seed: { read: 'f' } })
      const limit = Number(await confined.value('descriptors')) + 5
      expect(spawnSync('prlimit', ['--pid', `${confined.worker.pid}`, `--nofile=${limit}:${limit}`]).status).toBe(0)
      const got: Acquired[] = []
      for (let last: Acquired | undefined; last?.failure === undefined && got.length < 50; got.push(last))
        last = await acquire(confined, 'seed')
      expect(got.at(-1)).toEqual({ failure: 'full', text: 'this process has no room for another descriptor (EMFILE)' })
      expect(got.length).toBeGreaterThan(1)
      await confined.value('calls', [['closeSync', got[0]?.fd]])
      expect((await acquire(confined, 'seed')).kind).toBe('file')
    })

    test('the same request again and again is the same again', async () => {
      const confined = await worker({ seed: { read: 'f' } })
      const answers = await within(
        SOON,
        'the answers',
        confined.value(
          'pipeline',
          Array.from({ length: 5 }, () => hex(textFrame(Opcode.acquire, 'seed', 9))),
        ),
      )
      expect(answers).toEqual(Array.from({ length: 5 }, () => [9, Opcode.acquired, true]))
    })

    test.each(['acquired', 'reported', 'error'] as const)(
      '%s, which only the parent sends, ends the channel',
      async (opcode) => {
        const confined = await worker({ seed: { read: 'f' } })
        await confined.ask('send', [hex(encodeFrame({ opcode: Opcode[opcode], id: 1, body: new Uint8Array(4) }))])
        expect(await acquire(confined, 'seed')).toMatchObject({ failure: 'closed' })
        await stop(confined)
        expect(confined.faults).toEqual(['a frame that only the parent sends'])
      },
    )

    test.each(['acquire', 'report'] as const)('%s before the hello ends the start', async (opcode) => {
      const start = confine({
        runtime: 'broker/asks-early.mjs',
        policy: policy({ resources: { seed: { read: 'f' } } }),
        env: { EARLY_FRAME: hex(textFrame(Opcode[opcode], 'seed')) },
      })
      // Whichever is told first: the breach, or the worker's end, whose channel was closed on it, with or without its last words.
      await expect(within(SOON, 'start', start)).rejects.toThrow(
        /a request before its hello|the channel to the broker|the process ended with exit code [1-9]/,
      )
    })

    test('more than 64 that wait: the rest is told so, and those that wait get what they asked for in the end', async () => {
      const path = join(directory, 'full')
      const listens =
        "require('node:net').createServer((socket) => socket.on('error', () => {})).listen({ path: process.argv[1], backlog: 1 }, () => process.send('up'))"
      const server = spawn(process.execPath, ['-e', listens, path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      await once(server, 'message')
      server.kill('SIGSTOP')
      const confined = await worker({ full: { connect: 'unix:full' } })
      const requests = Array.from({ length: 100 }, (_, index) => hex(textFrame(Opcode.acquire, 'full', index)))
      const sent = once(confined.worker.stdout, 'data')
      const answers = confined.value('pipeline', requests, 60_000)
      await within(SOON, 'the requests', sent)
      server.kill('SIGCONT')
      // What the worker counted: id, opcode, with a descriptor.
      const got = (await within(SOON, 'the answers', answers)) as [number, number, boolean][]
      const busy = got.filter(([, opcode]) => opcode === Opcode.error)
      expect(new Set(got.map(([id]) => id)).size).toBe(100)
      expect(busy.length).toBeGreaterThan(20)
      expect(got.length - busy.length).toBeGreaterThanOrEqual(64)
      expect(got.every(([, opcode, hasDescriptor]) => hasDescriptor === (opcode === Opcode.acquired))).toBe(true)
      server.kill('SIGKILL')
    })

    test('an end that is shut for writing, or for reading, ends the channel and nothing else', async () => {
      const before = descriptors()
      for (const how of [0, 1, 2]) {
        const confined = await worker({ seed: { read: 'f' } }, { read: ['f'] })
        await confined.value('shutdown', how)
        expect(await acquire(confined, 'seed')).toMatchObject({ failure: 'closed' })
        expect(await within(SOON, 'the worker', confined.value('readFile', join(directory, 'f')))).toBe('content')
        await stop(confined)
        expect(confined.faults).toEqual([])
      }
      await asBefore(before)
    })
  })
})
