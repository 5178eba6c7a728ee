/** A thread of the broker that ends by an error: its worker is ended, nobody waits for it, and the next one has another. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { repository } from '../harness/confined.js'
import { confine, DIST, missing, SOON, within, type Confined } from './confined.js'

const LARGE = 16 << 20
describe.skipIf(missing !== undefined)(`a thread that is lost (${missing ?? 'live'})`, () => {
  let scratch: string
  let dist: string
  const at = (name: string): string => join(scratch, name)
  /** Has the next thread of a kind throw, once it comes to where it does. */
  const armed = (kind: 'helper' | 'spawner' | 'call' | 'broker'): void => writeFileSync(at(`armed-${kind}`), '')
  const isArmed = (kind: string): string => `require('node:fs').existsSync(${JSON.stringify(at(`armed-${kind}`))})`
  const disarm = (kind: string): string => `require('node:fs').rmSync(${JSON.stringify(at(`armed-${kind}`))})`
  const start = (lane?: string): Promise<Confined> =>
    confine({
      runtime: 'broker/runtime.mjs',
      policy: policyData([[`write +${scratch}/files/`]]),
      dist,
      ...(lane === undefined ? {} : { lane: { name: lane, most: 1 } }),
    })

  beforeAll(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'lost-threads-')))
    mkdirSync(at('files'))
    dist = at('dist')
    cpSync(DIST, dist, { recursive: true })
    symlinkSync(join(repository, 'node_modules'), at('node_modules'))
    for (const kind of ['helper', 'spawner']) {
      const file = join(dist, `threads/${kind}.cjs`)
      writeFileSync(
        file,
        `{ const { parentPort } = require('node:worker_threads'); const { on } = parentPort
        parentPort.on = (event, listener) => on.call(parentPort, event, (message) => {
          if (${isArmed(kind)}) { ${disarm(kind)}; throw new Error('made to end') }
          if (${isArmed('call')}) { ${disarm('call')}; listener({ ...message, args: undefined }) }
          listener(message)
        }) }\n${readFileSync(file, 'utf8')}`,
      )
    }
    // A broker thread never turns its event loop: it ends by itself only where it has no memory left.
    const limits = join(dist, 'broker/threads.js')
    const small = 'maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 24'
    writeFileSync(limits, readFileSync(limits, 'utf8').replace('maxYoungGenerationSizeMb: 2', small))
    const file = join(dist, 'threads/broker.js')
    writeFileSync(
      file,
      `${readFileSync(file, 'utf8')}
      const { MessagePort } = require('node:worker_threads'); const { close } = MessagePort.prototype
      MessagePort.prototype.close = function () {
        if (${isArmed('broker')}) { ${disarm('broker')}; for (const all = []; ; ) all.push(new Array(100_000).fill(0)) }
        return close.call(this)
      }`,
    )
  })
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  test('a helper before its call, and in it', async () => {
    const first = await start()
    const call = async (name: string, worker: Confined, ...what: readonly unknown[]): Promise<unknown> => {
      await worker.value('start', name, ...what)
      return within(SOON, name, worker.value('finish', name))
    }
    const change = async (name: string, worker: Confined): Promise<unknown> => {
      writeFileSync(at(`files/${name}`), '')
      truncateSync(at(`files/${name}`), LARGE)
      return call(name, worker, 'chmod', at(`files/${name}`), 0o600)
    }
    expect(await change('before', first)).toBe('done')
    // It had not begun: the broker thread makes the call itself.
    armed('helper')
    expect(await change('not begun', first)).toBe('done')
    expect([existsSync(at('armed-helper')), first.faults]).toEqual([false, []])
    armed('call')
    expect(await change('lost', first)).toBe('EACCES')
    expect(existsSync(at('armed-call'))).toBe(false)
    // On arm64 chmod(3) is another call.
    const changed = process.arch === 'x64' ? 'chmod' : 'fchmodat'
    expect(first.faults).toEqual([`${changed}: a thread of the broker ended while it made this call`])
    // What came with the call is free again, and another helper makes the next one.
    const second = await start()
    for (const worker of [first, second]) {
      expect(await change('lost', worker)).toBe('done')
      expect(await call('a move', worker, 'rename', at('files/lost'), at('files/moved'))).toBe('done')
    }
    expect(statSync(at('files/moved')).mode & 0o777).toBe(0o600)
    await within(SOON, 'stop', Promise.all([first.worker.stop(), second.worker.stop()]))
    expect(second.faults).toEqual([])
  })

  test('the one that starts processes', async () => {
    const first = await start()
    armed('spawner')
    // Its own start is what the thread ends in.
    await expect(within(SOON, 'a start', start())).rejects.toThrow(
      'A confined worker could not start (fork): made to end',
    )
    expect(await within(SOON, 'the end', first.worker.exited)).toEqual({ code: null, signal: 'SIGKILL' })
    expect(existsSync(`/proc/${first.worker.pid}`)).toBe(false)
    expect(first.faults).toEqual(['the thread that started it ended: made to end'])
    await within(SOON, 'stop', first.worker.stop())
    const next = await within(SOON, 'the next start', start())
    expect(await next.value('exists', at('files'))).toBe(true)
    await within(SOON, 'stop', next.worker.stop())
    expect(next.faults).toEqual([])
  })

  test('the one that serves a lane', async () => {
    const first = await start('lane')
    armed('broker')
    const waiting = [start('lane'), start('lane')]
    const ends = waiting.map((worker) =>
      worker.then(
        ({ worker: started }) => started.stop().then(() => 'served'),
        (error: unknown) => String(error),
      ),
    )
    await within(SOON, 'stop', first.worker.stop())
    const told = await within(SOON, 'the others', Promise.all(ends))
    expect(existsSync(at('armed-broker'))).toBe(false)
    expect(told.at(-1)).toBe('served')
  })
})
