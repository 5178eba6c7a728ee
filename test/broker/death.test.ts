/** Fail closed: without its broker a worker gets nothing, and without its parent it ends. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FromBroker, ToBroker } from '../../src/broker/messages.js'
import { policyData } from '../contracts/rules.js'
import { DIST, Lines, missing, within } from './confined.js'

const SOON = 10_000
const fixture = (name: string): string =>
  pathToFileURL(fileURLToPath(new URL(`../../fixtures/targets/broker/${name}`, import.meta.url))).href

/** A broker thread of our own and one worker, put together as the host does it, so that the thread can be told to let go. */
class Pair {
  readonly received: FromBroker[] = []
  readonly #watching: (() => void)[] = []

  private constructor(
    readonly child: ChildProcess,
    readonly lines: Lines,
    readonly tell: (command: ToBroker) => void,
  ) {}

  static async start(directory: string): Promise<Pair> {
    const { Bell, socketPair } = await import('../../src/sys/io.js')
    const { hostArch } = await import('../../src/sys/host.js')
    const { compile } = await import('../../src/bpf/compile.js')
    const { encode } = await import('../../src/bpf/instruction.js')
    const { workerFilter } = await import('../../src/syscalls/filter.js')
    const bell = new Bell()
    const { port1, port2 } = new MessageChannel()
    const thread = new Worker(join(DIST, 'threads/broker.js'), {
      workerData: {
        bell: bell.fd.number,
        port: port2,
        counters: new Int32Array(new SharedArrayBuffer(16)),
        loaded: new Int32Array(new SharedArrayBuffer(4)),
      },
      transferList: [port2],
    })
    thread.unref()
    port1.unref()
    const [channel, channelChild] = socketPair('packets')
    const [rpc, rpcChild] = socketPair('stream')
    const child = spawn(process.execPath, [join(DIST, 'threads/child.cjs')], {
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', channelChild.number, rpcChild.number],
    })
    channelChild.close()
    rpcChild.close()
    const lines = new Lines(new Socket({ fd: rpc.release(), readable: true, writable: true }))
    const pair = new Pair(child, lines, (command) => {
      port1.postMessage(command)
      bell.ring()
    })
    port1.on('message', (message: FromBroker) => {
      pair.received.push(message)
      for (const look of pair.#watching) look()
    })
    pair.tell({
      type: 'attach',
      pid: child.pid ?? 0,
      channel: channel.release(),
      policy: policyData([[`write +${directory}/`]]),
      denied: 'eacces',
      execAuthority: 'landlock',
      ledger: false,
      setup: {
        filter: Buffer.from(encode(compile(workerFilter(hostArch())))).toString('base64'),
        landlock: [{ path: '/', right: 'read' }],
        runner: 'node:path',
        preload: [],
        runtime: fixture('runtime.mjs'),
      },
    })
    await pair.heard('hello')
    return pair
  }

  heard(type: FromBroker['type']): Promise<void> {
    return within(
      SOON,
      type,
      new Promise((resolve) => {
        const look = (): void => {
          if (this.received.some((message) => message.type === type)) resolve()
        }
        this.#watching.push(look)
        look()
      }),
    )
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill('SIGKILL')
    await within(SOON, 'exit', gone)
    this.tell({ type: 'exit' })
  }
}

describe.skipIf(missing !== undefined)(`without a broker (${missing ?? 'live'})`, () => {
  let directory: string
  beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'death-')))
    writeFileSync(join(directory, 'f'), 'content')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('every call that needs it fails with ENOSYS, the one that waits as well', async () => {
    const pair = await Pair.start(directory)
    expect(await pair.lines.value('readFile', join(directory, 'f'))).toBe('content')
    const { spawnSync } = await import('node:child_process')
    spawnSync('mkfifo', [join(directory, 'p')])
    await pair.lines.value('start', 'reader', 'open', join(directory, 'p'), 'r')
    expect(await pair.lines.value('readFile', join(directory, 'f'))).toBe('content')
    pair.tell({ type: 'detach' })
    await pair.heard('ended')
    expect(await within(SOON, 'the waiting one', pair.lines.value('finish', 'reader'))).toBe('ENOSYS')
    for (const path of [join(directory, 'f'), '/etc/passwd', '/proc/self/status', '/dev/null']) {
      expect(await within(SOON, 'the worker', pair.lines.value('readFile', path))).toBe('ENOSYS')
    }
    expect(await within(SOON, 'the worker', pair.lines.value('exists', join(directory, 'f')))).toBe(false)
    await pair.end()
  })

  test('a parent that is killed takes its workers with it, spinning ones too', async () => {
    const args = [
      fileURLToPath(fixture('parent.mjs')),
      pathToFileURL(join(DIST, 'broker/host.js')).href,
      fixture('runtime.mjs'),
    ]
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const said = await within(
      SOON,
      'the parent',
      new Promise<string>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(data.toString()))),
    )
    const pid = Number(said)
    expect(existsSync(`/proc/${pid}`)).toBe(true)
    const gone = new Promise((resolve) => parent.once('exit', resolve))
    parent.kill('SIGKILL')
    await within(SOON, 'exit', gone)
    await within(
      SOON,
      'the end of the worker',
      until(() => !existsSync(`/proc/${pid}`)),
    )
  })
})

/** The worker is not our child, so there is nothing to wait for but its absence. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}
