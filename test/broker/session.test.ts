/** Sessions of real workers: who waits for whom, how each state ends, and that nothing is left behind. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { X32_SYSCALL_BIT } from '../../src/abi/arch.js'
import { markFrame, Opcode, textFrame } from '../../src/protocol.js'
import { numberOf } from '../../src/sys/raw.js'
import { policyData } from '../contracts/rules.js'
import { SLOW } from '../slow.js'
import { confine, host, missing, SOON, within, type Confined } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'

let scratch: string
let directory: string
let open: Confined[] = []
let count = 0

const policy = () =>
  policyData([
    [`write +${scratch}/`],
    ['read +/proc/self/'],
    ['read +/dev/null'],
    ['read +/proc/sys/vm/overcommit_memory'],
  ])

async function worker(): Promise<Confined> {
  const confined = await within(SOON, 'start', confine({ runtime: 'broker/runtime.mjs', policy: policy() }))
  open.push(confined)
  return confined
}

async function stop(confined: Confined): Promise<void> {
  open = open.filter((one) => one !== confined)
  await within(SOON, 'stop', confined.worker.stop())
}

const fifo = (name: string): string => {
  const path = join(directory, name)
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
  return path
}

describe.skipIf(missing !== undefined)(`sessions (${missing ?? 'live'})`, () => {
  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'session-')))
    directory = scratch
    // The threads of the host are made once and kept, and each keeps a pipe from the first FIFO on.
    const path = fifo('first')
    const workers = await Promise.all([worker(), worker(), worker()])
    for (const confined of workers) await confined.value('start', 'reader', 'open', path, 'r')
    for (const confined of workers) await confined.value('readFile', '/dev/null')
    await Promise.all(workers.map(stop))
  })
  beforeEach(() => {
    directory = join(scratch, `${++count}`)
    mkdirSync(directory)
    writeFileSync(join(directory, 'f'), 'content')
  })
  afterEach(async () => {
    for (const confined of open) await stop(confined)
  })
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  test('a worker that waits for a FIFO holds up neither another worker nor itself', async () => {
    const path = fifo('p')
    const [waits, works] = await Promise.all([worker(), worker()])
    await waits.value('start', 'reader', 'open', path, 'r')
    for (let round = 0; round < 100; round++) {
      expect(await works.value('readFile', join(directory, 'f'))).toBe('content')
      expect(await waits.value('readFile', join(directory, 'f'))).toBe('content')
    }
    closeSync(openSync(path, 'w'))
    expect(await within(SOON, 'the reader', waits.value('finish', 'reader'))).toBe('open true')
  })

  test('a worker that is caught in a call before it can say hello comes up all the same', async () => {
    const confined = await within(SOON, 'start', confine({ runtime: 'broker/caught-early.mjs', policy: policy() }))
    open.push(confined)
    expect(await confined.value('readFile', join(directory, 'f'))).toBe('content')
  })

  test('a worker that waits for a FIFO is decided again once another policy is in force', async () => {
    const confined = await worker()
    const path = fifo('p')
    await confined.value('start', 'writer', 'open', path, 'w')
    expect(await confined.value('readFile', join(directory, 'f'))).toBe('content')
    await within(SOON, 'the policy', confined.worker.setPolicy(policyData([[`read +${scratch}/`]])))
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    expect(await within(SOON, 'the writer', confined.value('finish', 'writer'))).toBe('EACCES')
    closeSync(reader)
  })

  test('two threads of one worker meet at a FIFO, whoever comes first', async () => {
    const confined = await worker()
    for (const [first, second] of [
      ['r', 'w'],
      ['w', 'r'],
    ] as const) {
      const path = fifo(`p${first}`)
      await confined.value('start', 'first', 'open', path, first)
      await confined.value('start', 'second', 'open', path, second)
      expect(await within(SOON, 'the first', confined.value('finish', 'first'))).toBe('open true')
      expect(await within(SOON, 'the second', confined.value('finish', 'second'))).toBe('open true')
    }
  })

  test('two workers meet at a FIFO', async () => {
    const path = fifo('p')
    const [reader, writer] = await Promise.all([worker(), worker()])
    await writer.value('start', 'end', 'open', path, 'w')
    await reader.value('start', 'end', 'open', path, 'r')
    expect(await within(SOON, 'the writer', writer.value('finish', 'end'))).toBe('open true')
    expect(await within(SOON, 'the reader', reader.value('finish', 'end'))).toBe('open true')
  })

  describe('the end', () => {
    const gone = (confined: Confined): boolean => !existsSync(`/proc/${confined.worker.pid}`)

    test('of an idle worker', async () => {
      const confined = await worker()
      await stop(confined)
      expect(gone(confined)).toBe(true)
    })

    test.skipIf(process.arch !== 'x64')('of one that calls the kernel by another ABI, and is told of', async () => {
      const confined = await worker()
      const number = X32_SYSCALL_BIT + numberOf('getpid')
      expect(await confined.ask('call', number)).toBeUndefined()
      expect(await within(SOON, 'the end', confined.worker.exited)).toMatchObject({ signal: 'SIGSYS' })
      await stop(confined)
      expect(confined.incidents).toMatchObject([{ outcome: 'forbidden', violation: true, call: `syscall ${number}` }])
    })

    test('of one that was asked to end twice', async () => {
      const confined = await worker()
      await Promise.all([stop(confined), within(SOON, 'the second stop', confined.worker.stop())])
      expect(gone(confined)).toBe(true)
    })

    test('of one that waits for a FIFO: its end of the FIFO goes with it', async () => {
      const path = fifo('p')
      const confined = await worker()
      await confined.value('start', 'reader', 'open', path, 'r')
      await confined.value('start', 'writer', 'open', fifo('q'), 'w')
      await confined.value('readFile', join(directory, 'f'))
      await stop(confined)
      expect(gone(confined)).toBe(true)
      expect(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)).toThrow('ENXIO')
    })

    test('of one that spins', async () => {
      const confined = await worker()
      const answer = confined.ask('spin')
      await stop(confined)
      expect(await answer).toBeUndefined()
      expect(gone(confined)).toBe(true)
    })

    test('of one that never gets ready, or cannot', async () => {
      const before = descriptors()
      for (const [runtime, stageTimeout, message, execArgv] of [
        [
          'never-ready',
          5000 * SLOW,
          /\(loading the runner\): no progress for [\d.]+ m?s\. The machine's load is \d+\.\d on \d+ CPU/,
          [],
        ],
        ['fails-to-load', SOON, /this runtime cannot be loaded/, []],
        // It waits for a debugger before its first line.
        ['never-ready', 1000, /\(boot\): no progress for 1 s\. The machine's load is \d/, ['--inspect-brk=0']],
      ] as const) {
        const file = fileURLToPath(new URL(`../../fixtures/targets/broker/${runtime}.mjs`, import.meta.url))
        const setup = {
          landlock: [{ path: '/', right: 'read' as const }],
          runner: 'node:path',
          preload: [],
          runtime: pathToFileURL(file).href,
        }
        const start = (await host()).start({
          execArgv,
          env: {},
          policy: policy(),
          denied: 'eacces',
          stageTimeout,
          setup,
          onIncident: () => {},
          onFault: () => {},
        })
        await expect(within(SOON, 'start', start)).rejects.toThrow(message)
      }
      await asBefore(before)
    })

    test('of one that was up and has ended before this process looked', async () => {
      const { href } = new URL('../../fixtures/targets/broker/ends-at-once.mjs', import.meta.url)
      const setup = {
        landlock: [{ path: '/', right: 'read' as const }],
        runner: 'node:path',
        preload: [],
        runtime: href,
      }
      const start = (await host()).start({
        execArgv: [],
        env: {},
        policy: policy(),
        denied: 'eacces',
        stageTimeout: SOON,
        // Read when the process is on its way. By the time that this thread hears again, it is up and has ended: two threads tell.
        get setup() {
          setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000 * SLOW))
          return setup
        },
        onIncident: () => {},
        onFault: () => {},
      })
      const started = await within(SOON, 'start', start)
      expect(await within(SOON, 'exit', started.exited)).toMatchObject({ code: 0 })
      await started.stop()
    })

    test('at any moment, by SIGKILL: no descriptor, no FIFO end, no process is left', async () => {
      const before = descriptors()
      await fc.assert(
        fc.asyncProperty(fc.nat(300), fc.boolean(), async (turns, waits) => {
          const confined = await worker()
          const path = fifo(`p${confined.worker.pid}`)
          if (waits) await confined.value('start', 'reader', 'open', path, 'r')
          void confined.ask('busy', directory)
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
          process.kill(confined.worker.pid, 'SIGKILL')
          expect(await within(SOON, 'exit', confined.worker.exited)).toMatchObject({ signal: 'SIGKILL' })
          await stop(confined)
          expect(gone(confined)).toBe(true)
          expect(confined.faults).toEqual([])
          expect(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)).toThrow('ENXIO')
        }),
        { numRuns: 12 },
      )
      await asBefore(before)
    })
  })

  describe('what a worker writes on the channel', () => {
    const bytes = (frame: Uint8Array): string => Buffer.from(frame).toString('hex')
    const header = Buffer.from(textFrame(Opcode.mark, ''))
    const spoiled = (offset: number, value: number): string => {
      const frame = Buffer.from(header)
      frame.writeUInt8(value, offset)
      return frame.toString('hex')
    }
    const hostile: [string, string][] = [
      ['short', '53'],
      ['empty header', '00'.repeat(16)],
      ['another magic', spoiled(0, 0)],
      ['another version', spoiled(2, 9)],
      ['an unknown opcode', spoiled(3, 99)],
      ['a wrong length', spoiled(8, 1)],
      ['a reserved bit', spoiled(12, 1)],
      ['what only the parent sends', bytes(textFrame(Opcode.welcome, ''))],
      ['a setup', bytes(textFrame(Opcode.setup, '{}'))],
      ['a second hello', bytes(textFrame(Opcode.hello, '3 7 1'))],
      ['too much', '00'.repeat(70_000)],
    ]

    test.each(hostile)('%s: closes that channel, tells it once, and harms nobody', async (_, frame) => {
      const [confined, other] = await Promise.all([worker(), worker()])
      await confined.ask('send', [frame, frame])
      expect(await within(SOON, 'the worker', confined.value('readFile', join(directory, 'f')))).toBe('content')
      await other.value('send', [bytes(textFrame(Opcode.busy, '3 4'))])
      expect(await within(SOON, 'the other', other.value('readFile', join(directory, 'f')))).toBe('content')
      await stop(confined)
      expect(confined.faults).toHaveLength(1)
      expect(other.faults).toEqual([])
    })

    test('a flood of frames holds up neither the policy nor the end', async () => {
      const confined = await worker()
      const flood = confined.ask('flood', bytes(textFrame(Opcode.busy, 'x'.repeat(500))), 2 ** 30)
      await within(SOON, 'the policy', confined.worker.setPolicy(policy()))
      await stop(confined)
      expect(await flood).toBeUndefined()
    })

    test('which test runs names the test in what is recorded, and nothing else', async () => {
      const confined = await worker()
      const mark = { file: 'a.test.ts', id: 'id1', test: 'reads what it must not', concurrent: false }
      await confined.value('mark', mark)
      expect(await confined.value('readFile', '/etc/passwd')).toBe('EACCES')
      await confined.value('mark', { ...mark, id: 'id2', concurrent: true })
      expect(await confined.value('readFile', '/etc/passwd')).toBe('EACCES')
      await confined.worker.settled()
      expect(confined.incidents).toMatchObject([
        { outcome: 'denied', label: mark },
        { outcome: 'denied', label: { id: 'id2', concurrent: true } },
      ])
    })

    test.each([0, 1, 3, 4, 1000, 2 ** 31, 2 ** 32 - 1])(
      'descriptor %d, where a worker says that it says so, is as good as nothing said',
      async (descriptor) => {
        const confined = await worker()
        await confined.value('send', [bytes(markFrame(descriptor)), bytes(textFrame(Opcode.mark, 'nowhere'))])
        expect(await confined.value('readFile', '/etc/passwd')).toBe('EACCES')
        await confined.worker.settled()
        expect(confined.incidents).toMatchObject([{ outcome: 'denied', label: undefined }])
        expect(confined.faults).toEqual([])
      },
    )
  })

  test('without room for another descriptor a call fails with EMFILE, and with room it works again', async () => {
    const before = descriptors()
    const confined = await worker()
    const limit = 60
    expect(spawnSync('prlimit', ['--pid', `${confined.worker.pid}`, `--nofile=${limit}:${limit}`]).status).toBe(0)
    const answer = await within(SOON, 'the worker', confined.value('exhaust', join(directory, 'f')))
    expect(answer).toMatchObject({ code: 'EMFILE', others: ['EMFILE', 'EMFILE', 7], again: 'content' })
    await stop(confined)
    expect(confined.faults).toEqual([])
    await asBefore(before)
  })

  test('a storm of signals makes no call happen twice, and none not at all', async () => {
    const confined = await worker()
    const ready = new Promise<void>((resolve) => confined.worker.stdout.once('data', () => resolve()))
    const over = new AbortController()
    const answer = confined.value('storm', directory, 300).finally(() => over.abort())
    await within(SOON, 'the start', ready)
    let sent = 0
    while (!over.signal.aborted) {
      for (const signal of ['SIGWINCH', 'SIGUSR2', 'SIGWINCH'] as const) process.kill(confined.worker.pid, signal)
      sent += 3
      await new Promise((resolve) => setImmediate(resolve))
    }
    // The 300 moved directories, and the file that was there.
    expect(await within(SOON, 'the storm', answer)).toBe(301)
    expect(sent).toBeGreaterThan(100)
  })
})
